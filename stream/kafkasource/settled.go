package kafkasource

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"vecmill/internal/retry"
	"vecmill/stream"
)

// settledWait bounds the wait for records that are not in all in-sync replicas. A leader waits half a minute for a replica that has fallen silent, and half of that more until it looks (replica.lag.time.max.ms).
const settledWait = time.Minute

// settledLook bounds a look, and with it the time between two calls of whoever waits.
const settledLook = 4 * time.Second

// settledPoll is the time between two looks at a log that hides records.
const settledPoll = 500 * time.Millisecond

// logEnd is where a leader's log ended in its epoch, with the records that it does not show.
type logEnd struct {
	epoch int32
	end   int64
}

// Settled is Bounds of partitions, for no group, behind whose ends nothing lies that their leaders had when it was called. A leader shows a record once all of its in-sync replicas have it; while one of these is slow or away, an append fails,
// or has no answer, and its records lie in the log, where no reading finds them before they are shown. Those are waited for, and leaders that are elected meanwhile, a minute at most. waiting, unless it is nil, is called at once and then every five seconds
// at least; its error ends the wait.
func (l *Log) Settled(ctx context.Context, parts []stream.Partition, waiting func(context.Context) error) (map[stream.Partition]stream.Bounds, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	ends := map[stream.Partition]logEnd{}
	for deadline := time.Now().Add(settledWait); ; {
		if waiting != nil {
			if err := waiting(ctx); err != nil {
				return nil, err
			}
		}
		shown, hidden, err := l.b.settled(ctx, parts, ends)
		if err == nil && len(hidden) == 0 {
			return shown, nil
		}
		over := !time.Now().Before(deadline)
		switch {
		case err != nil && (over || ctx.Err() != nil || finalOnceFound(err)):
			return nil, fmt.Errorf("looking up how far logs reach: %w", advised(err))
		case over:
			return nil, fmt.Errorf("records are not in all in-sync replicas for %v, and cannot be read: %s; are all brokers there?", settledWait, strings.Join(hidden, ", "))
		}
		if !retry.Sleep(ctx, settledPoll) {
			return nil, ctx.Err()
		}
	}
}

// settled looks once at what is shown of logs, and names those that have not shown yet what they had at the first look of their leaders' epochs, which is kept in ends. A new leader has another log: what it lacks is gone.
func (b *broker) settled(ctx context.Context, parts []stream.Partition, ends map[stream.Partition]logEnd) (shown map[stream.Partition]stream.Bounds, hidden []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, settledLook)
	defer cancel()
	all, err := b.list(ctx, parts)
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lookups)
	for _, p := range parts {
		mu.Lock()
		known, ok := ends[p]
		mu.Unlock()
		if ok && known.epoch == all[p].epoch {
			continue
		}
		g.Go(func() error {
			end, err := b.logEnd(gctx, p, all[p].epoch)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			ends[p] = logEnd{all[p].epoch, end}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	shown = make(map[stream.Partition]stream.Bounds, len(parts))
	for _, p := range parts {
		shown[p] = stream.Bounds{Committed: -1, First: all[p].first, End: all[p].end}
		if ends[p].end > all[p].end {
			hidden = append(hidden, fmt.Sprintf("%s from offset %d to %d", p, all[p].end, ends[p].end))
		}
	}
	slices.Sort(hidden)
	return shown, hidden, nil
}

// logEnd asks a leader of an epoch where its log ends. One of another epoch refuses.
func (b *broker) logEnd(ctx context.Context, p stream.Partition, epoch int32) (int64, error) {
	if epoch < 0 {
		return 0, fmt.Errorf("the end of %s: %w", p, errOld)
	}
	m, err := b.client.Transport.RoundTrip(ctx, b.client.Addr, &epochEndRequest{ReplicaID: -1, Topics: []epochEndTopic{{
		Topic: p.Topic, Partitions: []epochEndPartition{{Partition: int32(p.ID), CurrentLeaderEpoch: epoch, LeaderEpoch: epoch}},
	}}})
	if err != nil {
		return 0, fmt.Errorf("the end of %s: %w", p, err)
	}
	res := m.(*epochEndResponse)
	if len(res.Topics) != 1 || len(res.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("the end of %s: %w", p, errNoAnswer)
	}
	switch end := res.Topics[0].Partitions[0]; {
	case kafka.Error(end.ErrorCode) == kafka.UnsupportedVersion:
		return 0, fmt.Errorf("the end of %s: %w", p, errOld)
	case end.ErrorCode != 0:
		return 0, fmt.Errorf("the end of %s: %w", p, kafka.Error(end.ErrorCode))
	case end.LeaderEpoch != epoch || end.EndOffset < 0:
		return 0, fmt.Errorf("the end of %s: the leader of epoch %d knows epoch %d", p, epoch, end.LeaderEpoch)
	default:
		return end.EndOffset, nil
	}
}
