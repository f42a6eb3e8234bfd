package kafkasource

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"vecmill/stream"
)

// lag is a replica of partition 0 that has fallen behind: its leader takes what is appended, says that it timed out, and shows nothing that came since.
type lag struct {
	w  *world
	mu struct {
		sync.Mutex
		shown, end int64 // -1: what there is
		epoch      int32
	}
}

// lags has the leader of an epoch show its log up to an offset alone, and say that it ends at another; -1 for where it does.
func (w *world) lags(epoch int32, shown, end int64) *lag {
	l := &lag{w: w}
	l.mu.shown, l.mu.end, l.mu.epoch = shown, end, epoch
	w.kafk.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafk.KeepControl()
		l.mu.Lock()
		defer l.mu.Unlock()
		req := r.(*kmsg.ListOffsetsRequest)
		if p := req.Topics[0].Partitions[0]; l.mu.shown < 0 || p.Timestamp != -1 || p.Partition != 0 || req.ReplicaID != -1 {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		part := kmsg.NewListOffsetsResponseTopicPartition()
		part.Offset, part.LeaderEpoch = l.mu.shown, l.mu.epoch
		res.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: req.Topics[0].Topic, Partitions: []kmsg.ListOffsetsResponseTopicPartition{part}}}
		return res, nil, true
	})
	w.kafk.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafk.KeepControl()
		l.mu.Lock()
		defer l.mu.Unlock()
		req := r.(*kmsg.OffsetForLeaderEpochRequest)
		if p := req.Topics[0].Partitions[0]; l.mu.end < 0 || p.Partition != 0 || p.LeaderEpoch != l.mu.epoch {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		part := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
		part.LeaderEpoch, part.EndOffset = l.mu.epoch, l.mu.end
		res.Topics = []kmsg.OffsetForLeaderEpochResponseTopic{{Topic: req.Topics[0].Topic, Partitions: []kmsg.OffsetForLeaderEpochResponseTopicPartition{part}}}
		return res, nil, true
	})
	return l
}

// over has the leader show all that it has.
func (l *lag) over() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.shown, l.mu.end = -1, -1
}

// moves gives partition 0 to another broker, which has all that kfake has.
func (l *lag) moves(t *testing.T) {
	t.Helper()
	to := (l.w.kafk.LeaderFor("refs", 0) + 1) % 2
	if err := l.w.kafk.MoveTopicPartition("refs", 0, to); err != nil {
		t.Error(err)
	}
	l.over()
}

// The request says how long the leader waits for its in-sync replicas. kafka-go halves the time that there is, so that the answer has its own; without a time of the client's it would be half a second.
func TestTheLeaderOfAnAppendHasTimeForItsReplicas(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		var asked time.Duration
		w.kafk.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafk.KeepControl()
			asked = time.Duration(r.(*kmsg.ProduceRequest).TimeoutMillis) * time.Millisecond
			return nil, nil, false
		})
		l := w.log()
		defer l.Close()
		for _, c := range []struct{ given, want time.Duration }{{time.Hour, appendTimeout / 2}, {8 * time.Second, 4 * time.Second}} {
			ctx, cancel := context.WithTimeout(t.Context(), c.given)
			if err := l.Append(ctx, stream.Partition{Topic: "refs"}, []stream.Record{{Value: []byte("a")}}); err != nil || asked < c.want-100*time.Millisecond || asked > c.want {
				t.Errorf("of %v the leader was given %v, want %v: %v", c.given, asked, c.want, err)
			}
			cancel()
		}
	})
}

// TestNothingThatALeaderHasIsBehindASettledEnd has an append that is answered by a time-out and shown half a minute later.
func TestNothingThatALeaderHasIsBehindASettledEnd(t *testing.T) {
	inWorld(t, 2, 2, func(t *testing.T, w *world) {
		w.produce(0, 0, 3)
		w.produce(1, 0, 1)
		l := w.log()
		defer l.Close()
		parts := []stream.Partition{{Topic: "refs", ID: 0}, {Topic: "refs", ID: 1}}
		began := time.Now()
		if b, err := l.Settled(t.Context(), parts, nil); err != nil || b[parts[0]] != (stream.Bounds{Committed: -1, End: 3}) || b[parts[1]].End != 1 || time.Since(began) > 0 {
			t.Errorf("%v, %v after %v", b, err, time.Since(began))
		}
		behind := w.lags(0, 3, -1)
		w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut})
		if err := l.Append(t.Context(), parts[0], []stream.Record{{Value: []byte("a")}}); err == nil || Permanent(err) {
			t.Errorf("an append that times out: %v", err)
		}
		if b, err := l.Bounds(t.Context(), "", parts); err != nil || b[parts[0]].End != 3 {
			t.Errorf("the record is shown: %v, %v", b, err)
		}
		time.AfterFunc(30*time.Second, behind.over)
		waits := 0
		began = time.Now()
		b, err := l.Settled(t.Context(), parts, func(context.Context) error { waits++; return nil })
		if took := time.Since(began); err != nil || b[parts[0]].End != 4 || b[parts[1]].End != 1 || took < 30*time.Second || took > 32*time.Second || waits < 20 {
			t.Errorf("%v, %v after %v and %d waits", b, err, took, waits)
		}
		if l, err := l.Settled(t.Context(), nil, nil); len(l) > 0 || err != nil {
			t.Errorf("of no partitions: %v, %v", l, err)
		}
	})
}

// TestWhatALeaderTookWithItIsNotWaitedFor has a leader that shows 3 records of 10 and goes. The next one has 4.
func TestWhatALeaderTookWithItIsNotWaitedFor(t *testing.T) {
	inWorld(t, 2, 1, func(t *testing.T, w *world) {
		w.produce(0, 0, 4)
		l := w.log()
		defer l.Close()
		behind := w.lags(0, 3, 10)
		time.AfterFunc(5*time.Second, func() { behind.moves(t) })
		p := stream.Partition{Topic: "refs"}
		began := time.Now()
		if b, err := l.Settled(t.Context(), []stream.Partition{p}, nil); err != nil || b[p].End != 4 || time.Since(began) < 5*time.Second || time.Since(began) > 20*time.Second {
			t.Errorf("%v, %v after %v", b, err, time.Since(began))
		}
	})
}

func TestTheWaitForAnEndThatSettlesEnds(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		l := w.log()
		defer l.Close()
		w.lags(0, 3, 10)
		parts := []stream.Partition{{Topic: "refs"}}
		began := time.Now()
		if _, err := l.Settled(t.Context(), parts, nil); err == nil || !strings.Contains(err.Error(), "refs/0 from offset 3 to 10") || time.Since(began) > settledWait+time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if _, err := l.Settled(t.Context(), parts, func(context.Context) error { return errBoom }); !errors.Is(err, errBoom) {
			t.Errorf("the waiter's error: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := l.Settled(ctx, parts, nil); err == nil {
			t.Error("it waits although its context has ended")
		}
	})
}

// TestALeaderThatDoesNotKnowItsEpochIsNotBelieved has answers that say nothing about the end of the log.
func TestALeaderThatDoesNotKnowItsEpochIsNotBelieved(t *testing.T) {
	for name, answer := range map[string]func(res *kmsg.OffsetForLeaderEpochResponse){
		"another epoch": func(res *kmsg.OffsetForLeaderEpochResponse) { res.Topics[0].Partitions[0].LeaderEpoch = 3 },
		"no end":        func(res *kmsg.OffsetForLeaderEpochResponse) { res.Topics[0].Partitions[0].EndOffset = -1 },
		"a fault": func(res *kmsg.OffsetForLeaderEpochResponse) {
			res.Topics[0].Partitions[0].ErrorCode = kerr.FencedLeaderEpoch.Code
		},
		"nothing": func(res *kmsg.OffsetForLeaderEpochResponse) { res.Topics = nil },
	} {
		inWorld(t, 1, 1, func(t *testing.T, w *world) {
			w.kafk.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(r kmsg.Request) (kmsg.Response, error, bool) {
				w.kafk.KeepControl()
				res := r.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
				part := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				part.LeaderEpoch, part.EndOffset = 0, 0
				res.Topics = []kmsg.OffsetForLeaderEpochResponseTopic{{Topic: "refs", Partitions: []kmsg.OffsetForLeaderEpochResponseTopicPartition{part}}}
				answer(res)
				return res, nil, true
			})
			l := w.log()
			defer l.Close()
			if b, err := l.Settled(t.Context(), []stream.Partition{{Topic: "refs"}}, nil); err == nil {
				t.Errorf("%s: %v", name, b)
			}
		})
	}
}

// TestBrokersThatDoNotSayWhereTheirLogsEndAreAFault has those that do not have the request, or an older one, refuse it, or lead in no epoch. They are asked once.
func TestBrokersThatDoNotSayWhereTheirLogsEndAreAFault(t *testing.T) {
	newest := kversion.Stable()
	for name, c := range map[string]struct {
		brokers *kversion.Versions
		has     func(w *world)
	}{
		"another request": {kversion.V2_0_0(), func(*world) {}},
		"no request":      {kversion.V0_10_1(), func(*world) {}},
		"a refusal": {newest, func(w *world) {
			w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetForLeaderEpoch}, Err: kerr.UnsupportedVersion, Count: -1})
		}},
		"no epoch": {newest, func(w *world) { w.lags(-1, 0, -1) }},
	} {
		inWorld(t, 1, 1, func(t *testing.T, w *world) {
			c.has(w)
			l := w.log()
			defer l.Close()
			began := time.Now()
			if b, err := l.Settled(t.Context(), []stream.Partition{{Topic: "refs"}}, nil); !errors.Is(err, errOld) || !Permanent(err) || !strings.Contains(err.Error(), "from Kafka 2.1 on") || time.Since(began) > 0 {
				t.Errorf("%s: %v, %v after %v", name, b, err, time.Since(began))
			}
		}, kfake.MaxVersions(c.brokers))
	}
}

// TestALookThatFailsIsRepeatedUnlessAPersonIsNeeded has brokers that do not know the topic yet, as after their start, and ones that do not let the user see it. Neither is too old.
func TestALookThatFailsIsRepeatedUnlessAPersonIsNeeded(t *testing.T) {
	for fault, want := range map[*kerr.Error]struct {
		ok           bool
		least, below time.Duration
	}{
		kerr.UnknownTopicOrPartition:  {true, 2 * time.Second, 15 * time.Second},
		kerr.TopicAuthorizationFailed: {false, 0, time.Second},
		kerr.InvalidTopicException:    {false, 0, time.Second},
	} {
		for _, key := range []kmsg.Key{kmsg.ListOffsets, kmsg.OffsetForLeaderEpoch} {
			inWorld(t, 1, 1, func(t *testing.T, w *world) {
				w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: fault, Count: 10})
				l := w.log()
				defer l.Close()
				began := time.Now()
				_, err := l.Settled(t.Context(), []stream.Partition{{Topic: "refs"}}, nil)
				if took := time.Since(began); (err == nil) != want.ok || took < want.least || took >= want.below || err != nil && strings.Contains(err.Error(), "2.1") {
					t.Errorf("%v to %v: %v after %v", fault, key, err, took)
				}
			})
		}
	}
}

// TestWhoWaitsForALeaderThatHangsHearsOfIt has one that does not answer for half a minute. A publisher that is not heard of for ten seconds is taken for dead, and says every three at most that it is not.
func TestWhoWaitsForALeaderThatHangsHearsOfIt(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		cfg, net := w.config(), &frozenNet{dial: w.net.DialContext}
		cfg.Dial = net.Dial
		l, err := OpenLog(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		parts, err := l.Partitions(t.Context(), "refs")
		if err != nil {
			t.Fatal(err)
		}
		net.freeze()
		time.AfterFunc(30*time.Second, net.thaw)
		began := time.Now()
		silence, heard := time.Duration(0), began.Add(-time.Nanosecond)
		if _, err := l.Settled(t.Context(), parts, func(context.Context) error {
			silence, heard = max(silence, time.Since(heard)), time.Now()
			return nil
		}); err != nil || time.Since(began) < 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if silence = max(silence, time.Since(heard)); silence > 5*time.Second {
			t.Errorf("it was silent for %v", silence)
		}
	})
}
