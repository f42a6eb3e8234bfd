package kafkasource

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"vecmill/internal/retry"
	"vecmill/stream"
)

// lookupTimeout bounds one request for offsets.
const lookupTimeout = 15 * time.Second

// bounds adds the beginning and the end of each partition's log to its committed offset. The end includes open transactions.
func (b *broker) bounds(ctx context.Context, committed map[stream.Partition]int64) (map[stream.Partition]stream.Bounds, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	req := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for p := range committed {
		req.Topics[p.Topic] = append(req.Topics[p.Topic], kafka.FirstOffsetOf(p.ID), kafka.LastOffsetOf(p.ID))
	}
	res, err := b.client.ListOffsets(ctx, req)
	if err != nil {
		return nil, err
	}
	out := make(map[stream.Partition]stream.Bounds, len(committed))
	for topic, parts := range res.Topics {
		for _, o := range parts {
			p := stream.Partition{Topic: topic, ID: o.Partition}
			if o.Error != nil {
				return nil, fmt.Errorf("offsets of %s: %w", p, o.Error)
			}
			out[p] = stream.Bounds{Committed: committed[p], First: o.FirstOffset, End: o.LastOffset}
		}
	}
	for p := range committed {
		if _, ok := out[p]; !ok {
			return nil, fmt.Errorf("offsets of %s: the broker did not answer for it", p)
		}
	}
	return out, nil
}

// end looks up where a log ends.
func (b *broker) end(ctx context.Context, p stream.Partition) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	res, err := b.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{p.Topic: {kafka.LastOffsetOf(p.ID)}}})
	if err != nil {
		return 0, err
	}
	for _, o := range res.Topics[p.Topic] {
		if o.Partition == p.ID {
			return o.LastOffset, o.Error
		}
	}
	return 0, fmt.Errorf("offsets of %s: the broker did not answer for it", p)
}

// togetherTries is how often the bounds are asked for together before each partition is asked for by itself: leaders are elected within seconds.
const togetherTries = 3

// lookups is how many partitions are asked for at once when each is asked for by itself.
const lookups = 8

// beginBounds looks the bounds of an assignment up until they are known, or known well enough: one partition without a leader must not hold up
// the others. For a partition whose leader does not answer, and which the group has committed before, the log is taken to reach from 0 to infinity: where
// to begin follows from the commit and the output alone then, and the fetch loop, which waits for the leader, finds out about records that are gone. Only a
// partition that was never committed is waited for, since nothing else says where it begins.
func (b *broker) beginBounds(ctx context.Context, committed map[stream.Partition]int64) (known map[stream.Partition]stream.Bounds, err error) {
	err = b.patiently(ctx, "looking up the bounds of the assigned partitions failed; trying again", func(tries int) (err error) {
		known, err = b.bounds(ctx, committed)
		if err != nil && tries >= togetherTries && groupFault(err) == nil {
			known, err = b.boundsApart(ctx, committed)
		}
		return err
	})
	return known, err
}

// beginCounts is begun, for as long as it takes.
func (b *broker) beginCounts(ctx context.Context, assigned map[stream.Partition]int64) (counts map[string]begunCount, err error) {
	err = b.patiently(ctx, "looking up the group's commits failed; trying again", func(int) (err error) {
		counts, err = b.begun(ctx, assigned)
		return err
	})
	return counts, err
}

// patiently asks until there is an answer, ctx ends, or a fault needs a person.
func (b *broker) patiently(ctx context.Context, failed string, ask func(tries int) error) error {
	for tries := 1; ; tries++ {
		err := ask(tries)
		if err == nil {
			return nil
		}
		if fault := groupFault(err); fault != nil {
			return fault
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.log.Warn(failed, "tries", tries, "err", err)
		b.failed(theGroup, tries, err)
		retry.Sleep(ctx, b.cfg.Retry.Wait(tries))
	}
}

// boundsApart asks for each partition by itself, and fails only if nothing says where one of them begins.
func (b *broker) boundsApart(ctx context.Context, committed map[stream.Partition]int64) (map[stream.Partition]stream.Bounds, error) {
	var mu sync.Mutex
	known := make(map[stream.Partition]stream.Bounds, len(committed))
	var silent []string
	var why error
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lookups)
	for p, c := range committed {
		g.Go(func() error {
			one, err := b.bounds(gctx, map[stream.Partition]int64{p: c})
			if err != nil && (c < 0 || gctx.Err() != nil || groupFault(err) != nil) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				known[p] = stream.Bounds{Committed: c, First: 0, End: stream.EndUnknown}
				silent, why = append(silent, p.String()), err
				return nil
			}
			known[p] = one[p]
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if len(silent) > 0 {
		slices.Sort(silent)
		b.log.Warn("some partitions have no leader that answers; the others are read, and these as soon as one does", "partitions", silent, "err", why)
	}
	return known, nil
}
