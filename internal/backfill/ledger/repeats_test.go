package ledger

import (
	"fmt"
	"testing"
)

// TestWhatComesAgainIsTold has each text at three places, near and far.
func TestWhatComesAgainIsTold(t *testing.T) {
	r := NewRepeats()
	defer r.Close()
	const n = 20_000
	at := int64(1<<32 - n) // places are kept as 32 bits
	for round := range int64(3) {
		for i := range int64(n) {
			want := min(round, 1) * n
			if behind, _ := r.Note(fmt.Sprint(i), at); behind != want {
				t.Fatalf("text %d in round %d comes %d behind itself, want %d", i, round, behind, want)
			}
			at++
		}
	}
	if behind, _ := r.Note("5", at); behind != n-5 || r.Level() != 0 {
		t.Errorf("behind: %d; level %d", behind, r.Level())
	}
}

// TestManyTextsAreASample keeps a few of many texts, which came two times each: those that are kept stand for all, and were kept from the beginning on.
func TestManyTextsAreASample(t *testing.T) {
	r := NewRepeats()
	defer r.Close()
	r.most = 4000
	const n = 100_000
	var again [16]int64
	for at := range int64(2 * n) {
		if behind, level := r.Note(fmt.Sprint(at/2), at); behind > 0 {
			again[level]++
		}
	}
	if r.n > r.most || r.n < r.most/4 || r.Level() != 5 {
		t.Errorf("%d texts are kept, of level %d", r.n, r.Level())
	}
	sum := int64(0)
	for _, x := range again[r.Level():] {
		sum += x
	}
	if got := sum << r.Level(); got < n*9/10 || got > n*11/10 {
		t.Errorf("%d of %d texts come again", got, n)
	}
}

func TestASieveHasWhatWasAdded(t *testing.T) {
	s := NewSieve()
	defer s.Close()
	const n = 20_000
	for i := range n {
		s.Add(fmt.Sprint(i))
	}
	for i := range n {
		if !s.Has(fmt.Sprint(i)) {
			t.Fatalf("%d was added", i)
		}
		if s.Has(fmt.Sprint("other", i)) {
			t.Errorf("other%d was not added", i)
		}
	}
}

// BenchmarkRepeats reports the memory of one text.
func BenchmarkRepeats(b *testing.B) {
	for b.Loop() {
		before := inside()
		r := NewRepeats()
		for i := range *objects {
			r.Note(fmt.Sprintf("%032x", i), int64(i))
		}
		b.ReportMetric(float64(inside()-before+r.table.slabs.outside())/float64(r.n), "bytes/text")
		r.Close()
	}
}
