package ledger

import "sync"

// slabBytes is what is asked of the system at a time.
const slabBytes = 4 << 20

// slabs are memory beside Go's heap: what lies there does not let the heap grow to twice its size before it is collected, as gigabytes in the heap would. The zero value is empty. It is safe
// for concurrent use.
type slabs struct {
	mu   sync.Mutex
	all  [][]byte
	left []byte // of the last one
}

// take gives n bytes of zeros, a multiple of 8 and less than a slab; they are valid until free.
func (s *slabs) take(n int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.left) < n {
		slab, ok := reserve(slabBytes)
		if !ok {
			return make([]byte, n)
		}
		s.all, s.left = append(s.all, slab), slab
	}
	b := s.left[:n:n]
	s.left = s.left[n:]
	return b
}

// free gives all back.
func (s *slabs) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, slab := range s.all {
		release(slab)
	}
	s.all, s.left = nil, nil
}
