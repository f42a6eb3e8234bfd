//go:build integration

package bench

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/stream"
	"vecmill/stream/kafkasource"
	"vecmill/stream/streamtest"
)

// of is a member's source.
func of(tb testing.TB, k *harness.Kafka, topic string, change func(*kafkasource.Config)) *kafkasource.Source {
	tb.Helper()
	c := kafkasource.NewDefaultConfig()
	c.Brokers, c.Topics, c.Group, c.Log = k.Brokers(), []string{topic}, topic, slog.New(slog.DiscardHandler)
	change(&c)
	s, err := kafkasource.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// nowhere is a sink whose rows are safe at once.
type nowhere struct{}

func (nowhere) Resume(context.Context, schemas.SourceID, int64) (int64, bool, error) {
	return 0, false, nil
}

func (nowhere) Write(_ context.Context, _ schemas.Range, _ []schemas.Row, done func(error)) error {
	done(nil)
	return nil
}
func (nowhere) Flush(context.Context) error { return nil }
func (nowhere) Forget(schemas.SourceID)     {}
func (nowhere) Close(context.Context) error { return nil }

// BenchmarkWorkers has workers of one group on a real broker, each with a model that sleeps a quarter of a second for a batch of eight: records a second of all together, and of the slowest by what its model can.
// They share this process and its cores, so they are only as many as hardly use these.
func BenchmarkWorkers(b *testing.B) {
	const partitions, perSecond = 8, 32
	crews, joined, window := []int{1, 2, 4}, 15*time.Second, 25*time.Second
	if isShort(b) {
		crews, window = []int{1}, time.Second
	}
	k := harness.StartKafka(b)
	for _, workers := range crews {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			topic := fmt.Sprintf("workers-%d", workers)
			k.CreateTopic(b, topic, partitions)
			for p := range partitions {
				var recs []harness.Record
				for i := range workers * perSecond * int((joined + window + 10*time.Second).Seconds()) / partitions {
					recs = append(recs, harness.Record{Value: streamtest.Good.Value(p, int64(i))})
				}
				k.Produce(b, topic, p, recs...)
			}
			for b.Loop() {
				ctx, stop := context.WithCancel(b.Context())
				var running sync.WaitGroup
				pipes := make([]*stream.Pipeline, workers)
				for i := range pipes {
					engine, err := streamtest.NewEngine(time.Second * 8 / perSecond)
					if err != nil {
						b.Fatal(err)
					}
					pipes[i], err = stream.New(stream.Config{
						Name: "p", Modality: schemas.Text, MaxInFlight: 128, Fetchers: 16, Budget: 64 << 20, CommitInterval: 5 * time.Second, Log: slog.New(slog.DiscardHandler),
					}, of(b, k, topic, func(*kafkasource.Config) {}), streamtest.NewFetcher(uint64(i), 60*time.Millisecond), engine, nowhere{}, &streamtest.LetterBox{})
					if err != nil {
						b.Fatal(err)
					}
					computing, halt := context.WithCancel(b.Context())
					running.Go(func() { engine.Run(computing) })
					running.Go(func() {
						defer halt()
						if err := pipes[i].Run(ctx); err != nil {
							b.Error(err)
						}
					})
				}
				time.Sleep(joined)
				before := make([]int64, workers)
				began := time.Now()
				for i, p := range pipes {
					before[i] = p.Stats().Computed
				}
				time.Sleep(window)
				took := time.Since(began).Seconds()
				sum, least := 0.0, 1e9
				for i, p := range pipes {
					rate := float64(p.Stats().Computed-before[i]) / took
					sum, least = sum+rate, min(least, rate)
				}
				stop()
				running.Wait()
				if sum == 0 {
					b.Fatal("nothing was computed while it was measured")
				}
				b.ReportMetric(sum, "records/s")
				b.ReportMetric(least/perSecond, "slowest")
			}
		})
	}
}

// crowd is the members of a group, who drop what they are handed.
type crowd struct {
	mu    sync.Mutex
	parts map[int]int // partitions of those that have an assignment
	began time.Time   // the first of them was revoked, since the crowd was last complete
	moved chan struct{}
}

// one is one of them. It implements stream.Assignments.
type one struct {
	*crowd
	number int
}

// Assigned implements stream.Assignments.
func (o one) Assigned(_ context.Context, _ stream.Committer, parts map[stream.Partition]stream.Bounds) (map[stream.Partition]int64, error) {
	start := map[stream.Partition]int64{}
	for p, b := range parts {
		start[p] = b.End
	}
	o.change(func() { o.parts[o.number] = len(parts) })
	return start, nil
}

// Records implements stream.Assignments.
func (one) Records(context.Context, stream.Partition, []stream.Record, int64) error { return nil }

// Removed implements stream.Assignments.
func (one) Removed(stream.Partition, int64) {}

// Ends implements stream.Assignments.
func (one) Ends(stream.Partition, int64) {}

// Revoked implements stream.Assignments.
func (o one) Revoked(context.Context) { o.Lost() }

// Lost implements stream.Assignments.
func (o one) Lost() {
	o.change(func() {
		delete(o.parts, o.number)
		if o.began.IsZero() {
			o.began = time.Now()
		}
	})
}

func (c *crowd) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.moved)
	c.moved = make(chan struct{})
}

// complete waits until so many members have all partitions, and says since when one of them had none.
func (c *crowd) complete(ctx context.Context, tb testing.TB, members, partitions int) (paused time.Duration) {
	tb.Helper()
	for {
		c.mu.Lock()
		sum, moved := 0, c.moved
		for _, n := range c.parts {
			sum += n
		}
		if len(c.parts) == members && sum == partitions {
			paused = time.Since(c.began)
			c.began = time.Time{}
			c.mu.Unlock()
			return paused
		}
		c.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			tb.Fatalf("%d members have %d of %d partitions", len(c.parts), sum, partitions)
		}
	}
}

// BenchmarkGroup has groups of many members on a real broker, with ten partitions for each and nothing to do: how long until all have joined, and how long nobody reads when one more comes and when one goes.
func BenchmarkGroup(b *testing.B) {
	k := harness.StartKafka(b)
	sizes := []int{10, 30, 100}
	if isShort(b) {
		sizes = []int{2}
	}
	for _, members := range sizes {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			topic, partitions := fmt.Sprintf("group-%d", members), 10*members
			k.CreateTopic(b, topic, partitions)
			for b.Loop() {
				c := &crowd{parts: map[int]int{}, moved: make(chan struct{})}
				ctx, stop := context.WithTimeout(b.Context(), 5*time.Minute)
				var running sync.WaitGroup
				join := func(ctx context.Context, number int) {
					s := of(b, k, topic, func(c *kafkasource.Config) { c.FetchMaxWait = 20 * time.Second })
					running.Go(func() {
						if err := s.Run(ctx, one{c, number}); err != nil {
							b.Error(err)
						}
					})
				}
				began := time.Now()
				for i := range members {
					join(ctx, i)
				}
				c.complete(ctx, b, members, partitions)
				b.ReportMetric(time.Since(began).Seconds(), "s-to-join")
				time.Sleep(10 * time.Second) // joins that came late have had their rebalance
				c.complete(ctx, b, members, partitions)
				last, leave := context.WithCancel(ctx)
				join(last, members)
				b.ReportMetric(c.complete(ctx, b, members+1, partitions).Seconds(), "s-paused-by-a-join")
				leave()
				b.ReportMetric(c.complete(ctx, b, members, partitions).Seconds(), "s-paused-by-a-leave")
				stop()
				running.Wait()
			}
		})
	}
}
