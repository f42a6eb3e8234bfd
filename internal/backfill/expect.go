package backfill

import (
	"context"
	"fmt"
	"math"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// Extent is what an object's header says of it; a number that it does not say is 0.
type Extent struct {
	Bytes   int64
	Seconds float64 // audio
	Pixels  int64   // images
}

// of is the quantity that the work of an object is proportional to; 0: only computing it tells, since a model reads a part of a long text.
func (e *Extent) of(m schemas.Modality) float64 {
	switch m {
	case schemas.Audio:
		return e.Seconds
	case schemas.Text:
		return 0
	}
	return 1 // pictures are brought to one size
}

// Tried is what computing some references took.
type Tried struct {
	Items, Failed int
	Wall, CPU     time.Duration
	Rows          int64
	Each          int64     // rows of every item that was computed; 0: they have different numbers of them
	RowBytes      int64     // of the rows in memory
	Steps, Padded int64     // useful and computed, in the model's steps: frames, tokens, patches
	Work          []float64 // of each item, in a unit that all trials share: 0 of one that failed
	Refused       error     // why one failed, the gravest; nil: none did
}

// Probe reads an object's header.
type Probe func(ctx context.Context, it *plan.Item) (Extent, error)

// Trial computes references as a worker does.
type Trial func(ctx context.Context, items []plan.Item) (Tried, error)

// Expectation is what a run is expected to take, for one pipeline. Low and High hold the middle 95 % of what the sample leaves possible; that a machine is busier
// during the run than during the trial is not in them.
type Expectation struct {
	Pipeline string           `json:"pipeline"`
	Modality schemas.Modality `json:"modality"`
	Items    int64            `json:"items"`
	Bytes    int64            `json:"bytes"`

	Seconds float64 `json:"audio_seconds,omitempty"`
	Pixels  float64 `json:"pixels,omitempty"`
	Steps   float64 `json:"steps"` // frames, tokens or patches
	Rows    float64 `json:"rows"`

	Wall        *Interval `json:"wall_seconds"` // nil, as CPU: not known, for Refused
	CPU         *Interval `json:"cpu_seconds"`
	GPU         Interval  `json:"gpu_seconds,omitzero"` // of all devices that are held; none if no model is on one
	Price       Interval  `json:"price,omitzero"`       // of all machines for Wall; none: what one costs was not told
	OutputBytes float64   `json:"output_bytes"`         // of the rows in memory
	FileBytes   float64   `json:"file_bytes"`           // of all outputs that are files
	Files       int64     `json:"files"`                // likewise
	Held        float64   `json:"held_bytes"`           // in memory, besides what computing takes: objects on their way and rows of open files
	FailShare   float64   `json:"fail_share"`           // of the items: as of those tried or looked at, and lines that are no reference
	Copies      Interval  `json:"copies,omitzero"`      // items whose results are those of another one, as far as entity tags tell: Wall, CPU and what follows from them have Value of them as fetched and written alone, and by a stated rate not at all

	Probed  int    `json:"probed"`            // objects whose header was read
	Tried   int    `json:"tried"`             // and that were computed
	Refused string `json:"refused,omitempty"` // why nothing of the sample could be read, or computed: only dead letters are expected; "": something could

	Machines   int     `json:"machines"`              // that Wall is of
	Startup    float64 `json:"startup_seconds"`       // of each of them, which Wall has in it
	StartupCPU float64 `json:"startup_cpu_seconds"`   // likewise CPU
	Machine    string  `json:"machine,omitempty"`     // the kind that was measured; "": none, or the system does not tell
	Stated     *Rate   `json:"stated_rate,omitempty"` // what the times go by; nil: what was measured
}

// OfOne is what a part of the work, from 0 to 1, takes one machine that starts once: seconds, and seconds of its processors. The times have to be known, as for OfAll.
func (e *Expectation) OfOne(part float64) (wall, cpu float64) {
	n := float64(max(e.Machines, 1))
	return (e.Wall.Value-e.Startup)*n*part + e.Startup, (e.CPU.Value-e.StartupCPU*n)*part + e.StartupCPU
}

// OfAll is what a part of the work takes all machines, once they have started.
func (e *Expectation) OfAll(part float64) (wall float64) { return (e.Wall.Value - e.Startup) * part }

// Interval is a number with what it may be.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Plus is the sum of two, each of whose bounds may hold when the other's does.
func (i Interval) Plus(j Interval) Interval {
	return Interval{i.Value + j.Value, i.Low + j.Low, i.High + j.High}
}

// ExpectOptions say how much is looked at.
type ExpectOptions struct {
	Pipeline   string
	Modality   schemas.Modality
	Startup    time.Duration // until the first item
	StartupCPU time.Duration // of all processors
	For        time.Duration // how long to compute; at least two batches are
	AtOnce     int           // items of one trial at least
	Window     int           // items that a run sorts into batches: what one trial has if the time is enough; 0: AtOnce
	Machines   int           // that share the work
	Devices    int           // GPUs of each that hold the model; 0: it is on the CPU
	Machine    string        // the kind of this one, where nothing is stated
	Stated     *Rate         // what each machine is said to compute; nil: what the trials say
	CPUs       int           // of each machine, where its rate is stated; 0: not told
	Price      float64       // of a machine for an hour; 0: not told
	Reuse      int64         // bytes of results that each machine keeps for others of the same content; 0: none
	Give       Trial         // gives references that were tried the rows that they have already, as a run does copies: what a copy takes, but for reading results back that outputs have. nil: nobody does, and they are taken to take nothing
}

// Expect extrapolates from a draft's sample. With a stated rate try may be nil: then nothing is computed, and only what headers say is known. A sample of nothing but dead letters, as the rest of a source may be whose others are
// computed, leaves the times open.
func Expect(ctx context.Context, d *Draft, probe Probe, try Trial, o ExpectOptions) (*Expectation, error) {
	e := &Expectation{Pipeline: o.Pipeline, Modality: o.Modality, Items: d.Planned, Bytes: d.Bytes, Machines: max(o.Machines, 1), Wall: &Interval{}, CPU: &Interval{}}
	if d.objects() == 0 {
		e.FailShare = float64(d.Unreadable) / float64(max(d.Planned, 1))
		return e, nil
	}
	x, err := look(ctx, d, probe, o.Modality)
	if err != nil {
		return nil, err
	}
	var runs []run
	if len(x.items) == 0 {
		err = fmt.Errorf("none of the %d objects of the sample could be read; one of them: %w", len(d.Sample), x.refused)
	} else if try != nil {
		runs, err = tryOut(ctx, x, try, o)
		if err == nil && o.Stated == nil && o.Reuse > 0 && o.Give != nil && d.Copied != nil && d.Copied.All() > 0 {
			err = x.giveOut(ctx, o)
		}
	}
	if err != nil && !ofObjects(err) {
		return nil, err
	}
	e.Probed = len(x.items)
	x.extrapolate(e, runs, d, o)
	if err != nil {
		e.Refused, e.Tried = err.Error(), 0
		e.Wall, e.CPU, e.GPU, e.Copies = nil, nil, Interval{}, Interval{}
		return e, nil
	}
	e.Price = e.Wall.times(float64(e.Machines) / 3600 * o.Price)
	return e, nil
}

// Graver is the failure, of two of a sample's, that says more of the sample: the store's, or of access to it, before the objects'; else the later. Either may be nil.
func Graver(earlier, later error) error {
	if later == nil || earlier != nil && !ofObjects(earlier) && ofObjects(later) {
		return earlier
	}
	return later
}

// ofObjects says whether objects are at fault, and neither the store nor the access to it, which may be mended.
func ofObjects(err error) bool {
	reason, refused := schemas.Rejected(err)
	return refused && reason != schemas.ReasonFetchFailed && reason != schemas.ReasonFetchDenied
}

// looked is a sample with its headers.
type looked struct {
	items   []plan.Item
	extents []Extent
	work    []float64   // of those that were tried; negative: not tried
	failed  []plan.Item // whose header could not be read
	refused error       // why, the gravest
	given   []run       // trials of what copies take, by their number
}

// look reads the headers of the sample. An object that is gone or broken is counted: a run will have as many dead letters.
func look(ctx context.Context, d *Draft, probe Probe, m schemas.Modality) (*looked, error) {
	x := &looked{}
	for i := range d.Sample {
		it := d.Sample[i]
		ext, err := probe(ctx, &it)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			if _, refused := schemas.Rejected(err); !refused {
				return nil, err
			}
			x.failed = append(x.failed, it)
			x.refused = Graver(x.refused, err)
			continue
		}
		x.items, x.extents, x.work = append(x.items, it), append(x.extents, ext), append(x.work, -1)
	}
	x.guess(m)
	return x, nil
}

// guess fills in lengths that headers do not say, from the bytes that a second takes in the others.
func (x *looked) guess(m schemas.Modality) {
	if m != schemas.Audio {
		return
	}
	var seconds, bytes float64
	for _, e := range x.extents {
		if e.Seconds > 0 {
			seconds += e.Seconds
			bytes += float64(e.Bytes)
		}
	}
	perByte := 1 / 16000.0 // 128 kbit/s, if there is nothing to go by
	if bytes > 0 {
		perByte = seconds / bytes
	}
	for i := range x.extents {
		if x.extents[i].Seconds == 0 {
			x.extents[i].Seconds = float64(x.extents[i].Bytes) * perByte
		}
	}
}

// run is one trial with the work of all that was tried.
type run struct {
	Tried
	work float64
}

// tryOut computes parts of the sample, by trials. If all fail, the error has the gravest of all failures of the sample.
func tryOut(ctx context.Context, x *looked, try Trial, o ExpectOptions) ([]run, error) {
	var runs []run
	good := 0
	refused := x.refused
	err := trials(ctx, x.items, try, o, func(at int, t Tried) {
		r := run{Tried: t}
		for i, w := range t.Work {
			x.work[at+i] = w
			r.work += w
		}
		runs = append(runs, r)
		refused = Graver(refused, t.Refused)
		good += t.Items - t.Failed
	})
	if err == nil && good == 0 {
		err = fmt.Errorf("none of the objects of the sample that were tried could be computed; one of the sample: %w", refused)
	}
	return runs, err
}

// trials tries parts of some items, one after the other, until the time is up or there are no more, and at least two, if by trying again; each is told with where it begins. The first part is
// tried once more before that: caches and arenas fill, and it says how large the parts may be. A run pads less than a small part of it does, as it has more to make batches of.
func trials(ctx context.Context, items []plan.Item, try Trial, o ExpectOptions, told func(at int, t Tried)) error {
	first, err := try(ctx, items[:min(o.AtOnce, len(items))])
	if err != nil {
		return err
	}
	part := o.AtOnce
	if first.Wall > 0 {
		part = max(part, min(o.Window, int(float64(first.Items)*o.For.Seconds()/2/first.Wall.Seconds())))
	}
	var spent time.Duration
	for n, at := 0, 0; n < 2 || spent < o.For && at < len(items); n++ {
		if at >= len(items) {
			at = 0
		}
		end := min(at+part, len(items))
		t, err := try(ctx, items[at:end])
		if err != nil {
			return err
		}
		told(at, t)
		at, spent = end, spent+t.Wall
	}
	return nil
}

// extrapolate fills the expectation in.
func (x *looked) extrapolate(e *Expectation, runs []run, d *Draft, o ExpectOptions) {
	var sum run
	for _, r := range runs {
		sum.work += r.work
		sum.Wall += r.Wall
		sum.CPU += r.CPU
		sum.Rows += r.Rows
		sum.RowBytes += r.RowBytes
		sum.Steps += r.Steps
		sum.Items += r.Items
		sum.Failed += r.Failed
	}
	works, part := x.works(o.Modality)
	total, spread := d.total(works)
	total *= part
	scale := total / max(sum.work, 1e-9)
	e.Seconds, _ = d.total(x.measures(func(e *Extent) float64 { return e.Seconds }))
	e.Pixels, _ = d.total(x.measures(func(e *Extent) float64 { return float64(e.Pixels) }))
	if e.Bytes == 0 {
		bytes, _ := d.total(x.measures(func(e *Extent) float64 { return float64(e.Bytes) }))
		e.Bytes = int64(bytes)
	}
	e.Tried = x.tried()
	e.Steps, e.Rows, e.OutputBytes = float64(sum.Steps)*scale, float64(sum.Rows)*scale, float64(sum.RowBytes)*scale
	e.FailShare = 1 - share(len(x.items), len(x.failed))
	if sum.Items > 0 {
		e.FailShare = 1 - (1-e.FailShare)*share(sum.Items-sum.Failed, sum.Failed)
	}
	if each := alike(runs); each > 0 && x.triedLargest() {
		e.Rows = float64(each*d.objects()) * (1 - e.FailShare)
		e.OutputBytes = e.Rows * float64(sum.RowBytes) / float64(sum.Rows)
	}
	e.FailShare = (float64(d.Unreadable) + float64(d.objects())*e.FailShare) / float64(d.Planned)
	fresh := d
	if o.Reuse > 0 && d.Copied != nil {
		fresh = d.fresh(e, sum.Tried, o)
	}
	if o.Stated != nil {
		x.stated(e, fresh, o)
		return
	}
	if fresh != d && total > 0 {
		left, _ := fresh.total(works)
		scale *= left * part / total
	}
	e.Machine, e.Startup, e.StartupCPU = o.Machine, o.Startup.Seconds(), o.StartupCPU.Seconds()
	unsure := math.Hypot(spread, unsteady(runs))
	givenWall, givenCPU := x.ofCopies(e.Copies.Value)
	wall := interval(sum.Wall.Seconds()*scale, unsure).Plus(givenWall).times(1 / float64(e.Machines)).after(o.Startup)
	cpu := interval(sum.CPU.Seconds()*scale, unsure).Plus(givenCPU).after(o.StartupCPU * time.Duration(e.Machines)) // each of them loads the models
	e.Wall, e.CPU = &wall, &cpu
	e.GPU = e.Wall.times(float64(e.Machines * o.Devices)) // one that waits is held, too
}

// tried is how many objects of the sample were tried, each counted once.
func (x *looked) tried() (n int) {
	for _, w := range x.work {
		if w >= 0 {
			n++
		}
	}
	return n
}

// triedLargest says whether no object of the sample is larger than all that were tried: a longer one may have more rows.
func (x *looked) triedLargest() bool {
	var tried, others Extent
	for i, e := range x.extents {
		of := &others
		if x.work[i] >= 0 {
			of = &tried
		}
		of.Seconds, of.Bytes = max(of.Seconds, e.Seconds), max(of.Bytes, e.Bytes)
	}
	return others.Seconds <= tried.Seconds && (tried.Seconds > 0 || others.Bytes <= tried.Bytes)
}

// alike is the number of rows that each computed item of all trials has; 0: there are several such numbers, or nobody told.
func alike(runs []run) int64 {
	var each int64
	for _, r := range runs {
		switch {
		case r.Items == r.Failed:
		case r.Each == 0 || each > 0 && r.Each != each:
			return 0
		default:
			each = r.Each
		}
	}
	return each
}

// resultBytes is what a result takes beside its rows.
const resultBytes = 512

// fresh is what is left of a draft without the copies that are surely none of the work: on one machine those whose content it still has, and on any those that outputs have.
func (d *Draft) fresh(e *Expectation, t Tried, o ExpectOptions) *Draft {
	kept := 0.0
	if good := t.Items - t.Failed; good > 0 && e.Machines == 1 {
		kept = float64(o.Reuse) / (float64(t.RowBytes)/float64(good) + resultBytes)
	}
	sure := d.sure(kept)
	e.Copies = Interval{Value: float64(sure), Low: float64(sure), High: float64(d.Copied.All())}
	return d.without(sure)
}

func share(good, bad int) float64 { return float64(good) / float64(max(good+bad, 1)) }

// works are the objects of the sample whose work is known: those tried, and where work is proportional to what headers say the others, too, with those that cannot be read. Where it is not, those tried stand for what can be read
// alone, which is that part of all: beside a few that were tried, all that cannot be read would count for more than they are.
func (x *looked) works(m schemas.Modality) (all []weighed, part float64) {
	var work, extent float64
	for i, w := range x.work {
		if w > 0 {
			work += w
			extent += x.extents[i].of(m)
		}
	}
	known := true
	for i, w := range x.work {
		if w < 0 {
			if w = x.extents[i].of(m); w == 0 || extent == 0 {
				known = false
				continue
			}
			w *= work / extent
		}
		all = append(all, weighed{x.items[i].Size, w})
	}
	if !known {
		return all, share(len(x.items), len(x.failed))
	}
	return append(all, x.nothing()...), 1
}

// measures are what headers say of the sample.
func (x *looked) measures(of func(*Extent) float64) (all []weighed) {
	for i := range x.items {
		all = append(all, weighed{x.items[i].Size, of(&x.extents[i])})
	}
	return append(all, x.nothing()...)
}

// nothing is what objects come to that cannot be read.
func (x *looked) nothing() (all []weighed) {
	for i := range x.failed {
		all = append(all, weighed{size: x.failed[i].Size})
	}
	return all
}

// unsteady is the relative standard error of the time that one unit takes, from how it differs among the trials.
func unsteady(runs []run) float64 {
	var rates []float64
	for _, r := range runs {
		if r.work > 0 {
			rates = append(rates, r.Wall.Seconds()/r.work)
		}
	}
	if len(rates) < 2 {
		return 0.3 // one trial says little
	}
	mean := 0.0
	for _, r := range rates {
		mean += r / float64(len(rates))
	}
	var squares float64
	for _, r := range rates {
		squares += (r - mean) * (r - mean)
	}
	return math.Sqrt(squares/float64(len(rates)-1)/float64(len(rates))) / mean
}

func interval(v, unsure float64) Interval {
	return Interval{Value: v, Low: v * max(0, 1-1.96*unsure), High: v * (1 + 1.96*unsure)}
}

func (i Interval) times(n float64) Interval { return Interval{i.Value * n, i.Low * n, i.High * n} }

func (i Interval) after(d time.Duration) Interval {
	s := d.Seconds()
	return Interval{i.Value + s, i.Low + s, i.High + s}
}
