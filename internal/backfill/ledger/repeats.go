package ledger

import (
	"encoding/binary"
	"math/bits"
)

// mostRepeats is how many texts are kept of which it is told whether they came before: a quarter of a gigabyte.
const mostRepeats = 16 << 20

// Repeats tells texts that came before. It keeps 91 bits of a hash of each, and where it came last: 16 to 18 bytes a text (BenchmarkRepeats), beside Go's heap, and of 16 Mi texts at most. Where there are more it keeps a half of all texts, by their hashes, a quarter and so on, and is asked of these alone: each of them stands for
// as many others. Close gives the memory back; it is for one goroutine.
type Repeats struct {
	most  int64 // texts
	level int   // one text of 1 << level is kept
	n     int64 // texts that are kept
	table *table[[4]byte]
}

// NewRepeats knows no text.
func NewRepeats() *Repeats { return &Repeats{most: mostRepeats, table: aside()} }

func aside() *table[[4]byte] { return &table[[4]byte]{slabs: &slabs{}} }

// Level says that one text of 1 << Level is kept, of all that ever came.
func (r *Repeats) Level() int { return r.level }

// Note notes a text that comes at a place, which ascends by less than 1 << 32 between two of the same, and says how far behind another of it that is; 0: it is the first, or is not kept. level is that of the text: while it is not below Level, it was kept from the beginning on.
func (r *Repeats) Note(text string, at int64) (behind int64, level int) {
	shelf, k := hashOf(text)
	if level = levelOf(k); level < r.level {
		return 0, level
	}
	e, fresh := r.table.note(shelf, k)
	last := binary.LittleEndian.Uint32(e.v[:])
	binary.LittleEndian.PutUint32(e.v[:], uint32(at))
	if !fresh {
		return int64(uint32(at) - last), level
	}
	if r.n++; r.n > r.most {
		r.halve()
	}
	return 0, level
}

// levelOf is geometrically distributed, and is told by bits that do not say where in a shelf a key is.
func levelOf(k key) int {
	return bits.LeadingZeros16(uint16(k[0]>>1)<<9 | uint16(k[1])<<1 | 1)
}

// halve keeps a half of the texts.
func (r *Repeats) halve() {
	all := r.table
	r.level++
	r.n, r.table = 0, aside()
	for shelf := range all.shelves {
		for _, page := range all.shelves[shelf].pages {
			for i := range page {
				if e := &page[i]; e.k != (key{}) && levelOf(e.k) >= r.level {
					kept, _ := r.table.note(shelf, e.k)
					kept.v = e.v
					r.n++
				}
			}
		}
	}
	all.free()
}

// Close gives the memory back; nothing is asked any more.
func (r *Repeats) Close() { r.table.free() }
