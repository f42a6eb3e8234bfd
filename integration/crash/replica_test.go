//go:build integration

package crash

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/integration/harness"
	"vecmill/stream"
	"vecmill/stream/kafkasource"
)

// TestAnAppendBesideASilentReplicaIsFoundWhereTheLogEnds has a topic of two brokers, of which the follower is frozen: an append is answered by a time-out, its record is in the log, and the broker does not show it until the follower is no
// in-sync replica any more. That is what internal/dlq and internal/publish settle an unclear answer by.
func TestAnAppendBesideASilentReplicaIsFoundWhereTheLogEnds(t *testing.T) {
	leader := harness.KafkaConfig{Properties: map[string]string{"broker.session.timeout.ms": "12000"}}.Start(t) // for so long the follower counts
	follower := harness.KafkaConfig{Joins: leader}.Start(t)
	made, err := leader.Client().CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: "refs", NumPartitions: -1, ReplicationFactor: -1, ReplicaAssignments: []kafka.ReplicaAssignment{{Partition: 0, Replicas: []int{1, 2}}},
	}}})
	if err != nil || made.Errors["refs"] != nil {
		t.Fatal(err, made)
	}
	leader.Produce(t, "refs", 0, harness.Record{Value: []byte("both have it")})
	cfg := kafkasource.NewDefaultConfig()
	cfg.Brokers = leader.Brokers()
	log, err := kafkasource.OpenLog(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := stream.Partition{Topic: "refs"}
	end := func() int64 {
		b, err := log.Bounds(t.Context(), "", []stream.Partition{p})
		if err != nil {
			t.Fatal(err)
		}
		return b[p].End
	}
	if end() != 1 {
		t.Fatalf("the log ends at %d", end())
	}

	follower.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := log.Append(ctx, p, []stream.Record{{Value: []byte("one has it")}}); !errors.Is(err, kafka.RequestTimedOut) {
		t.Fatalf("an append while a replica is silent: %v", err)
	}
	if at := end(); at != 1 {
		t.Fatalf("the log is shown up to %d, which one of two replicas has", at)
	}
	looks, began := 0, time.Now()
	b, err := log.Settled(t.Context(), []stream.Partition{p}, func(context.Context) error { looks++; return nil })
	if err != nil || b[p].End != 2 || looks < 2 {
		t.Errorf("%v, %v after %v", b, err, time.Since(began))
	}
	t.Logf("the record was shown after %v", time.Since(began))
	follower.Resume(t)
	if at := end(); at != 2 {
		t.Errorf("the log ends at %d", at)
	}
}
