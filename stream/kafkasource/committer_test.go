package kafkasource

import (
	"context"
	"net"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"

	"vecmill/stream"
)

// ledgerBroker takes commits, and remembers them.
type ledgerBroker struct {
	largest   int // partitions of one request
	requests  int
	committed map[int]int64
}

func (b *ledgerBroker) RoundTrip(_ context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	n := 0
	for _, t := range req.(*offsetcommit.Request).Topics {
		for _, p := range t.Partitions {
			b.committed[int(p.PartitionIndex)] = p.CommittedOffset
		}
		n += len(t.Partitions)
	}
	b.requests, b.largest = b.requests+1, max(b.largest, n)
	return &offsetcommit.Response{}, nil
}

func TestACommitOfManyPartitionsIsSeveralRequests(t *testing.T) {
	for parts, want := range map[int]int{0: 0, 1: 1, mostCommitted: 1, mostCommitted + 1: 2, 10_000: 10} {
		b := &ledgerBroker{committed: map[int]int64{}}
		cfg := NewDefaultConfig()
		c := &committer{m: newMembership(&broker{cfg: &cfg, client: &kafka.Client{Addr: kafka.TCP("broker:9092"), Transport: b}}, &kafka.Generation{}), parts: map[stream.Partition]bool{}}
		next := map[stream.Partition]int64{}
		for i := range parts {
			p := stream.Partition{Topic: "refs", ID: i}
			c.parts[p], next[p] = true, int64(i)
		}
		if err := c.Commit(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		if b.requests != want || b.largest > mostCommitted || len(b.committed) != parts {
			t.Errorf("%d partitions: %d requests of up to %d, want %d; %d are committed", parts, b.requests, b.largest, want, len(b.committed))
		}
		for i, offset := range b.committed {
			if offset != int64(i) {
				t.Errorf("partition %d is committed at %d", i, offset)
			}
		}
	}
}
