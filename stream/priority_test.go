package stream_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// stopwatch is a witness of how long the records of a topic took.
type stopwatch struct {
	sync.Mutex
	topic string
	given map[int64]time.Time
	took  []time.Duration
}

func (s *stopwatch) Fetched(stream.Position, *schemas.Ref, *stream.Blob) {}
func (s *stopwatch) Buried(*sinks.Letter)                                {}
func (s *stopwatch) Computed(at stream.Position, _ []schemas.Row) {
	s.Lock()
	defer s.Unlock()
	if given, ok := s.given[at.Offset]; ok && at.Topic == s.topic {
		s.took = append(s.took, time.Since(given))
	}
}

// besideBulk gives a record of the topic live now and then, while the topic bulk has as much as the pipeline takes, and says how long each of 20 live records took to be computed, in ascending order.
func besideBulk(t *testing.T, precedence []string, budget int64) (took []time.Duration) {
	const each = 7300 * time.Millisecond // in no step with batches, which take a second
	b := newBench()
	w := &stopwatch{topic: "live", given: map[int64]time.Time{}}
	b.change = func(c *stream.Config) { c.Witness, c.Precedence, c.Budget = w, precedence, budget }
	live, bulk := stream.Partition{Topic: "live"}, stream.Partition{Topic: "bulk"}
	source := script(func(ctx context.Context, a stream.Assignments) error {
		if _, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{live: {Committed: -1, End: 20}, bulk: {Committed: -1, End: 1500}}); err != nil {
			return err
		}
		var wg sync.WaitGroup
		var flood error
		wg.Go(func() { flood = a.Records(ctx, bulk, good(0, 1500), 1500) })
		var err error
		for o := range int64(20) {
			time.Sleep(each)
			w.Lock()
			w.given[o] = time.Now()
			w.Unlock()
			err = errors.Join(err, a.Records(ctx, live, good(o, 1), o+1))
		}
		wg.Wait()
		a.Revoked(ctx)
		return errors.Join(err, flood)
	})
	if err := b.run(t, b.pipeline(t, source, streamtest.NewFetcher(1, time.Millisecond), nil)); err != nil {
		t.Fatal(err)
	}
	if len(w.took) != 20 {
		t.Fatalf("%d of 20 live records were computed", len(w.took))
	}
	slices.Sort(w.took)
	return w.took
}

// TestARecordOfTheFirstTopicOvertakesTheOthers holds the whole way up to the session: a live record waits for the batch that runs, the one that is collated, and its own.
func TestARecordOfTheFirstTopicOvertakesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wide = 1 << 24
		with, without := besideBulk(t, []string{"live"}, wide)[19], besideBulk(t, nil, wide)[19]
		t.Logf("the slowest of 20 live records took %v, without precedence %v", with, without)
		if with > 3100*time.Millisecond {
			t.Errorf("a live record took %v, want at most three batches of a second", with)
		}
		if without < with+time.Second {
			t.Errorf("without precedence the slowest live record took %v: the test shows nothing", without)
		}
	})
}

// TestARecordOfTheFirstTopicOvertakesTheOthersForMemory has a budget that is all used up by the backfill's objects: a live one gets the bytes that come back first, but every 16th time, which the slowest of them may see.
func TestARecordOfTheFirstTopicOvertakesTheOthersForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const narrow = 1 << 15
		with, without := besideBulk(t, []string{"live"}, narrow)[17], besideBulk(t, nil, narrow)[17]
		t.Logf("18 of 20 live records took %v at most, without precedence %v", with, without)
		if with > 3300*time.Millisecond {
			t.Errorf("they took %v, want three batches of a second and what two objects wait for memory", with)
		}
		if without < with+time.Second {
			t.Errorf("without precedence they took %v: the test shows nothing", without)
		}
	})
}
