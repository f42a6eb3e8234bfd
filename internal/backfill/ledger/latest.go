package ledger

// Latest tells the latest row of each reference from the others, in whatever order they come: first all are noted, then asked for. About 48 bytes a reference (BenchmarkLatest); it is for one goroutine, and its
// zero value is empty.
type Latest struct {
	rows table[Row]
}

// Row is where and when a row was made.
type Row struct {
	Source int32 // the number of its source; not negative
	Offset int64
	Made   int64 // a time
}

// taken is the source of a row that was asked for.
const taken = -1

// Note takes a row into account.
func (l *Latest) Note(ref string, r Row) {
	if e, fresh := l.rows.note(hashOf(ref)); fresh || r.behind(&e.v) {
		e.v = r
	}
}

// behind says whether a row came later: in one source by its offset, whenever it was computed, else by its time.
func (r *Row) behind(o *Row) bool {
	if r.Source == o.Source && r.Offset != o.Offset {
		return r.Offset > o.Offset
	}
	return r.Made > o.Made
}

// Behind says whether the latest row of a reference that was noted came later than r. Notes and questions may take turns.
func (l *Latest) Behind(ref string, r Row) bool {
	e := l.rows.find(hashOf(ref))
	return e != nil && e.v.behind(&r)
}

// Take says whether a row is of the latest record of its reference, once: a record may have several rows.
func (l *Latest) Take(ref string, r Row) bool {
	e := l.rows.find(hashOf(ref))
	if e == nil || e.v.Source != r.Source || e.v.Offset != r.Offset {
		return false
	}
	e.v.Source = taken
	return true
}
