package kafkasource

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// inGroup makes a member of a group, of some kind of client, and gives its heart.
func inGroup(t *testing.T, addrs []string, group, kind string) (beat func() error) {
	t.Helper()
	tr := &kafka.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(addrs...), Transport: tr}
	req := &kafka.JoinGroupRequest{GroupID: group, SessionTimeout: 30 * time.Second, RebalanceTimeout: 30 * time.Second, ProtocolType: kind, Protocols: []kafka.GroupProtocol{{Name: "roundrobin"}}}
	res, err := client.JoinGroup(t.Context(), req)
	if err == nil && errors.Is(res.Error, kafka.MemberIDRequired) {
		req.MemberID = res.MemberID
		res, err = client.JoinGroup(t.Context(), req)
	}
	if err == nil {
		err = res.Error
	}
	if err != nil {
		t.Fatal(err)
	}
	sync, err := client.SyncGroup(t.Context(), &kafka.SyncGroupRequest{
		GroupID: group, GenerationID: res.GenerationID, MemberID: res.MemberID, ProtocolType: kind, ProtocolName: "roundrobin",
		Assignments: []kafka.SyncGroupRequestAssignment{{MemberID: res.MemberID}},
	})
	if err == nil {
		err = sync.Error
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() error {
		res, err := client.Heartbeat(t.Context(), &kafka.HeartbeatRequest{GroupID: group, GenerationID: int32(res.GenerationID), MemberID: res.MemberID})
		if err != nil {
			return err
		}
		return HeartbeatAnswer(res)
	}
}

// TestAGroupIsAskedAndNotJoined asks twice: an id that was not given back would be a member of the second time's full group. What is a member already notices nothing.
func TestAGroupIsAskedAndNotJoined(t *testing.T) {
	of := func(limit string) kfake.Opt { return kfake.BrokerConfigs(map[string]string{"group.max.size": limit}) }
	for _, c := range []struct {
		name  string
		opts  []kfake.Opt
		kind  string // of client that is a member already; "" for none
		want  error
		words string
	}{
		{"a group that is not there", []kfake.Opt{of("1")}, "", nil, ""},
		{"a group with room", []kfake.Opt{of("2")}, "consumer", nil, ""},
		{"a full group", []kfake.Opt{of("1")}, "consumer", kafka.GroupMaxSizeReached, "group.max.size"},
		{"a group of another kind of client", nil, "connect", kafka.InconsistentGroupProtocol, "use a group of its own for each application"},
		{"a session that is too short", []kfake.Opt{kfake.GroupMinSessionTimeout(time.Minute)}, "", kafka.InvalidSessionTimeout, "group.min.session.timeout.ms"},
		{"a session that is too long", []kfake.Opt{kfake.GroupMaxSessionTimeout(10 * time.Second)}, "", kafka.InvalidSessionTimeout, "group.max.session.timeout.ms"},
		{"brokers that send nobody away", []kfake.Opt{kfake.MaxVersions(kversion.V2_1_0()), kfake.GroupMinSessionTimeout(time.Minute)}, "", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster, err := kfake.NewCluster(append(c.opts, kfake.NumBrokers(1), kfake.SeedTopics(1, "refs"))...)
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			beat := func() error { return nil }
			if c.kind != "" {
				beat = inGroup(t, cluster.ListenAddrs(), "g", c.kind)
			}
			var asked atomic.Int64
			cluster.ControlKey(kmsg.JoinGroup.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				asked.Add(1)
				return nil, nil, false
			})
			cfg := NewDefaultConfig()
			cfg.Brokers, cfg.Topics, cfg.Group, cfg.SessionTimeout = cluster.ListenAddrs(), []string{"refs"}, "g", 30*time.Second
			for range 2 {
				err := AskToJoin(t.Context(), cfg)
				if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.words) {
					t.Errorf("%v, want %v with %q", err, c.want, c.words)
				}
			}
			if old := strings.HasPrefix(c.name, "brokers"); old != (asked.Load() == 0) {
				t.Errorf("asked %d times", asked.Load())
			}
			if err := beat(); err != nil {
				t.Errorf("a member's heartbeat: %v", err)
			}
		})
	}
}

func TestAskingToJoinWantsASoundConfiguration(t *testing.T) {
	if err := AskToJoin(t.Context(), NewDefaultConfig()); err == nil || !strings.Contains(err.Error(), "brokers: none given") {
		t.Errorf("%v", err)
	}
}
