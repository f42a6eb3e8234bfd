package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// Spot is a row of a file, each below 1 << 24.
type Spot struct {
	File uint32 // its number
	Row  uint32 // in the file, from 0
}

func (s Spot) before(o Spot) bool { return s.File < o.File || s.File == o.File && s.Row < o.Row }

// spot is a Spot in as few bytes as it takes.
type spot [6]byte

func (s *spot) wide() Spot {
	three := func(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }
	return Spot{three(s[:3]), three(s[3:])}
}

// Contents say where the results of a content are, in outputs: at most 20 bytes each (BenchmarkContents), most of it beside Go's heap. A content that is added again is where the number of the file, then of the row, is lowest, whichever was added first. Add is safe for concurrent use, and so are
// the other methods when all is added.
type Contents struct {
	locks [shelves]sync.Mutex
	table table[spot]
}

// NewContents makes an empty index. Its memory is given back by Close.
func NewContents() *Contents { return &Contents{table: table[spot]{slabs: &slabs{}}} }

// contentHash gives the shelf and the key of a content, a hash, with the hash of what goes beside it.
func contentHash(content, beside string) (shelf int, k key) {
	var room [256]byte
	b := binary.LittleEndian.AppendUint64(room[:0], uint64(len(content)))
	sum := sha256.Sum256(append(append(b, content...), beside...))
	return keyOf(&sum)
}

// Add says where the results of a content are. One that is too far for a Spot stays unknown.
func (c *Contents) Add(content, beside string, at Spot) {
	if at.File >= 1<<24 || at.Row >= 1<<24 {
		return
	}
	i, k := contentHash(content, beside)
	c.locks[i].Lock()
	defer c.locks[i].Unlock()
	e, fresh := c.table.note(i, k)
	if !fresh && !at.before(e.v.wide()) {
		return
	}
	e.v = spot{byte(at.File), byte(at.File >> 8), byte(at.File >> 16), byte(at.Row), byte(at.Row >> 8), byte(at.Row >> 16)}
}

// Find says where the results of a content are, if they are known.
func (c *Contents) Find(content, beside string) (at Spot, ok bool) {
	e := c.table.find(contentHash(content, beside))
	if e == nil {
		return at, false
	}
	return e.v.wide(), true
}

// Len is the number of different contents.
func (c *Contents) Len() (n int64) { return c.table.len() }

// Close gives the memory back; nothing is asked any more.
func (c *Contents) Close() { c.table.free() }
