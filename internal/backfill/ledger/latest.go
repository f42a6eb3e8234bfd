package ledger

// Latest tells the latest row of each reference from the others, in whatever order they come: first all are noted, then asked for. About 46 bytes a reference (BenchmarkLatest); it is for one goroutine, and its
// zero value is empty.
type Latest struct {
	shelves [shelves]dated
}

// Row is where and when a row was made.
type Row struct {
	Source int32 // the number of its source; not negative
	Offset int64
	Made   int64 // a time
}

// dated is a shelf with a row at each key.
type dated struct {
	shelf
	rows []Row
}

// taken is the source of a row that was asked for.
const taken = -1

// Note takes a row into account.
func (l *Latest) Note(ref string, r Row) {
	n, k := hashOf(ref)
	at := &l.shelves[n]
	if at.full() {
		at.grow()
	}
	i := at.place(k)
	if at.keys[i] != k {
		at.keys[i], at.rows[i] = k, r
		at.n++
	} else if r.behind(&at.rows[i]) {
		at.rows[i] = r
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
	n, k := hashOf(ref)
	at := &l.shelves[n]
	if len(at.keys) == 0 {
		return false
	}
	i := at.place(k)
	return at.keys[i] == k && at.rows[i].behind(&r)
}

// Take says whether a row is of the latest record of its reference, once: a record may have several rows.
func (l *Latest) Take(ref string, r Row) bool {
	n, k := hashOf(ref)
	at := &l.shelves[n]
	if len(at.keys) == 0 {
		return false
	}
	i := at.place(k)
	if at.keys[i] != k || at.rows[i].Source != r.Source || at.rows[i].Offset != r.Offset {
		return false
	}
	at.rows[i].Source = taken
	return true
}

func (d *dated) grow() {
	keys, rows := d.keys, d.rows
	d.shelf.grow()
	d.rows = make([]Row, len(d.keys))
	for i, k := range keys {
		if k != (key{}) {
			d.rows[d.place(k)] = rows[i]
		}
	}
}
