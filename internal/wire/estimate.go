package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"vecmill/embed"
	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/pace"
	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
	"vecmill/stream"
	"vecmill/stream/blobfetch"
)

// EstimateOptions say how much is tried to know what a run will take.
type EstimateOptions struct {
	For      time.Duration // how long to compute, for each pipeline; 0: nothing is estimated
	Machines int           // that share the work: like this one, or like those whose rates are stated
	Price    float64       // of one of them for an hour; 0: not told

	Rates      map[string]backfill.Rate // of each machine, by pipeline or modality, in place of what is measured here
	CPUs, GPUs int                      // of each machine whose rate is stated; 0: not told

	Gate *pace.Gate // while it is shut, no object is looked at and no trial begins; may be nil
}

// wanted says whether anything is to be estimated.
func (o *EstimateOptions) wanted() bool { return o.For > 0 || len(o.Rates) > 0 }

// rate is what each machine is said to compute for a pipeline; nil: nothing is said.
func (o *EstimateOptions) rate(pipeline string, m schemas.Modality) (*backfill.Rate, error) {
	r, ok := o.Rates[pipeline]
	if !ok {
		r, ok = o.Rates[string(m)]
	}
	switch {
	case !ok && o.For == 0:
		return nil, fmt.Errorf("no rate is stated for it, and with --try 0 none is measured; --rate %s=N/s states one", pipeline)
	case !ok:
		return nil, nil
	case r.Unit == backfill.AudioSeconds && m != schemas.Audio:
		return nil, fmt.Errorf("its rate is stated in seconds of audio, and it reads %s: objects are N/s", m)
	}
	return &r, nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// estimate looks at a draft's sample with each pipeline. What is computed of it knows of batches what a run would.
func estimate(ctx context.Context, s *stores, of *takers, d *backfill.Draft, o EstimateOptions, log *slog.Logger) ([]backfill.Expectation, error) {
	fetcher, err := newFetcher(of.c, s)
	if err != nil {
		return nil, err
	}
	var all []backfill.Expectation
	for i, m := range of.models {
		p := &of.c.Pipelines[i]
		t := &trial{p: p, m: m, fetcher: fetcher, gate: o.Gate, seen: map[string]bool{}}
		mine := of.part(i, d)
		x := backfill.ExpectOptions{Pipeline: p.Name, Modality: m.spec.Modality, Startup: m.took, StartupCPU: m.cpu, For: o.For, Machines: o.Machines, Price: o.Price}
		executors, _ := m.callers()
		x.AtOnce, x.Window = trialSize(m.batch(p), len(executors))
		x.Machine = deviceName(p, os.DirFS("/"))
		if p.Model.OnGPU() {
			x.Devices = len(m.devices)
		}
		if x.Stated, err = o.rate(p.Name, m.spec.Modality); err != nil {
			return nil, fmt.Errorf("pipeline %s: %w", p.Name, err)
		}
		if x.Stated != nil {
			x.CPUs, x.Devices = o.CPUs, o.GPUs
		}
		x.Reuse = int64(p.ReuseResults)
		var try backfill.Trial
		if o.For > 0 {
			m.recall(of.c, p)
			m.warnOfBytes(p, log)
			try, x.Give = t.compute, t.give
		}
		e, err := backfill.Expect(ctx, mine, t.probe, try, x)
		switch {
		case ctx.Err() == nil && withheld(err):
			return nil, fmt.Errorf("pipeline %s: %w; what is planned is kept: the same command looks at the sample again, and with --try 0 and no --rate finishes the plan without an estimate", p.Name, err)
		case err != nil:
			return nil, fmt.Errorf("pipeline %s: %w", p.Name, err)
		}
		if err := t.weigh(e, o.Machines); err != nil {
			return nil, fmt.Errorf("pipeline %s: weighing its rows: %w", p.Name, err)
		}
		all = append(all, *e)
	}
	return all, nil
}

// trialSize is how many objects a trial has at least, a batch for each executor and two in all, and how many where there is time: what a run sorts into batches, and two for each.
func trialSize(batch embed.BatcherConfig, executors int) (least, most int) {
	return max(2, executors) * batch.MaxItems, max(batch.Window, 2*executors*batch.MaxItems)
}

// withheld says of an error that objects were not given.
func withheld(err error) bool {
	_, rejected := schemas.Rejected(err)
	_, store := errors.AsType[*blobfetch.StoreFault](err)
	return rejected || store
}

// part is what a pipeline takes of a draft.
func (t *takers) part(i int, d *backfill.Draft) *backfill.Draft {
	out := d.Part(func(ref *schemas.Ref) bool {
		yes, _ := t.take(i, ref)
		return yes
	})
	for n := range out.Sample {
		out.Sample[n].Ref.Modality = t.models[i].spec.Modality
	}
	return out
}

// trial is a pipeline without source and sink.
type trial struct {
	p       *config.Pipeline
	m       *loadedModel
	fetcher stream.Fetcher
	gate    *pace.Gate

	kept  []schemas.Row // of what was computed
	bytes int64         // of these, in memory
	blobs int64         // the most bytes of objects that were on their way through the engine at once
	seen  map[string]bool
}

var errSeen = errors.New("the header is all that is wanted")

// probe reads the first bytes of an object.
func (t *trial) probe(ctx context.Context, it *plan.Item) (e backfill.Extent, err error) {
	if err := t.gate.Wait(ctx); err != nil {
		return e, err
	}
	seen := false
	blob, err := t.fetcher.Fetch(ctx, it.Ref, func(_ context.Context, head []byte, size int64) error {
		if head == nil && size < 0 {
			return nil // before a wait: the next attempt has to read all of it
		}
		seen = true
		if e, err = t.extent(head, size); err != nil {
			return err
		}
		return errSeen
	})
	if blob != nil {
		return t.extent(blob.Data, int64(len(blob.Data)))
	}
	if seen && errors.Is(err, errSeen) {
		err = nil
	}
	return e, err
}

func (t *trial) extent(head []byte, size int64) (backfill.Extent, error) {
	e := backfill.Extent{Bytes: max(size, int64(len(head)))}
	m, ok := t.m.pre.(embed.Measurer)
	if !ok {
		return e, nil
	}
	x, err := m.Measure(head, size)
	e.Seconds, e.Pixels = x.Seconds, x.Pixels
	return e, err
}

// compute runs objects through fetching, preprocessing, the model and the heads, as many at once as a worker would.
func (t *trial) compute(ctx context.Context, items []plan.Item) (backfill.Tried, error) {
	if err := t.gate.Wait(ctx); err != nil { // not within what is timed
		return backfill.Tried{}, err
	}
	p := *t.p
	p.ReuseResults = 0 // copies are counted, and are not what is tried
	e, err := newEngine(&p, t.m, nil, nil, nil)
	if err != nil {
		return backfill.Tried{}, err
	}
	run, stop := context.WithCancel(ctx)
	var engine, jobs sync.WaitGroup
	engine.Go(func() { e.Run(run) })
	defer engine.Wait()
	defer stop()
	out := &tally{out: backfill.Tried{Items: len(items), Work: make([]float64, len(items))}}
	began, cpu := time.Now(), processTime()
	t.fetch(ctx, items, out, func(i int, blob *stream.Blob) { submit(ctx, e, &items[i].Ref, i, blob, &jobs, out) })
	jobs.Wait()
	out.out.Wall, out.out.CPU = time.Since(began), processTime()-cpu
	st := e.Stats()
	out.out.Steps, out.out.Padded = st.Cost, st.Padded
	t.keep(out.rows)
	t.blobs = max(t.blobs, out.blobs)
	return out.tried(), errors.Join(out.fault, ctx.Err())
}

// give fetches objects, and has the rows that are kept of them written as files would be: what copies of them take.
func (t *trial) give(ctx context.Context, items []plan.Item) (backfill.Tried, error) {
	if err := t.gate.Wait(ctx); err != nil { // not within what is timed
		return backfill.Tried{}, err
	}
	rows := map[string][]schemas.Row{}
	for i := range t.kept {
		rows[t.kept[i].RefID] = append(rows[t.kept[i].RefID], t.kept[i])
	}
	items = slices.DeleteFunc(slices.Clone(items), func(it plan.Item) bool { return rows[it.Ref.ID] == nil })
	out := &tally{out: backfill.Tried{Items: len(items), Work: make([]float64, len(items))}}
	began, cpu := time.Now(), processTime()
	t.fetch(ctx, items, out, func(i int, blob *stream.Blob) {
		ref := &items[i].Ref
		out.done(i, placed(slices.Clone(rows[ref.ID]), ref, blob), nil)
	})
	for i := range t.p.Outputs {
		if c, format := t.p.Outputs[i].Files(); c != nil && len(out.rows) > 0 {
			if _, err := parquetsink.Weigh(filesConfig(c, parquetsink.Format(format), t.m), out.rows, out.out.RowBytes); err != nil {
				return out.out, fmt.Errorf("writing rows of copies: %w", err)
			}
		}
	}
	out.out.Wall, out.out.CPU = time.Since(began), processTime()-cpu
	return out.out, errors.Join(out.fault, ctx.Err())
}

// fetch gives the objects of items, as many at once as a worker fetches.
func (t *trial) fetch(ctx context.Context, items []plan.Item, out *tally, got func(i int, blob *stream.Blob)) {
	var fetchers sync.WaitGroup
	queue := make(chan int)
	for range t.p.Fetchers {
		fetchers.Go(func() {
			for i := range queue {
				blob, err := t.fetcher.Fetch(ctx, items[i].Ref, func(context.Context, []byte, int64) error { return nil })
				if err != nil {
					out.done(i, nil, err)
					continue
				}
				got(i, blob)
			}
		})
	}
	for i := range items {
		queue <- i
	}
	close(queue)
	fetchers.Wait()
}

// tally adds up what becomes of the items of a trial.
type tally struct {
	mu    sync.Mutex
	out   backfill.Tried
	each  int64 // rows of every item that was computed so far; 0: none was; negative: they have different numbers of them
	rows  []schemas.Row
	fault error

	held, blobs int64 // bytes of objects on their way now, and the most of them
}

func (t *tally) hold(bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held += int64(bytes)
	t.blobs = max(t.blobs, t.held)
}

func (t *tally) done(i int, rows []schemas.Row, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out.Work[i] = work(rows)
	switch n := int64(len(rows)); {
	case err != nil:
	case n > 0 && (t.each == 0 || t.each == n):
		t.each = n
	default:
		t.each = -1
	}
	if err != nil {
		t.out.Failed++
		t.out.Refused = backfill.Graver(t.out.Refused, err)
		if _, refused := schemas.Rejected(err); !refused && t.fault == nil {
			t.fault = err
		}
	}
	for i := range rows {
		t.out.Rows++
		t.out.RowBytes += rows[i].Size()
	}
	t.rows = append(t.rows, rows...)
}

// tried is what there is when all is done.
func (t *tally) tried() backfill.Tried {
	t.out.Each = max(t.each, 0)
	return t.out
}

// work is what a model reads of an object: seconds or tokens, by the windows of one head's rows, and 1 where rows have none, as those of pictures.
func work(rows []schemas.Row) (all float64) {
	for i := range rows {
		if rows[i].Head == rows[0].Head {
			all += rows[i].WindowEnd - rows[i].WindowStart
		}
	}
	if all == 0 && len(rows) > 0 {
		return 1
	}
	return all
}

// submit computes the item i.
func submit(ctx context.Context, e *embed.Engine, ref *schemas.Ref, i int, blob *stream.Blob, jobs *sync.WaitGroup, out *tally) {
	jobs.Add(1)
	out.hold(len(blob.Data))
	err := e.Submit(ctx, embed.Job{Ref: *ref, Blob: blob.Data, Done: func(rows []schemas.Row, err error) {
		defer jobs.Done()
		out.hold(-len(blob.Data))
		out.done(i, placed(rows, ref, blob), err)
	}})
	if err != nil {
		jobs.Done()
		out.hold(-len(blob.Data))
		out.done(i, nil, err)
	}
}

// processTime is the CPU time that this process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
