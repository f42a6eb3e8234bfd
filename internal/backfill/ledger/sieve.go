package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

const (
	sieveBits   = 1 << 31 // 256 MiB, of which what is not used takes no memory
	sieveHashes = 6       // bits of each text
)

// Sieve says of texts that they were never added, or most likely were: with 100 million of them it is wrong about one other text of 5,000, and with a million about none that anybody will see. 256 MiB at most, beside Go's heap; Close gives them back. It is safe for concurrent use.
type Sieve struct {
	bits []uint32
	slab []byte // that the bits lie in; nil: Go's heap
}

// NewSieve has no text.
func NewSieve() *Sieve {
	if slab, ok := reserve(sieveBits / 8); ok {
		return &Sieve{unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(slab))), sieveBits/32), slab}
	}
	return &Sieve{bits: make([]uint32, sieveBits/32)}
}

// Add adds a text.
func (s *Sieve) Add(text string) {
	s.each(text, func(word *uint32, bit uint32) bool {
		atomic.OrUint32(word, bit)
		return true
	})
}

// Has says whether a text was most likely added.
func (s *Sieve) Has(text string) (has bool) {
	has = true
	s.each(text, func(word *uint32, bit uint32) bool {
		has = atomic.LoadUint32(word)&bit != 0
		return has
	})
	return has
}

// each calls do for the bits of a text, until it says no.
func (s *Sieve) each(text string, do func(word *uint32, bit uint32) bool) {
	sum := sha256.Sum256([]byte(text))
	for i := range sieveHashes {
		at := binary.LittleEndian.Uint32(sum[4*i:]) % sieveBits
		if !do(&s.bits[at/32], 1<<(at%32)) {
			return
		}
	}
}

// Close gives the memory back; nothing is asked any more.
func (s *Sieve) Close() {
	if s.bits = nil; s.slab != nil {
		release(s.slab)
		s.slab = nil
	}
}
