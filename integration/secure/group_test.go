//go:build integration

package secure

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/integration/harness"
	"vecmill/stream/kafkasource"
)

// TestGroupsThatTakeNobody has a real broker's coordinator say what the doctor asks it: a member would be taken, or why not, and none is made. The session that is asked for
// is so long that a member would wait in vain behind an id that was not given back.
func TestGroupsThatTakeNobody(t *testing.T) {
	const longest = 20 * time.Minute
	k := harness.KafkaConfig{Properties: map[string]string{"group.max.size": "1", "group.min.session.timeout.ms": "7000", "group.max.session.timeout.ms": "1200000"}}.Start(t)
	k.CreateTopic(t, "refs", 1)
	ask := func(group string, session time.Duration) error {
		cfg := kafkasource.NewDefaultConfig()
		cfg.Brokers, cfg.Topics, cfg.Group, cfg.SessionTimeout, cfg.HeartbeatInterval = k.Brokers(), []string{"refs"}, group, session, time.Second
		return kafkasource.AskToJoin(t.Context(), cfg)
	}
	for _, group := range []string{"consumer", "connect"} {
		if err := ask(group, longest); err != nil {
			t.Errorf("a group that nobody is in: %v", err)
		}
		if state, n := k.Group(t, group); n != 0 {
			t.Errorf("asking has made %d members of the group, which is %s", n, state)
		}
	}
	if err := ask("consumer", longest+time.Minute); !errors.Is(err, kafka.InvalidSessionTimeout) {
		t.Errorf("a session that is too long: %v", err)
	}
	if err := ask("consumer", 6*time.Second); !errors.Is(err, kafka.InvalidSessionTimeout) {
		t.Errorf("a session that is too short: %v", err)
	}
	for kind, want := range map[string]error{"consumer": kafka.GroupMaxSizeReached, "connect": nil} {
		beat := enter(t, k, kind)
		err := ask(kind, longest)
		if want == nil { // it is full as well, and of two reasons the broker gives one
			if !errors.Is(err, kafka.InconsistentGroupProtocol) && !errors.Is(err, kafka.GroupMaxSizeReached) {
				t.Errorf("a group of another kind of client: %v", err)
			}
		} else if !errors.Is(err, want) {
			t.Errorf("a group of kind %s: %v, want %v", kind, err, want)
		}
		if err := beat(); err != nil {
			t.Errorf("the member of kind %s notices that its group was asked: %v", kind, err)
		}
		if state, n := k.Group(t, kind); n != 1 || state != "Stable" {
			t.Errorf("the group of kind %s is %s, with %d members", kind, state, n)
		}
	}
}

// enter makes a member of a kind of client in the group of that name, and gives its heart.
func enter(t *testing.T, k *harness.Kafka, kind string) (beat func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	client := k.Client()
	req := &kafka.JoinGroupRequest{GroupID: kind, SessionTimeout: 10 * time.Minute, RebalanceTimeout: 10 * time.Minute, ProtocolType: kind, Protocols: []kafka.GroupProtocol{{Name: "roundrobin"}}}
	res, err := client.JoinGroup(ctx, req)
	if err == nil && errors.Is(res.Error, kafka.MemberIDRequired) {
		req.MemberID = res.MemberID
		res, err = client.JoinGroup(ctx, req)
	}
	if err == nil {
		err = res.Error
	}
	if err != nil {
		t.Fatalf("joining group %s: %v", kind, err)
	}
	sync, err := client.SyncGroup(ctx, &kafka.SyncGroupRequest{
		GroupID: kind, GenerationID: res.GenerationID, MemberID: res.MemberID, ProtocolType: kind, ProtocolName: "roundrobin",
		Assignments: []kafka.SyncGroupRequestAssignment{{MemberID: res.MemberID}},
	})
	if err == nil {
		err = sync.Error
	}
	if err != nil {
		t.Fatalf("coming into group %s: %v", kind, err)
	}
	return func() error {
		res, err := client.Heartbeat(t.Context(), &kafka.HeartbeatRequest{GroupID: kind, GenerationID: int32(res.GenerationID), MemberID: res.MemberID})
		if err != nil {
			return err
		}
		return kafkasource.HeartbeatAnswer(res)
	}
}
