//go:build integration

package secure

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/integration/harness"
	"vecmill/stream"
	"vecmill/stream/kafkasource"
)

// reading takes what a source delivers as a pipeline with start_at: last does, and commits it at the end of each assignment. It implements stream.Assignments.
type reading struct {
	mu struct {
		sync.Mutex
		c      stream.Committer
		next   map[stream.Partition]int64
		values []string
	}
}

// Assigned implements stream.Assignments.
func (r *reading) Assigned(_ context.Context, c stream.Committer, parts map[stream.Partition]stream.Bounds) (map[stream.Partition]int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.c, r.mu.next = c, map[stream.Partition]int64{}
	for p, b := range parts {
		switch {
		case b.Committed >= 0:
			r.mu.next[p] = b.Committed
		case b.Added:
			r.mu.next[p] = b.First
		default:
			r.mu.next[p] = b.End
		}
	}
	return maps.Clone(r.mu.next), nil
}

// Records implements stream.Assignments.
func (r *reading) Records(_ context.Context, p stream.Partition, recs []stream.Record, next int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range recs {
		r.mu.values = append(r.mu.values, string(rec.Value))
	}
	r.mu.next[p] = next
	return nil
}

// Removed implements stream.Assignments.
func (*reading) Removed(stream.Partition, int64) {}

// Ends implements stream.Assignments.
func (*reading) Ends(stream.Partition, int64) {}

// Revoked implements stream.Assignments.
func (r *reading) Revoked(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.mu.c.Commit(ctx, r.mu.next) // of a topic that is gone there is none to commit
	r.mu.next = nil
}

// Lost implements stream.Assignments.
func (*reading) Lost() {}

func (r *reading) owns() int { r.mu.Lock(); defer r.mu.Unlock(); return len(r.mu.next) }

func (r *reading) got() []string { r.mu.Lock(); defer r.mu.Unlock(); return slices.Clone(r.mu.values) }

// TestTopicsThatChange has a topic of a real broker get a partition, and another one go, while a group reads both: what comes into the new partition before anybody knows of it is read, and the topic that is gone ends the source with its
// name. The broker would make the topic again for whoever asks with leave to.
func TestTopicsThatChange(t *testing.T) {
	k := harness.KafkaConfig{Properties: map[string]string{"auto.create.topics.enable": "true"}}.Start(t)
	k.CreateTopic(t, "refs", 2)
	k.CreateTopic(t, "more", 1)
	k.Produce(t, "refs", 0, harness.Record{Value: []byte("before the group began")})
	cfg := kafkasource.NewDefaultConfig()
	cfg.Brokers, cfg.Topics, cfg.Group, cfg.WatchInterval = k.Brokers(), []string{"refs", "more"}, "g", 2*time.Second
	source, err := kafkasource.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r, ended := &reading{}, make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { ended <- source.Run(ctx, r) }()
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never: %s", what)
			}
		}
	}
	eventually("both topics are read", func() bool { return r.owns() == 3 })

	res, err := k.Client().CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: "refs", Count: 3}}})
	if err != nil || res.Errors["refs"] != nil {
		t.Fatal(err, res)
	}
	eventually("the new partition has a leader", func() bool { return len(k.EndOffsets(t, "refs")) == 3 })
	k.Produce(t, "refs", 2, harness.Record{Value: []byte("of the new partition")})
	eventually("the new partition is read", func() bool { return r.owns() == 4 && len(r.got()) > 0 })
	if got := r.got(); !slices.Equal(got, []string{"of the new partition"}) {
		t.Errorf("read %q", got)
	}

	gone, err := k.Client().DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{"more"}})
	if err != nil || gone.Errors["more"] != nil {
		t.Fatal(err, gone)
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), `topic "more": does not exist; create the topic`) {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(5 * time.Minute):
		t.Fatal("the source goes on without one of its topics")
	}
	if next := k.Committed(t, "g", "refs"); !maps.Equal(next, map[int]int64{0: 1, 1: 0, 2: 1}) {
		t.Errorf("committed %v", next)
	}
	meta, err := k.Client().Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{"more"}})
	if err != nil || !errors.Is(meta.Topics[0].Error, kafka.UnknownTopicOrPartition) {
		t.Errorf("the topic that was deleted: %+v, %v", meta, err)
	}
}
