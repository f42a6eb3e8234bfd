package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/retry"
)

// Record is what Produce writes.
type Record struct {
	Key, Value []byte
	Headers    []kafka.Header
}

// CreateTopic creates a topic with one replica and returns once its partitions have leaders.
func (k *Kafka) CreateTopic(tb testing.TB, topic string, partitions int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	create := func() error {
		resp, err := k.Client().CreateTopics(ctx, &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}},
		})
		return firstError(err, func() error { return resp.Errors[topic] })
	}
	for created := false; ; {
		var err error
		if !created {
			err = create()
			created = err == nil
		}
		if created {
			err = k.hasLeaders(ctx, topic, partitions)
		} else if !errors.Is(err, kafka.BrokerNotAvailable) { // the client has not heard of the controller yet
			tb.Fatalf("creating topic %s: %v", topic, err)
		}
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("creating topic %s: %v", topic, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// hasLeaders is nil once a produce to any partition would be accepted.
func (k *Kafka) hasLeaders(ctx context.Context, topic string, partitions int) error {
	offsets, err := k.offsets(ctx, topic, partitions, kafka.LastOffset)
	if err != nil {
		return err
	}
	if len(offsets) != partitions {
		return fmt.Errorf("%d of %d partitions have a leader", len(offsets), partitions)
	}
	return nil
}

// Produce appends records to one partition, whose only producer it is, with acks from all replicas, and returns the offset of the first. A broker that does not
// answer in time, as on a busy machine, is asked for the partition's end: what has landed is not sent again.
func (k *Kafka) Produce(tb testing.TB, topic string, partition int, records ...Record) int64 {
	tb.Helper()
	base := k.EndOffsets(tb, topic)[partition]
	for tries := 1; ; tries++ {
		at, err := k.produce(tb.Context(), topic, partition, records)
		if err == nil {
			return at
		}
		if silent, ok := errors.AsType[net.Error](err); !ok || !silent.Timeout() || tries == 5 {
			tb.Fatalf("producing %d records to %s/%d: %v (try %d)", len(records), topic, partition, err, tries)
		}
		time.Sleep(2 * time.Second) // what is still on its way lands
		switch end := k.EndOffsets(tb, topic)[partition]; end {
		case base:
		case base + int64(len(records)):
			return base
		default:
			tb.Fatalf("producing %d records to %s/%d: %v; the partition ended at %d and ends at %d", len(records), topic, partition, err, base, end)
		}
	}
}

func (k *Kafka) produce(ctx context.Context, topic string, partition int, records []Record) (first int64, err error) {
	all := make([]kafka.Record, len(records))
	for i, r := range records {
		all[i] = kafka.Record{Key: kafka.NewBytes(r.Key), Value: kafka.NewBytes(r.Value), Headers: r.Headers}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	resp, err := k.Client().Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(all...),
	})
	if err := firstError(err, func() error { return resp.Error }); err != nil {
		return 0, err
	}
	return resp.BaseOffset, nil
}

// EndOffsets is, per partition, the offset that the next record will get.
func (k *Kafka) EndOffsets(tb testing.TB, topic string) map[int]int64 {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	var offsets map[int]int64
	if err := ask(ctx, func() (err error) {
		parts, err := k.partitions(ctx, topic)
		if err == nil {
			offsets, err = k.offsets(ctx, topic, len(parts), kafka.LastOffset)
		}
		return err
	}); err != nil {
		tb.Fatalf("reading the end of %s: %v", topic, err)
	}
	return offsets
}

// ask repeats a question that changes nothing until ctx ends: on a busy machine a broker falls silent for longer than one request may take.
func ask(ctx context.Context, f func() error) error {
	_, err := retry.Do(ctx, retry.Policy{Attempts: 1000, Base: 200 * time.Millisecond, Max: time.Second}, func(err error) bool {
		return errors.Is(err, kafka.UnknownTopicOrPartition)
	}, func(context.Context) error { return f() })
	return err
}

func (k *Kafka) offsets(ctx context.Context, topic string, partitions int, at int64) (map[int]int64, error) {
	var ask []kafka.OffsetRequest
	for p := range partitions {
		ask = append(ask, kafka.OffsetRequest{Partition: p, Timestamp: at})
	}
	resp, err := k.Client().ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: ask}})
	if err != nil {
		return nil, err
	}
	offsets := map[int]int64{}
	for _, p := range resp.Topics[topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("partition %d: %w", p.Partition, p.Error)
		}
		offsets[p.Partition] = p.LastOffset
		if at == kafka.FirstOffset {
			offsets[p.Partition] = p.FirstOffset
		}
	}
	return offsets, nil
}

func (k *Kafka) partitions(ctx context.Context, topic string) ([]int, error) {
	meta, err := k.Client().Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err == nil && len(meta.Topics) == 1 {
		err = meta.Topics[0].Error
	}
	if err != nil {
		return nil, fmt.Errorf("looking up topic %s: %w", topic, err)
	}
	var ids []int
	for _, p := range meta.Topics[0].Partitions {
		ids = append(ids, p.ID)
	}
	return ids, nil
}

// Committed is, per partition for which group has committed, the next offset that it will read.
func (k *Kafka) Committed(tb testing.TB, group, topic string) (committed map[int]int64) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	if err := ask(ctx, func() (err error) {
		committed, err = k.committed(ctx, group, topic)
		return err
	}); err != nil {
		tb.Fatalf("reading the offsets of group %s: %v", group, err)
	}
	return committed
}

func (k *Kafka) committed(ctx context.Context, group, topic string) (map[int]int64, error) {
	parts, err := k.partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	resp, err := k.Client().OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: parts}})
	if err := firstError(err, func() error { return resp.Error }); err != nil {
		return nil, err
	}
	committed := map[int]int64{}
	for _, p := range resp.Topics[topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("%s/%d: %w", topic, p.Partition, p.Error)
		}
		if p.CommittedOffset >= 0 {
			committed[p.Partition] = p.CommittedOffset
		}
	}
	return committed, nil
}

// Commit sets a group's offset as an administrator does. The group must have no members.
func (k *Kafka) Commit(tb testing.TB, group, topic string, partition int, next int64) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	resp, err := k.Client().OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: partition, Offset: next}}},
	})
	if err == nil {
		err = resp.Topics[topic][0].Error
	}
	if err != nil {
		tb.Fatalf("committing %d for group %s on %s/%d: %v", next, group, topic, partition, err)
	}
}

// Group is a consumer group's state ("Stable", "Empty", ...) and its number of members.
func (k *Kafka) Group(tb testing.TB, group string) (state string, members int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	if err := ask(ctx, func() error {
		resp, err := k.Client().DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
		if err := firstError(err, func() error { return resp.Groups[0].Error }); err != nil {
			return err
		}
		state, members = resp.Groups[0].GroupState, len(resp.Groups[0].Members)
		return nil
	}); err != nil {
		tb.Fatalf("describing group %s: %v", group, err)
	}
	return state, members
}

// ReadPartition is every record of a partition, from its first offset to its present end.
func (k *Kafka) ReadPartition(tb testing.TB, topic string, partition int) []kafka.Message {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	end := k.EndOffsets(tb, topic)[partition]
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: k.Brokers(), Topic: topic, Partition: partition, MaxBytes: 16 << 20, MaxWait: 250 * time.Millisecond,
	})
	defer r.Close()
	var all []kafka.Message
	first, err := k.offsets(ctx, topic, partition+1, kafka.FirstOffset)
	if err != nil {
		tb.Fatalf("reading the start of %s: %v", topic, err)
	}
	if first[partition] >= end {
		return nil
	}
	for {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			tb.Fatalf("reading %s/%d up to offset %d: %v (have %d records)", topic, partition, end, err, len(all))
		}
		all = append(all, m)
		if m.Offset+1 >= end {
			return all
		}
	}
}
