package stream

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"vecmill/internal/budget"
	"vecmill/schemas"
)

// flight is one record on its way. Its references travel apart, as items; the record ends as a whole, when the last of them has: with the rows of all, or as
// one dead letter, since an offset has one fate (I8).
type flight struct {
	epoch   *epoch
	ticket  *Ticket
	part    Partition
	rec     Record
	raw     *budget.Lease // of rec and what its references inline
	turn    func()        // gives a slot back: see turns
	items   []*item
	deletes []string // ids of references whose objects are gone
	began   time.Time
	refused trace.SpanContext // of a record that was refused before its references were sent off
	mu      struct {
		sync.Mutex
		open  int   // items that have not ended
		worst error // of the items that have
		at    int   // whose it is
		moved chan struct{}
	}
}

// item is one reference of a record.
type item struct {
	*flight
	number int
	ref    schemas.Ref
	place  *budget.Place
	lease  *budget.Lease // set under mu, since others of the record ask what it holds
	span   trace.Span
	rows   []schemas.Row
	done   bool // under mu
}

// errOver is how an item ends whose assignment is over.
var errOver = errors.New("the assignment is over")

// route sorts a record's references out: those to compute become items, deletions are noted, those of other pipelines are passed over. Its error refuses the record,
// whose deletions are all noted then, too.
func (p *Pipeline) route(f *flight, refs []schemas.Ref) (refused error) {
	for i := range refs {
		if refused != nil && !refs[i].Deleted {
			continue
		}
		mine, err := p.mine(f, &refs[i])
		if err == nil && mine {
			err = f.add(refs[i], p.cfg.Modality)
		}
		if err != nil && len(refs) > 1 {
			err = about(err, i, &refs[i])
		}
		if refused == nil {
			refused = err
		}
	}
	if p.deletedBefore(f.rec.Headers) {
		f.deletes = nil
	}
	if refused != nil {
		return refused
	}
	for _, it := range f.items {
		p.carry(&it.ref, f.rec.Headers)
	}
	return nil
}

// mine says whether a reference is for this pipeline. One that is nobody's is an error.
func (p *Pipeline) mine(f *flight, r *schemas.Ref) (bool, error) {
	at := Candidate{f.part.Topic, &f.rec, r}
	mine := (r.Modality == "" || r.Modality == p.cfg.Modality) && (r.Route == "" || r.Route == p.cfg.Name)
	if mine && p.cfg.Where != nil && !r.Deleted { // a deletion says little of what it deletes: it goes to everyone who may have had it
		var err error
		if mine, err = p.cfg.Where(at); err != nil {
			return false, schemas.Reject(schemas.ReasonSchema, err)
		}
	}
	if mine || p.cfg.Elsewhere != nil && p.cfg.Elsewhere(at) {
		return mine, nil
	}
	return false, schemas.Rejectf(schemas.ReasonSchema, "no pipeline of this topic takes modality %q, route %q", r.Modality, r.Route)
}

// add puts a reference behind the others of its record. Rows are told apart by the reference's id and the object's version, so two references of one record may
// not come to the same object under one id: what is there twice counts once, and a deletion takes away what the record itself said before it.
func (f *flight) add(r schemas.Ref, m schemas.Modality) error {
	if r.Deleted {
		f.items = slices.DeleteFunc(f.items, func(it *item) bool { return it.ref.ID == r.ID })
		if !slices.Contains(f.deletes, r.ID) {
			f.deletes = append(f.deletes, r.ID)
		}
		return nil
	}
	r.Modality = m
	for _, it := range f.items {
		switch o := &it.ref; {
		case o.ID != r.ID || differ(o.Version, r.Version) || differ(o.ETag, r.ETag):
		case reflect.DeepEqual(*o, r):
			return nil
		default:
			return schemas.Rejectf(schemas.ReasonSchema, "reference field id: %.200q is there twice in one record, for what may be one object", r.ShownID())
		}
	}
	f.items = append(f.items, &item{flight: f, ref: r})
	return nil
}

// differ says whether two versions are surely not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// about says which of a record's references a rejection is about.
func about(err error, number int, ref *schemas.Ref) error {
	r, ok := errors.AsType[*schemas.Rejection](err)
	if !ok {
		return err
	}
	return &schemas.Rejection{Reason: r.Reason, Attempts: r.Attempts, Err: fmt.Errorf("reference %d of the record (%.200s): %w", number, ref.ShownID(), r.Err)}
}

// begin readies the items to be sent off. They stay in order, each with its number.
func (f *flight) begin() {
	for i, it := range f.items {
		it.number = i
	}
	f.mu.open, f.mu.moved = len(f.items), make(chan struct{})
	f.began = time.Now()
}

// ended counts an item out. It says whether it was the record's last, and then how the record ends: at the worst of its items, the first of equals.
func (it *item) ended(err error) (last bool, worst error) {
	f := it.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	if w, old := severity(err), severity(f.mu.worst); w > old || w == old && it.number < f.mu.at {
		f.mu.worst, f.mu.at = err, it.number
	}
	f.mu.open--
	it.done = true
	f.moveLocked()
	worst = f.mu.worst
	if f.mu.open == 0 && len(f.items) > 1 && worst != nil {
		worst = about(worst, f.mu.at, &f.items[f.mu.at].ref)
	}
	return f.mu.open == 0, worst
}

// severity orders the ends of items: what the system failed at outweighs all, since the record must then stay unsettled.
func severity(err error) int {
	_, rejected := schemas.Rejected(err)
	switch {
	case err == nil:
		return 0
	case rejected:
		return 1
	case errors.Is(err, errOver):
		return 2
	}
	return 3
}

// holds notes what an item has reserved.
func (it *item) holds(l *budget.Lease) {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.lease = l
	it.moveLocked()
}

func (f *flight) moveLocked() {
	close(f.mu.moved)
	f.mu.moved = make(chan struct{})
}

// room waits until the record's references before this one have reserved, and what they hold leaves need bytes of total. From then on they only give back, and
// so do earlier records: the reservation will be granted. The rows of a record stay until its last item has ended, so without this a record might wait for memory
// that only itself could give back (I4). It gives what to reserve: of an object that is not known yet, what is left must do.
func (it *item) room(ctx context.Context, need, total int64, known bool) (int64, error) {
	for {
		left, all, moved := it.left(total)
		switch {
		case left >= need:
			return need, nil
		case all && !known && left > 0:
			return left, nil
		case all:
			return 0, schemas.Rejectf(schemas.ReasonTooLarge, "needs %d bytes of memory, and the rows of the record's other references leave %d of %d", need, left, total)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// left is what the references before this one leave of total, nothing while one of them has yet to reserve; all says that they have ended, and that it will not be more.
func (it *item) left(total int64) (left int64, all bool, moved <-chan struct{}) {
	it.mu.Lock()
	defer it.mu.Unlock()
	left, all = total, true
	for _, o := range it.items[:it.number] {
		if left -= o.lease.Held(); !o.done && o.lease == nil {
			left = min(left, 0)
		}
		all = all && o.done
	}
	return left, all, it.mu.moved
}
