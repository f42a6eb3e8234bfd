package kafkasource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/retry"
	"vecmill/stream"
)

// Log reads and appends to topics outside of any consumer group: for commands that examine a topic or put records back. It is safe for
// concurrent use. Create it with OpenLog, and Close it.
type Log struct {
	b         *broker
	open      *conns
	transport *kafka.Transport
}

// OpenLog checks the settings; Topics, Group and all times of the group's are not used. It does no I/O.
func OpenLog(cfg Config) (*Log, error) {
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("kafka: no brokers given")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	l := &Log{open: newConns(cfg.Dial)}
	l.transport = &kafka.Transport{Dial: l.open.dial, DialTimeout: 10 * time.Second, ClientID: cfg.ClientID, TLS: cfg.TLS, SASL: cfg.SASL}
	l.b = &broker{cfg: &cfg, log: cfg.Log, client: &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: l.transport}}
	return l, nil
}

// Close closes every connection.
func (l *Log) Close() {
	l.transport.CloseIdleConnections()
	l.open.closeAll()
}

// try repeats a look at partitions that may succeed next time, by the policy.
func (b *broker) try(ctx context.Context, f func(context.Context) error) error {
	_, err := retry.Do(ctx, b.cfg.Retry, finalOnceFound, f)
	return advised(err)
}

// final says whether an error does not go away.
func final(err error) bool {
	return groupFault(err) != nil || errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, kafka.InvalidTopic) || errors.Is(err, errOld)
}

// finalOnceFound is final for a topic that was found before: a broker that has just started may not know it.
func finalOnceFound(err error) bool {
	return final(err) && !errors.Is(err, kafka.UnknownTopicOrPartition)
}

// advised is err, with what a person can do where that is known.
func advised(err error) error {
	if fault := groupFault(err); fault != nil {
		return fault
	}
	return err
}

// Partitions are the partitions of a topic, ascending. A topic that does not exist is an error.
func (l *Log) Partitions(ctx context.Context, topic string) ([]stream.Partition, error) {
	var out []stream.Partition
	_, err := retry.Do(ctx, l.b.cfg.Retry, final, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
		defer cancel()
		m, err := l.b.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		switch {
		case err != nil:
			return err
		case len(m.Topics) != 1:
			return errors.New("the broker's answer is not about one topic")
		case m.Topics[0].Error != nil:
			return m.Topics[0].Error
		}
		out = out[:0]
		for _, p := range m.Topics[0].Partitions {
			out = append(out, stream.Partition{Topic: topic, ID: p.ID})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking up topic %s: %w", topic, advised(err))
	}
	slices.SortFunc(out, func(a, b stream.Partition) int { return a.ID - b.ID })
	return out, nil
}

// Bounds are where the logs of partitions begin and end, and what group has committed; "" for no group. A commit that is not there is -1. A cluster that makes its first
// coordinator, or moves one, is waited for: that takes longer than an answer that was lost.
func (l *Log) Bounds(ctx context.Context, group string, parts []stream.Partition) (map[stream.Partition]stream.Bounds, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	committed := make(map[stream.Partition]int64, len(parts))
	for _, p := range parts {
		committed[p] = -1
	}
	var out map[stream.Partition]stream.Bounds
	err := l.b.try(ctx, func(ctx context.Context) (err error) {
		if group != "" {
			asked := func(err error) bool { return !settling(err) }
			if _, err := retry.Do(ctx, retry.Patient(), asked, func(ctx context.Context) error { return l.committed(ctx, group, committed) }); err != nil {
				return err
			}
		}
		out, err = l.b.bounds(ctx, committed) // after the commits: they never exceed an end that was looked at later
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking up offsets: %w", err)
	}
	return out, nil
}

// settling says whether a group's coordinator will be there soon, by the cluster's own word.
func settling(err error) bool {
	return errors.Is(err, kafka.NotCoordinatorForGroup) || errors.Is(err, kafka.GroupCoordinatorNotAvailable) || errors.Is(err, kafka.GroupLoadInProgress)
}

func (l *Log) committed(ctx context.Context, group string, committed map[stream.Partition]int64) error {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	req := &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{}}
	for p := range committed {
		req.Topics[p.Topic] = append(req.Topics[p.Topic], p.ID)
	}
	res, err := l.b.client.OffsetFetch(ctx, req)
	if err == nil {
		err = res.Error
	}
	if errors.Is(err, kafka.GroupIdNotFound) {
		return nil // it has never committed
	}
	if err != nil {
		return fmt.Errorf("group %s: %w", group, err)
	}
	for topic, parts := range res.Topics {
		for _, p := range parts {
			if p.Error != nil {
				return fmt.Errorf("group %s, %s/%d: %w", group, topic, p.Partition, p.Error)
			}
			committed[stream.Partition{Topic: topic, ID: p.Partition}] = p.CommittedOffset
		}
	}
	return nil
}

// Scan calls each for every record of a partition from offset from on and before to, in order. Records of open and of aborted transactions are
// among them: a scan ends even while somebody's transaction does not. The error of each ends it.
func (l *Log) Scan(ctx context.Context, p stream.Partition, from, to int64, each func(stream.Record) error) error {
	return l.b.scan(ctx, p, from, to, each)
}

func (b *broker) scan(ctx context.Context, p stream.Partition, from, to int64, each func(stream.Record) error) error {
	f := &fetcher{b: b, a: scan{to, each}, part: p, next: from, isolation: kafka.ReadUncommitted}
	for f.next < to {
		var stop *deliverError
		err := b.try(ctx, func(ctx context.Context) error {
			err := f.step(ctx)
			if errors.As(err, &stop) {
				return nil
			}
			return err
		})
		switch {
		case stop != nil:
			return stop.err
		case err != nil:
			return fmt.Errorf("reading %s from offset %d: %w", p, f.next, err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
	return nil
}

// scan receives what a Scan fetches.
type scan struct {
	to   int64
	each func(stream.Record) error
}

func (s scan) Records(_ context.Context, _ stream.Partition, recs []stream.Record, _ int64) error {
	for i := range recs {
		if recs[i].Offset >= s.to {
			return nil
		}
		if err := s.each(recs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (scan) Removed(stream.Partition, int64) {}
func (scan) Ends(stream.Partition, int64)    {}

// appendTimeout bounds one produce request. kafka-go gives the leader half of what is left of it to wait for its replicas, and of a client without a time half a second.
const appendTimeout = 30 * time.Second

// Append writes records to the end of a partition, in one request, and returns when all in-sync replicas have them. Offsets and times of the
// records are the broker's to give. It tries once: after an error they may be there or not, and only Scan up to a Settled end tells.
func (l *Log) Append(ctx context.Context, p stream.Partition, recs []stream.Record) error {
	out := make([]kafka.Record, len(recs))
	for i, r := range recs {
		out[i].Key, out[i].Value = kafkaBytes(r.Key), kafkaBytes(r.Value)
		for _, h := range r.Headers {
			out[i].Headers = append(out[i].Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
	}
	client := &kafka.Client{Addr: l.b.client.Addr, Transport: l.b.client.Transport, Timeout: appendTimeout}
	res, err := client.Produce(ctx, &kafka.ProduceRequest{Topic: p.Topic, Partition: p.ID, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(out...)})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return fmt.Errorf("writing %d records to %s: %w", len(recs), p, advised(err))
	}
	return nil
}

// Permanent says whether an error of Append stays what it is, and nothing was written. A topic that a broker does not know may have been deleted, and another one may come in its place: whoever
// goes on looks first whether it is the one that was.
func Permanent(err error) bool { return final(err) || TooLarge(err) }

// TooLarge says whether an error of Append is that the topic takes no request of so many bytes, of all its records together: nothing was written.
func TooLarge(err error) bool {
	return errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge)
}

// kafkaBytes keeps nil apart from empty: a nil value is a tombstone.
func kafkaBytes(b []byte) kafka.Bytes {
	if b == nil {
		return nil
	}
	return kafka.NewBytes(b)
}
