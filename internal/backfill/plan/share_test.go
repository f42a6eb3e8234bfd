package plan

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestSharesAreAllOfAPlanOnce(t *testing.T) {
	at := place(t)
	w, _ := writer(t, at)
	const items = 23
	for n := range items {
		add(t, w, n, n+1)
		if n%10 == 9 { // parts whose ends are no share's
			if err := w.Save(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	whole, err := Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	read := func(l *List, from int64) (all []string) {
		next, err := l.From(t.Context(), from)
		for err == nil {
			var ref []byte
			if ref, err = next(); err == nil {
				all = append(all, string(ref))
			}
		}
		if !errors.Is(err, io.EOF) || int64(len(all)) != l.Len()-from {
			t.Fatalf("%d references of %d from %d on: %v", len(all), l.Len(), from, err)
		}
		return all
	}
	want := fmt.Sprint(read(whole, 0))
	for _, n := range []int{1, 2, 3, 8, 23, 40} {
		var all []string
		for i := range n {
			l := whole.Share(Share{i, n})
			if least := int64(items / n); l.Len() < least || l.Len() > least+1 {
				t.Errorf("share %d of %d has %d references", i, n, l.Len())
			}
			all = append(all, read(l, 0)...)
			if l.Len() > 0 {
				read(l, l.Len()-1)
			}
		}
		if got := fmt.Sprint(all); got != want {
			t.Errorf("%d shares have %s", n, got)
		}
	}
}

func TestAShareIsWrittenAsANumberOfSoMany(t *testing.T) {
	for text, want := range map[string]Share{"0/1": {0, 1}, "0/8": {0, 8}, "7/8": {7, 8}} {
		if s, err := ParseShare(text); err != nil || s != want {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "3", "8/8", "-1/8", "1/0", "a/8", "1/b", "1/8/9", "$(JOB_COMPLETION_INDEX)/8", "0/1000000"} {
		if s, err := ParseShare(text); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
	if (Share{}).Partition() != 0 || (Share{0, 1}).Partition() != 0 || (Share{0, 2}).Partition() != 1 {
		t.Error("a plan as a whole and its first share are one list")
	}
}

func TestHowAPlanIsComputedIsSettledOnce(t *testing.T) {
	for _, first := range []Settled{{Of: 8}, {Of: 1}, {Published: true}} {
		at := place(t)
		if s, err := HowSettled(t.Context(), at); s != (Settled{}) || err != nil {
			t.Errorf("at first: %+v, %v", s, err)
		}
		for _, s := range []Settled{first, {Of: 4}, {Of: 1}, {Published: true}, first} {
			if got, err := Settle(t.Context(), at, s); got != first || err != nil {
				t.Errorf("%+v after %+v: %+v, %v", s, first, got, err)
			}
		}
		if s, err := HowSettled(t.Context(), at); s != first || err != nil {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

// TestWhatIsLeftOfADeletedPlanIsNotTheNextOnes, of which as many references would pass for published.
func TestWhatIsLeftOfADeletedPlanIsNotTheNextOnes(t *testing.T) {
	for _, left := range []string{"shares.json", "publish-refs.json"} {
		at := place(t)
		if err := at.Store.Put(t.Context(), at.name(left), []byte("{}"), ""); err != nil {
			t.Fatal(err)
		}
		if _, _, err := NewWriter(t.Context(), at, title); err == nil || !strings.Contains(err.Error(), "delete plans/x/"+left) {
			t.Errorf("%s: %v", left, err)
		}
	}
	at := place(t)
	if err := at.Store.Put(t.Context(), at.name("publish-notes.txt"), []byte("{}"), ""); err != nil {
		t.Fatal(err)
	}
	writer(t, at)
}
