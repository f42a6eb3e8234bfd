package simulate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"vecmill/schemas"
)

// What servers answer, the database and in part the catalog.
var (
	errLockTimeout = errors.New("simulate: canceling statement due to lock timeout")
	errIdle        = errors.New("simulate: terminating connection due to idle-in-transaction timeout")
	errCut         = errors.New("simulate: the connection to the server is lost")
	errRefused     = errors.New("simulate: the server does not take connections")
	errNoSpace     = errors.New("simulate: could not extend file: no space left on device")
)

// The server's time-outs, as pgvectorsink sets them.
const (
	lockTimeout = 10 * time.Second
	idleTimeout = 30 * time.Second
)

// database is a table of a PostgreSQL with its side tables, as far as sinks/pgvectorsink uses them: a line per source with a lock that transactions wait for in
// turn, rows by their id, and what each transaction covered.
type database struct {
	landed func(r schemas.Range, rows []schemas.Row) // told of every transaction that commits, in order
	mu     struct {
		sync.Mutex
		lines   map[schemas.SourceID]*line
		rows    map[string]schemas.Row
		deleted map[string]bool // ids of rows that a tombstone has taken
		ranges  map[schemas.SourceID][]stored
	}
}

// stored is what one transaction covered.
type stored struct {
	schemas.Range
	ids     []string // of the rows that it wrote, with their offsets beside
	offsets []int64
}

// line is a source's line of T_sources.
type line struct {
	next    int64 // -1: unknown
	holder  *transaction
	waiting []*transaction // in the order in which they came
}

// transaction is one under way: it waits for the lock of its line, or has it.
type transaction struct {
	db     *database
	l      *line
	locked chan struct{} // closed when it has the lock
	over   bool          // committed or rolled back; guarded by database.mu
	idle   *time.Timer   // ends it when its client is silent
}

func newDatabase() *database {
	d := &database{}
	d.mu.lines, d.mu.rows, d.mu.ranges = map[schemas.SourceID]*line{}, map[string]schemas.Row{}, map[schemas.SourceID][]stored{}
	d.mu.deleted = map[string]bool{}
	return d
}

func (d *database) lineLocked(src schemas.SourceID) *line {
	l := d.mu.lines[src]
	if l == nil {
		l = &line{next: -1}
		d.mu.lines[src] = l
	}
	return l
}

func (d *database) next(src schemas.SourceID) (next int64, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lineLocked(src)
	return max(l.next, 0), l.next >= 0
}

// begin opens a transaction and waits for its line's lock.
func (d *database) begin(ctx context.Context, src schemas.SourceID) (*transaction, error) {
	tx := &transaction{db: d, locked: make(chan struct{})}
	d.mu.Lock()
	tx.l = d.lineLocked(src)
	tx.l.waiting = append(tx.l.waiting, tx)
	tx.l.grantLocked()
	d.mu.Unlock()
	t := time.NewTimer(lockTimeout)
	defer t.Stop()
	err := errLockTimeout
	select {
	case <-tx.locked:
		return tx, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-t.C:
	}
	tx.rollback() // also if the lock came at this very moment
	return nil, err
}

// grantLocked gives the lock to whoever waits longest, if nobody has it.
func (l *line) grantLocked() {
	if l.holder != nil || len(l.waiting) == 0 {
		return
	}
	tx := l.waiting[0]
	l.waiting = l.waiting[1:]
	l.holder = tx
	tx.idle = time.AfterFunc(idleTimeout, tx.rollback)
	close(tx.locked)
}

// endLocked gives the lock back, or the place in the queue.
func (tx *transaction) endLocked() {
	tx.over = true
	if tx.idle != nil {
		tx.idle.Stop()
	}
	tx.l.waiting = slices.DeleteFunc(tx.l.waiting, func(o *transaction) bool { return o == tx })
	if tx.l.holder == tx {
		tx.l.holder = nil
		tx.l.grantLocked()
	}
}

// rollback ends the transaction without effect, unless it has ended.
func (tx *transaction) rollback() {
	tx.db.mu.Lock()
	defer tx.db.mu.Unlock()
	if !tx.over {
		tx.endLocked()
	}
}

// stands is the stored offset under the lock.
func (tx *transaction) stands() (next int64, known bool) {
	tx.db.mu.Lock()
	defer tx.db.mu.Unlock()
	return max(tx.l.next, 0), tx.l.next >= 0
}

// commit makes everything visible in one step. Of rows with one id the last offset stays.
func (tx *transaction) commit(r schemas.Range, rows []schemas.Row) error {
	d := tx.db
	d.mu.Lock()
	if tx.over {
		d.mu.Unlock()
		return errIdle
	}
	s := stored{Range: r}
	for i := range rows { // of rows with one id the last offset stays
		s.ids, s.offsets = append(s.ids, rows[i].RowID), append(s.offsets, rows[i].Offset)
		if was, there := d.mu.rows[rows[i].RowID]; !there || was.Offset <= rows[i].Offset || was.Partition != rows[i].Partition {
			d.mu.rows[rows[i].RowID] = rows[i]
		}
	}
	for _, x := range r.Deletes {
		for id, row := range d.mu.rows {
			if row.RefID == x.RefID && row.Partition == r.Source.Partition && row.Offset < x.Offset {
				delete(d.mu.rows, id)
				d.mu.deleted[id] = true
			}
		}
	}
	d.mu.ranges[r.Source] = append(d.mu.ranges[r.Source], s)
	tx.l.next = r.Next
	tx.endLocked()
	d.mu.Unlock()
	d.landed(r, rows)
	return nil
}

// covering are the ranges of transactions that touch span.
func (d *database) covering(src schemas.SourceID, span schemas.Span) (out []schemas.Range) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.mu.ranges[src] {
		if s.Next > span.First && s.First < span.Next {
			out = append(out, s.Range)
		}
	}
	return out
}

// wrote are the rows of a transaction, as they are now, and the offsets of those that are gone.
func (d *database) wrote(r schemas.Range) (rows []schemas.Row, gone []int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.mu.ranges[r.Source] {
		if s.First != r.First {
			continue
		}
		for i, id := range s.ids {
			row, there := d.mu.rows[id]
			if row.Offset = s.offsets[i]; there {
				rows = append(rows, row)
			} else {
				gone = append(gone, row.Offset)
			}
		}
	}
	return rows, slices.Compact(gone)
}

// read is what the table says of a source.
func (d *database) read(src schemas.SourceID) (*verdict, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := &verdict{fate: map[int64]string{}, rows: map[int64][]schemas.Row{}, gone: map[int64]int{}}
	claimed := map[string]bool{}
	for _, s := range d.mu.ranges[src] {
		if s.First != v.end {
			return nil, fmt.Errorf("a transaction begins at %d, the table ended at %d", s.First, v.end)
		}
		v.end = s.Next
		for i, id := range s.ids {
			row, there := d.mu.rows[id]
			at := s.offsets[i]
			switch {
			case there:
				claimed[id] = true
				v.rows[at] = append(v.rows[at], row)
			case d.mu.deleted[id]:
				v.gone[at] = 1
			default:
				return nil, fmt.Errorf("offset %d: row %s is lost", at, id)
			}
			if i == 0 || s.offsets[i-1] != at {
				v.give(at, "row")
			}
		}
		v.giveAll(s.Range)
	}
	for id, row := range d.mu.rows {
		if row.Partition == src.Partition && !claimed[id] {
			return nil, fmt.Errorf("offset %d: row %s is there, and no transaction wrote it", row.Offset, id)
		}
	}
	return v, nil
}
