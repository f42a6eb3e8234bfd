package embed

import (
	"math/bits"
	"sync"
)

// Recycler is a Preprocessor that takes the memory of its samples back, so that a steady stream of objects allocates next to nothing.
type Recycler interface {
	Preprocessor

	// Recycle takes the floats of a sample's inputs, which nobody looks at any more. The engine calls it once for a sample that went through a batch; of those that are never given
	// back the garbage collector takes care.
	Recycle(s *Sample)
}

// Floats keeps memory of samples and batches between its uses. The zero value is ready; it is safe for concurrent use. What waits in it is outside of any lease; a garbage collection or two empty it.
type Floats struct {
	pools [1 + 4*(maxKeptBits-minKeptBits)]sync.Pool // *[]float32, of one capacity each
}

// Buffers of 2^minKeptBits to 2^maxKeptBits floats are kept: eight minutes at 16 kHz, a batch of 50 pictures of 224 x 224.
const (
	minKeptBits = 6
	maxKeptBits = 23
)

// capacity is how many floats Get takes for n, and their pool, -1 for none: there are four capacities for each power of two, so that a buffer that held something else is never much larger
// than what it is lent for, and leases stay true.
func capacity(n int) (size, pool int) {
	switch {
	case n <= 1<<minKeptBits:
		return 1 << minKeptBits, 0
	case n > 1<<maxKeptBits:
		return n, -1
	}
	k := bits.Len(uint(n - 1)) // n is above half of 2^k
	step := 1 << (k - 3)
	size = (n + step - 1) / step * step
	return size, 4*(k-minKeptBits-1) + (size-1<<(k-1))/step
}

// FloatsBytes is the memory that n floats take.
func FloatsBytes(n int64) int64 {
	if n > 1<<maxKeptBits {
		return 4 * n
	}
	size, _ := capacity(int(n))
	return 4 * int64(size)
}

// Get lends n floats, with whatever is in them.
func (f *Floats) Get(n int) []float32 {
	size, pool := capacity(n)
	if pool >= 0 {
		if kept, ok := f.pools[pool].Get().(*[]float32); ok {
			return (*kept)[:n]
		}
	}
	return make([]float32, n, size)
}

// Put takes x, which must not be used from now on. What Get has not made is left to the garbage collector.
func (f *Floats) Put(x []float32) {
	if size, pool := capacity(cap(x)); pool >= 0 && size == cap(x) {
		f.pools[pool].Put(&x)
	}
}

// PutInputs takes the floats of a sample's inputs.
func (f *Floats) PutInputs(s *Sample) {
	for i := range s.Inputs {
		f.Put(s.Inputs[i].F32)
	}
}
