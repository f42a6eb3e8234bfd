package embed

import (
	"sync/atomic"
	"time"
)

// Stats are an engine's running totals since it was made.
type Stats struct {
	Objects, Failed         int64         // preprocessed, and of these refused
	Samples, Batches        int64         //
	Cost, Padded            int64         // useful and computed cost, in the model's steps; Padded/Cost is the padding ratio
	FLOPs                   float64       // floating-point operations of useful work: each sample alone, without padding
	Bisections              int64         // batches that were taken apart
	Preprocess              time.Duration // busy time, summed over the workers
	PreprocessWait          float64       // seconds from being submitted until a worker began, summed over objects: too long a sum for a Duration
	Undecoded               int           // objects submitted that no worker has begun
	Collate, Infer, HeadsOn time.Duration // busy time, summed over the executors
	Queue                   float64       // seconds from being made until their session began, summed over samples, too
	Waiting, WaitingCost    int           // samples in the batcher now, and their cost
	Devices                 []DeviceCosts // what has been learnt of each device, in the order of its first session
	Sessions                int           // executors, each of which has a batch computed: a session that is there several times counts as often
	Decoders                int           // objects that may be decoded at once while samples wait for a batch
	Reused                  int64         // objects that got the rows of another one with their content
}

// PaddingRatio is computed over useful cost: 1 is no padding at all. It is 0 before the first batch.
func (s Stats) PaddingRatio() float64 {
	if s.Cost == 0 {
		return 0
	}
	return float64(s.Padded) / float64(s.Cost)
}

// Stats gives the totals so far.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	waiting, cost, devices := e.mu.batcher.Len(), e.mu.batcher.Steps(), e.deviceCostsLocked()
	decoders := e.mu.decoders.active
	e.mu.Unlock()
	c := &e.stats
	var reused int64
	if e.reuse != nil {
		reused = e.reuse.hits.Load()
	}
	return Stats{
		Devices: devices, Sessions: len(e.sessions), Decoders: decoders, Reused: reused,
		Objects: c.objects.Load(), Failed: c.failed.Load(), Samples: c.samples.Load(), Batches: c.batches.Load(),
		Cost: c.cost.Load(), Padded: c.padded.Load(), FLOPs: 1e3 * float64(c.kiloflops.Load()), Bisections: c.bisections.Load(),
		PreprocessWait: float64(c.admission.Load()) / 1e6, Undecoded: int(c.undecoded.Load()),
		Preprocess: time.Duration(c.preprocess.Load()), Collate: time.Duration(c.collate.Load()),
		Infer: time.Duration(c.infer.Load()), HeadsOn: time.Duration(c.heads.Load()),
		Queue: float64(c.queue.Load()) / 1e6, Waiting: waiting, WaitingCost: cost,
	}
}

type counters struct {
	objects, failed, samples, batches, cost, padded, bisections atomic.Int64
	kiloflops                                                   atomic.Int64 // thousands: enough for 10^12 items of a large model
	undecoded                                                   atomic.Int64 // now
	preprocess, collate, infer, heads                           atomic.Int64 // nanoseconds
	admission, queue                                            atomic.Int64 // microseconds: of a billion samples that wait ten seconds there are more nanoseconds than an int64 counts
}

// admitted counts an object that waits no longer to be decoded.
func (c *counters) admitted(offered time.Time) {
	c.undecoded.Add(-1)
	c.admission.Add(time.Since(offered).Microseconds())
}

func (c *counters) preprocessed(samples int, err error) {
	c.objects.Add(1)
	if err != nil {
		c.failed.Add(1)
		return
	}
	c.samples.Add(int64(samples))
}

func (c *counters) batched(b *Batch[*window], flops float64, d time.Duration) {
	c.batches.Add(1)
	c.cost.Add(int64(b.Cost))
	c.padded.Add(int64(b.Padded))
	c.kiloflops.Add(int64(flops / 1e3))
	c.collate.Add(int64(d))
}

// waited counts how long the samples of a batch waited for their session.
func (c *counters) waited(b *Batch[*window], until time.Time) {
	var all int64
	for _, win := range b.Items {
		all += until.Sub(win.queued).Microseconds()
	}
	c.queue.Add(all)
}

func (c *counters) inferred(d time.Duration) { c.infer.Add(int64(d)) }
func (c *counters) headed(d time.Duration)   { c.heads.Add(int64(d)) }
func (c *counters) bisected()                { c.bisections.Add(1) }
