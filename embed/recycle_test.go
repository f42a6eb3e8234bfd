package embed

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// misers is words with memory that is used again, and spoiled when it is given back: who still looks at it finds nonsense.
type misers struct {
	words
	floats Floats
	mu     struct {
		sync.Mutex
		back map[int]int // by number of steps
	}
}

func (m *misers) Recycle(s *Sample) {
	m.mu.Lock()
	m.mu.back[s.Cost]++
	m.mu.Unlock()
	for i := range s.Inputs {
		for k := range s.Inputs[i].F32 {
			s.Inputs[i].F32[k] = -1e9
		}
	}
	m.floats.PutInputs(s)
}

// TestTheMemoryOfSamplesIsGivenBackOnceAndLate is with a poison item, whose batch is computed in parts.
func TestTheMemoryOfSamplesIsGivenBackOnceAndLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &misers{}
		m.mu.back = map[int]int{}
		var blobs []string
		for i := 1; i <= 40; i++ {
			blobs = append(blobs, fmt.Sprint(i))
		}
		rows, errs, _ := runWith(t, m, &adder{poison: 13}, blobs)
		for i := range blobs {
			n := float32(i + 1)
			switch {
			case n == 13 && errs[i] == nil:
				t.Error("the poison item has rows")
			case n != 13 && (errs[i] != nil || rows[i][0].Vector[0] != n*n):
				t.Errorf("item of %v steps: %v, %v", n, rows[i], errs[i])
			}
			if m.mu.back[i+1] != 1 {
				t.Errorf("the memory of the item of %v steps was given back %d times", n, m.mu.back[i+1])
			}
		}
	})
}

func TestFloatsTakeAQuarterMoreAtMostAndFitTheirPool(t *testing.T) {
	var f Floats
	sizes := map[int]int{} // by pool
	for n := 0; n < 1<<maxKeptBits+10; n += 1 + n/97 {
		size, pool := capacity(n)
		switch {
		case size < n || size > max(n+n/4, 64):
			t.Fatalf("%d floats take %d", n, size)
		case n > 1<<maxKeptBits:
			if pool != -1 {
				t.Fatalf("%d floats are kept", n)
			}
			continue
		case pool < 0 || pool >= len(f.pools):
			t.Fatalf("%d floats are of pool %d", n, pool)
		case sizes[pool] != 0 && sizes[pool] != size:
			t.Fatalf("pool %d has %d and %d floats", pool, sizes[pool], size)
		}
		sizes[pool] = size
		if again, same := capacity(size); again != size || same != pool {
			t.Fatalf("%d floats take %d, of pool %d: those take %d, of pool %d", n, size, pool, again, same)
		}
		if got := FloatsBytes(int64(n)); got != int64(4*size) {
			t.Fatalf("%d floats are said to take %d bytes", n, got)
		}
	}
	if len(sizes) != len(f.pools) {
		t.Errorf("%d pools of %d are used", len(sizes), len(f.pools))
	}
}

func TestFloatsLendWhatWasAskedFor(t *testing.T) {
	var f Floats
	f.Put(nil)
	f.Put(make([]float32, 3, 70)) // not one of Get's
	s := &Sample{Inputs: []Input{{F32: f.Get(100)}, {I64: []int64{1}}}}
	if s.Bytes() != FloatsBytes(100)+8 {
		t.Errorf("a sample of %d bytes", s.Bytes())
	}
	f.PutInputs(s)
	for _, n := range []int{0, 3, 70, 99, 100, 1 << 24} {
		if x := f.Get(n); len(x) != n {
			t.Errorf("%d floats, want %d", len(x), n)
		}
	}
}

// TestABatchOfUsedMemoryIsPaddedLikeANewOne collates into memory that held something else.
func TestABatchOfUsedMemoryIsPaddedLikeANewOne(t *testing.T) {
	for _, pad := range []float64{0, -1} {
		batch := []Sample{
			{Inputs: []Input{{Name: "x", Shape: []int{2}, F32: []float32{1, 2}, Pad: pad}}},
			{Inputs: []Input{{Name: "x", Shape: []int{4}, F32: []float32{3, 4, 5, 6}, Pad: pad}}},
		}
		want, err := Collate(batch)
		if err != nil {
			t.Fatal(err)
		}
		var f Floats
		used := f.Get(8)
		for i := range used {
			used[i] = 99
		}
		f.Put(used)
		got, err := collate(batch, Shapes{}, &f)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) || !strings.Contains(fmt.Sprint(got), fmt.Sprintf("[1 2 %v %v 3 4 5 6]", pad, pad)) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	}
}

var _ Recycler = (*misers)(nil)
