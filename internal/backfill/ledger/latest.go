package ledger

import "strconv"

// Latest tells the latest row of each reference from the others, in whatever order they come: first all are noted, then asked for. About 48 bytes a reference (BenchmarkLatest), and as many for each source more that has it; it is for
// one goroutine, and its zero value is empty.
type Latest struct {
	rows table[newest]
}

// Row is where and when a row was made.
type Row struct {
	Source int32 // the number of its source; not negative
	Offset int64
	Made   int64 // a time
}

// newest is the last row of a reference in a source.
type newest struct {
	source int32 // or taken
	more   bool  // another source has the reference, too, at its next key
	offset int64
	made   int64
}

// taken is the source of a row that was asked for.
const taken = -1

// keyIn gives the shelf and the key of a reference's nth source. References are UTF-8, and so none ends as the later ones do.
func keyIn(ref string, nth int) (shelf int, k key) {
	if nth > 0 {
		ref += "\xff" + strconv.Itoa(nth)
	}
	return hashOf(ref)
}

// Note takes a row into account.
func (l *Latest) Note(ref string, r Row) {
	for nth := 0; ; nth++ {
		e, fresh := l.rows.note(keyIn(ref, nth))
		if !fresh && e.v.source != r.Source {
			e.v.more = true
			continue
		}
		if fresh || r.Offset > e.v.offset || r.Offset == e.v.offset && r.Made > e.v.made {
			e.v = newest{r.Source, e.v.more, r.Offset, r.Made}
		}
		return
	}
}

// each calls f for the last row of a reference in each source.
func (l *Latest) each(ref string, f func(*newest)) {
	for nth, more := 0, true; more; nth++ {
		e := l.rows.find(keyIn(ref, nth))
		if e == nil {
			return
		}
		f(&e.v)
		more = e.v.more
	}
}

// Behind says whether a row of a reference that was noted came later than r: in one source by its offset, whenever it was computed, else by its time. Notes and questions may take turns.
func (l *Latest) Behind(ref string, r Row) (behind bool) {
	l.each(ref, func(n *newest) {
		if n.source == r.Source && n.offset != r.Offset {
			behind = behind || n.offset > r.Offset
		} else {
			behind = behind || n.made > r.Made
		}
	})
	return behind
}

// Take says whether a row is of the latest record of its reference, of those that are the last of a source the one that was made last, once: a record may have several rows.
func (l *Latest) Take(ref string, r Row) bool {
	var last *newest
	l.each(ref, func(n *newest) {
		if last == nil || n.made > last.made {
			last = n
		}
	})
	if last == nil || last.source != r.Source || last.offset != r.Offset {
		return false
	}
	last.source = taken
	return true
}
