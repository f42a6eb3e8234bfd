package telemetry

import (
	"context"
	"fmt"
	"sort"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// timed are the instruments that are told of each thing as it ends.
func timed() []Metric {
	return []Metric{
		{"vecmill_record_seconds", "s", "how long records took that have rows, from being taken in to having them: the wait for a fetcher, fetch, preprocessing, queue, session and heads, without what comes behind", Histogram, nil},
		{"vecmill_session_seconds", "s", "how long sessions took for a batch", Histogram, nil},
	}
}

// Bounds are the upper bounds of the buckets of times, in seconds: each at most two thirds above the one before it, so that percentiles can be read from them.
func Bounds() []float64 {
	return []float64{
		.001, .0015, .002, .003, .005, .007, .01, .015, .02, .03, .05, .07, .1, .15, .2, .3, .5, .7,
		1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500,
	}
}

// Timers are the histograms of one pipeline.
type Timers struct{ Record, Session *Timer }

// NewTimers registers them.
func NewTimers(m metric.Meter, pipeline string) (*Timers, error) {
	var all []*Timer
	for _, x := range timed() {
		t, err := newTimer(m, x, pipeline)
		if err != nil {
			return nil, fmt.Errorf("metric %s: %w", x.Name, err)
		}
		all = append(all, t)
	}
	return &Timers{all[0], all[1]}, nil
}

// Timer is a histogram of times: an instrument, whose buckets link to traces that are kept (exemplars), and the counts of its buckets for the live page, since
// an instrument cannot be read. It is safe for concurrent use.
type Timer struct {
	histogram metric.Float64Histogram
	labels    []metric.RecordOption // one, kept as a list so that none is made for each time
	bounds    []float64
	counts    []atomic.Int64 // by bucket; the last is of what is above all bounds
}

func newTimer(m metric.Meter, x Metric, pipeline string) (*Timer, error) {
	bounds := Bounds()
	h, err := m.Float64Histogram(x.Name, metric.WithUnit(x.Unit), metric.WithDescription(x.Doc), metric.WithExplicitBucketBoundaries(bounds...))
	labels := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("pipeline", pipeline)))}
	return &Timer{h, labels, bounds, make([]atomic.Int64, len(bounds)+1)}, err
}

// Took adds a time. If ctx has a span that is kept, its trace may become the bucket's example.
func (t *Timer) Took(ctx context.Context, d time.Duration) {
	s := d.Seconds()
	t.counts[sort.SearchFloat64s(t.bounds, s)].Add(1) // bounds are in their bucket
	t.histogram.Record(ctx, s, t.labels...)
}

// Counts are the counts of the buckets so far, one more than there are bounds.
func (t *Timer) Counts() []int64 {
	all := make([]int64, len(t.counts))
	for i := range t.counts {
		all[i] = t.counts[i].Load()
	}
	return all
}
