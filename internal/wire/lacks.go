package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"vecmill/schemas"
)

// shortHash stands for a text of which very many are held.
type shortHash [16]byte

func shortHashOf(text string) shortHash {
	sum := sha256.Sum256([]byte(text))
	return shortHash(sum[:16])
}

// class is one of so many classes of ids, a power of two.
type class struct{ of, i uint32 }

func (c class) has(id shortHash) bool { return binary.LittleEndian.Uint32(id[:])%c.of == c.i }

// fate is what became of a reference in the output that lacks it.
type fate uint8

const (
	passed fate = iota // nothing: it was passed over, or lost
	buried             // it has a dead letter
	unsure             // one of both: the output does not say, and not all letters are there to be read
)

// lack is where a reference came last in a source, of which one output has rows, and the other has none.
type lack struct {
	content shortHash // of its object: the same one gives the same rows, whichever record it came in
	offset  int64
	source  int32 // of those that are compared
	next    int32 // of the same id, of a source before; -1: none
	fate    fate
	found   bool // it is none: it came again, was deleted behind, or is somewhere else
}

// lacks are those of the ids of one class, and which ids were deleted, as one pass over the outputs finds them. When there are more than most, the pass goes on with half of them, and leaves the others to another one.
type lacks struct {
	class
	most    int
	left    []class
	all     []lack
	source  int32               // the last one that has any
	begin   int                 // no lack in all before it is of that source
	newest  map[shortHash]int32 // by id: the last lack in all
	deleted map[shortHash]bool  // by id: whether it has rows all the same
}

func newLacks(c class, most int) *lacks {
	return &lacks{class: c, most: most, newest: map[shortHash]int32{}, deleted: map[shortHash]bool{}}
}

// lackOf is the lack of an id in a source; nil if it has none. Sources come one after another.
func (p *lacks) lackOf(id shortHash, source int32) *lack {
	if i, ok := p.newest[id]; ok && p.all[i].source == source {
		return &p.all[i]
	}
	return nil
}

// add notes a row that the other output lacks; of several of a source the one with the greatest offset counts.
func (p *lacks) add(id shortHash, content string, source int32, offset int64, f fate) {
	if source != p.source {
		p.source, p.begin = source, len(p.all)
	}
	at := p.lackOf(id, source)
	switch {
	case at != nil && at.offset > offset:
		return
	case at == nil:
		next := int32(-1)
		if i, ok := p.newest[id]; ok {
			next = i
		}
		p.newest[id] = int32(len(p.all))
		p.all = append(p.all, lack{next: next})
		at = &p.all[len(p.all)-1]
	}
	at.content, at.offset, at.source, at.fate, at.found = shortHashOf(content), offset, source, f, false
	p.halve()
}

// again tells of a record behind that concerns an id of a source: its object came again, for both outputs (of a compacted log only that is left), or was deleted.
func (p *lacks) again(id shortHash, source int32, offset int64) {
	if at := p.lackOf(id, source); at != nil && at.offset < offset {
		at.found = true
	}
}

// delete notes an id that was deleted since the plan was begun.
func (p *lacks) delete(id shortHash) {
	p.deleted[id] = false
	p.halve()
}

func (p *lacks) halve() {
	for len(p.all)+len(p.deleted) > p.most {
		p.left = append(p.left, class{2 * p.of, p.i + p.of})
		half := newLacks(class{2 * p.of, p.i}, p.most)
		half.source = p.source // its lacks come between others
		for id, i := range p.newest {
			if half.has(id) {
				half.take(id, p, i)
			}
		}
		for id := range p.deleted {
			if half.has(id) {
				half.deleted[id] = false
			}
		}
		half.left = p.left
		*p = *half
	}
}

// take takes over the lacks of an id, those of sources before first.
func (p *lacks) take(id shortHash, from *lacks, i int32) {
	if i < 0 {
		return
	}
	x := from.all[i]
	p.take(id, from, x.next)
	x.next = -1
	if before, ok := p.newest[id]; ok {
		x.next = before
	}
	p.newest[id] = int32(len(p.all))
	p.all = append(p.all, x)
}

// find tells of a row of the output that lacks them: who has the object has no lack of it, whichever record it came in, and a dead letter may have been replayed for that pipeline alone, when the object was another already.
func (p *lacks) find(l *schemas.Lineage, source int32) {
	id := shortHashOf(l.RefID)
	i, ok := p.newest[id]
	if !ok {
		return
	}
	content := shortHashOf(l.ContentHash)
	for ; i >= 0; i = p.all[i].next {
		at := &p.all[i]
		if at.content == content || at.fate == buried && at.source == source && l.Offset > at.offset {
			at.found = true
		}
	}
}

// each gives the lacks that are left; one object that is lacking from several sources once.
func (p *lacks) each(f func(id shortHash, at *lack)) {
	for id, first := range p.newest {
		for i := first; i >= 0; i = p.all[i].next {
			if !p.all[i].found && !p.told(first, i) {
				f(id, &p.all[i])
			}
		}
	}
}

// told says whether a lack of the same object comes before one in its chain.
func (p *lacks) told(first, one int32) bool {
	for i := first; i != one; i = p.all[i].next {
		if !p.all[i].found && p.all[i].content == p.all[one].content {
			return true
		}
	}
	return false
}

// first is the least offset of the lacks that are left of the source that came last; of others it knows nothing.
func (p *lacks) first(source int32) (first int64, ok bool) {
	if source != p.source {
		return 0, false
	}
	for i := p.begin; i < len(p.all); i++ {
		at := &p.all[i]
		if !at.found && at.source == source && (!ok || at.offset < first) {
			first, ok = at.offset, true
		}
	}
	return first, ok
}

// some says whether any are left.
func (p *lacks) some() bool {
	return slices.ContainsFunc(p.all, func(at lack) bool { return !at.found })
}
