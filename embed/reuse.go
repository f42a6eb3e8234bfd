package embed

import (
	"container/list"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vecmill/schemas"
)

// reuse keeps results by content, the latest used ones, within a number of bytes: an object whose bytes have been computed under another name gets the rows of that one, and one whose bytes
// are being computed waits for them. Failures are no results: who waited for one is computed itself. What is the same under one key is all that preprocessing and heads see of a job: the blob, and
// what goes beside it.
type reuse struct {
	most    int64          // bytes
	waiters sync.WaitGroup // jobs that wait for another's results
	hits    atomic.Int64
	mu      struct {
		sync.Mutex
		kept    map[string]*list.Element // of results
		line    list.List                // of *results, the latest used in front
		bytes   int64
		running [priorities]map[string]*results // being computed, by the priority of whose job it is
	}
}

// Past gives what the engine's model, preprocessing and heads have made of a job's content, with what goes beside it, in an earlier run: the rows as an engine makes them. None means that it is not known, and is
// computed. It may take as long as a read of an output does, and is safe for concurrent use.
type Past func(ctx context.Context, j *Job) []schemas.Row

// results are the rows of one content. They are never changed: whoever gets them gets a copy.
type results struct {
	key   string
	rows  []schemas.Row // nil: there are none, or not yet
	bytes int64
	done  chan struct{} // closed when they are there, or never will be
}

// resultBytes is what a result takes beside its rows: key, entries of map and list.
const resultBytes = 300

func newReuse(most int64) *reuse {
	r := &reuse{most: most}
	r.mu.kept = map[string]*list.Element{}
	for p := range r.mu.running {
		r.mu.running[p] = map[string]*results{}
	}
	return r
}

// contentKey is what results depend on besides model, preprocessing and heads, which an engine has one of each.
func contentKey(j *Job) string {
	if j.Ref.Companion() == "" {
		return j.Content
	}
	beside, err := json.Marshal([]any{j.Ref.TextPair, j.Ref.Question, j.Ref.Choices})
	if err != nil {
		panic(err) // texts always encode
	}
	return j.Content + string(beside)
}

// claim gives the results of a content, if they are there, or those that another job is computing which no queue lets wait longer than this one. Neither means that the caller computes it, and calls end.
func (r *reuse) claim(key string, p Priority) (there, coming *results) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.mu.kept[key]; ok {
		r.mu.line.MoveToFront(at)
		return at.Value.(*results), nil
	}
	for ahead := range p + 1 {
		if run, ok := r.mu.running[ahead][key]; ok {
			return nil, run
		}
	}
	r.mu.running[p][key] = &results{key: key, done: make(chan struct{})}
	return nil, nil
}

// end tells those who wait what became of the content; rows are nil if it failed.
func (r *reuse) end(key string, p Priority, rows []schemas.Row) {
	bytes := int64(resultBytes + len(key))
	for i := range rows {
		bytes += rows[i].Size()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.mu.running[p][key]
	delete(r.mu.running[p], key)
	x.rows, x.bytes = slices.Clone(rows), bytes
	if _, twice := r.mu.kept[key]; rows != nil && bytes <= r.most && !twice { // live and of a backfill at once
		r.mu.kept[key] = r.mu.line.PushFront(x)
		r.mu.bytes += bytes
	}
	for r.mu.bytes > r.most {
		last := r.mu.line.Back()
		old := r.mu.line.Remove(last).(*results)
		delete(r.mu.kept, old.key)
		r.mu.bytes -= old.bytes
	}
	close(x.done)
}

// give hands a job the rows of another one with its content.
func (r *reuse) give(j *Job, x *results) {
	r.hits.Add(1)
	rows, now := slices.Clone(x.rows), time.Now().UTC().Truncate(time.Microsecond)
	for i := range rows {
		rows[i].Timings, rows[i].CreatedAt = schemas.Timings{}, now
	}
	if j.Held != nil { // nothing was decoded, for which more was reserved
		size := int64(len(j.Blob))
		for i := range rows {
			size += rows[i].Size()
		}
		j.Held(size, size)
	}
	j.Done(rows, nil)
}

// submitOnce is Submit for a job whose content may be known, or be under way.
func (e *Engine) submitOnce(ctx context.Context, j Job) error {
	key := contentKey(&j)
	there, coming := e.reuse.claim(key, j.Priority)
	switch {
	case there != nil:
		e.reuse.give(&j, there)
		return nil
	case coming == nil:
		return e.lead(ctx, j, key)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closed {
		return e.endedLocked()
	}
	e.reuse.waiters.Go(func() { e.follow(ctx, j, key, coming) })
	return nil
}

// lead computes a content that others may wait for, if no earlier run has.
func (e *Engine) lead(ctx context.Context, j Job, key string) error {
	if e.cfg.Past != nil {
		if rows := e.cfg.Past(ctx, &j); len(rows) > 0 {
			e.reuse.end(key, j.Priority, rows)
			e.reuse.give(&j, &results{rows: rows})
			return nil
		}
	}
	done := j.Done
	j.Done = func(rows []schemas.Row, err error) {
		if err != nil {
			rows = nil
		}
		e.reuse.end(key, j.Priority, rows)
		done(rows, err)
	}
	err := e.submit(ctx, j)
	if err != nil {
		e.reuse.end(key, j.Priority, nil)
	}
	return err
}

// follow waits for another job's results; where they don't come, the job is computed itself, or waits for the next one that is.
func (e *Engine) follow(ctx context.Context, j Job, key string, coming *results) {
	for coming != nil {
		select {
		case <-coming.done:
		case <-ctx.Done():
			j.Done(nil, ctx.Err())
			return
		}
		there := coming
		if there.rows == nil {
			there, coming = e.reuse.claim(key, j.Priority)
		}
		if there != nil {
			e.reuse.give(&j, there)
			return
		}
	}
	if err := e.lead(ctx, j, key); err != nil {
		j.Done(nil, err)
	}
}
