package parquetfile

import (
	"math"
	"testing"
)

func TestARatioFollowsTheFiles(t *testing.T) {
	var r Ratio
	if r.Of(1000) != 1000 || r.Guess(0) != 32<<10 {
		t.Errorf("before the first file: %v of 1000, %d for nothing", r.Of(1000), r.Guess(0))
	}
	r.Learn(1000, 1) // too small to tell
	if r.Of(1000) != 1000 {
		t.Errorf("after a tiny file: %v", r.Of(1000))
	}
	r.Learn(4<<20, 2<<20)
	if got := r.Of(1000); math.Abs(got-875) > 1e-9 {
		t.Errorf("after a file of half its estimate: %v, want 875", got)
	}
	for range 100 {
		r.Learn(4<<20, 1)
	}
	if got := r.Of(1000); math.Abs(got-50) > 1 {
		t.Errorf("after many files of nearly nothing: %v, want 50, the least", got)
	}
	for range 100 {
		r.Learn(1<<20, 1<<30)
	}
	if got := r.Of(1000); math.Abs(got-1000) > 1 {
		t.Errorf("after many files of more than their estimate: %v, want 1000, the most", got)
	}
}
