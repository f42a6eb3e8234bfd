package objectletters_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/objectletters"
	"vecmill/sinks/sinktest"
)

func TestLettersAreFoundAndMarked(t *testing.T) {
	for _, prefix := range []string{"", "dead/letters"} {
		st := sinktest.NewMemStore()
		s, r := objectletters.New(st, prefix, retry.Policy{}), objectletters.NewReader(st, prefix, retry.Policy{})
		var want []sinks.Letter
		for i, topic := range []string{"manifest:a/b", "refs", "refs"} {
			l := letter([]byte("v"))
			l.Source.Topic, l.Offset = topic, int64(i)
			want = append(want, l)
			if err := s.Put(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"x.json", "other/refs/2/00000000000000000041.parquet", "speech/refs/2/41.json", "speech/refs/x/00000000000000000041.json"} {
			if err := st.Put(t.Context(), strings.TrimPrefix(prefix+"/"+name, "/"), []byte("{}"), ""); err != nil {
				t.Fatal(err)
			}
		}
		moved := objectletters.Name(prefix, want[1].Source, 77)
		body, _ := st.Read(t.Context(), objectletters.Name(prefix, want[1].Source, 1), 0, 1<<20)
		if err := st.Put(t.Context(), moved, body, ""); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.MarkReplayed(t.Context(), []schemas.Origin{want[0].Origin(), want[2].Origin()}), r.MarkReplayed(t.Context(), []schemas.Origin{want[0].Origin()})); err != nil {
			t.Fatal(err)
		}
		var got []sinks.Letter
		var bad []string
		if err := r.Letters(t.Context(), func(l sinks.StoredLetter) error {
			if l.Err != nil {
				bad = append(bad, l.Place)
				return nil
			}
			got = append(got, l.Letter)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) || len(bad) != 1 || bad[0] != moved {
			t.Errorf("%+v, unreadable %v", got, bad)
		}
		marks, err := r.Replayed(t.Context())
		if err != nil || !reflect.DeepEqual(marks, map[schemas.Origin]bool{want[0].Origin(): true, want[2].Origin(): true}) {
			t.Errorf("%v, %v", marks, err)
		}
	}
}

// A name that is read as a letter's is exactly the name that the letter would have.
func FuzzOrigin(f *testing.F) {
	f.Add("dead/p/t/1/00000000000000000041.json")
	f.Add("dead/p/manifest:a%2Fb/0/00000000000000000000.replayed")
	f.Fuzz(func(t *testing.T, name string) {
		st := sinktest.NewMemStore()
		if err := st.Put(t.Context(), name, []byte(`{"v":1}`), ""); err != nil {
			return
		}
		marks, err := objectletters.NewReader(st, "dead", retry.Policy{}).Replayed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for o := range marks {
			if want := strings.TrimSuffix(objectletters.Name("dead", o.Source, o.Offset), ".json") + ".replayed"; want != name {
				t.Errorf("%q is read as %s, which is %q", name, o, want)
			}
		}
	})
}
