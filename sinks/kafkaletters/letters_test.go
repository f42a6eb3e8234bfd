package kafkaletters_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/kafkaletters"
)

func letter(offset int64, value []byte) sinks.Letter {
	return sinks.Letter{
		Source: schemas.SourceID{Pipeline: "speech", Topic: "refs", Partition: 2}, Offset: offset, Reason: schemas.ReasonTooLarge,
		Message: "300 MB", Attempts: 3, Key: []byte{0, 255}, Value: value,
		Headers: []sinks.Header{{Key: "vecmill.reason", Value: []byte("theirs, not ours")}, {Key: "trace", Value: []byte("a")}, {Key: "trace", Value: []byte("b")}},
	}
}

func broker(t *testing.T) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "dead"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

func TestABrokerThatDoesNotKnowWhatWentWrongIsAskedAgain(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "dead"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range req.(*kmsg.ProduceRequest).Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, int16(kafka.Unknown)
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	s := open(t, c.ListenAddrs(), "dead")
	if err := s.Put(t.Context(), letter(7, []byte("x"))); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	read(t, c.ListenAddrs(), 1)
}

func open(t *testing.T, brokers []string, topic string) *kafkaletters.Store {
	t.Helper()
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	s, err := kafkaletters.New(kafkaletters.Config{
		Brokers: brokers, Topic: topic, Transport: transport, Retry: retry.Policy{Attempts: 3, Base: 10 * time.Millisecond, Max: 50 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads n messages of the topic from its beginning.
func read(t *testing.T, brokers []string, n int) []kafka.Message {
	t.Helper()
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: brokers, Topic: "dead", MaxWait: 100 * time.Millisecond})
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out []kafka.Message
	for range n {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(out), n, err)
		}
		out = append(out, m)
	}
	return out
}

func TestLettersReadBackEqual(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	brokers := broker(t)
	s := open(t, brokers, "dead")
	want := []sinks.Letter{letter(7, []byte(`{"v":1}`)), letter(8, nil), letter(1<<40, []byte{0xff})}
	want[1].Key, want[1].Headers = nil, nil
	for _, l := range want {
		if err := s.Put(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Close(t.Context()), s.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	for i, m := range read(t, brokers, len(want)) {
		if key := fmt.Sprintf("speech/refs/2/%d", want[i].Offset); string(m.Key) != key {
			t.Errorf("the key is %q, want %q", m.Key, key)
		}
		if got, err := kafkaletters.Parse(m); err != nil || !reflect.DeepEqual(got, want[i]) {
			t.Errorf("%+v, %v\nwant %+v", got, err, want[i])
		}
	}
	if err := s.Put(t.Context(), want[0]); err == nil {
		t.Error("a closed store took a letter")
	}
}

func TestManyLettersAtOnceAreAllThere(t *testing.T) {
	brokers := broker(t)
	s := open(t, brokers, "dead")
	var wg sync.WaitGroup
	for i := range int64(100) {
		wg.Go(func() {
			if err := s.Put(t.Context(), letter(i, []byte("x"))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[int64]bool{}
	for _, m := range read(t, brokers, 100) {
		l, err := kafkaletters.Parse(m)
		if err != nil {
			t.Fatal(err)
		}
		seen[l.Offset] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d letters of 100", len(seen))
	}
}

func TestAPutFailsWithTheTopicAndTheRecord(t *testing.T) {
	brokers := broker(t)
	for _, c := range []struct {
		name    string
		brokers []string
		topic   string
		letter  sinks.Letter
		want    string
	}{
		{"a topic that does not exist", brokers, "nowhere", letter(7, nil), "Unknown Topic"},
		{"a broker that does not answer", []string{"127.0.0.1:1"}, "dead", letter(7, nil), "connection refused"},
		{"a letter larger than any broker takes", brokers, "dead", letter(7, make([]byte, 65<<20)), "too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, c.brokers, c.topic)
			err := s.Put(t.Context(), c.letter)
			if err == nil {
				t.Fatal("it succeeds")
			}
			for _, want := range []string{"speech/refs/2 offset 7", "topic " + c.topic} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not contain %q", err, want)
				}
			}
			if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.want)) {
				t.Errorf("%q does not contain %q", err, c.want)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBrokersAndTopicAreNeeded(t *testing.T) {
	for _, c := range []kafkaletters.Config{{Topic: "dead"}, {Brokers: []string{"b:1"}}} {
		if _, err := kafkaletters.New(c); err == nil {
			t.Errorf("%+v is enough", c)
		}
	}
}

func TestMessagesThatAreNoLettersAreRefused(t *testing.T) {
	for _, headers := range [][]kafka.Header{
		nil,
		{{Key: "vecmill.version", Value: []byte("2")}},
		{{Key: "vecmill.version", Value: []byte("1")}},
		{{Key: "vecmill.version", Value: []byte("1")}, {Key: "vecmill.offset", Value: []byte("-4")}},
	} {
		if l, err := kafkaletters.Parse(kafka.Message{Headers: headers}); err == nil {
			t.Errorf("%v is read as %+v", headers, l)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1", "decode", "message", "3", "p", "t", "2", "41", []byte("key"), "own", []byte("header"))
	f.Add("1", "", "", "0", "", "", "0", "0", []byte(nil), "", []byte(nil))
	f.Fuzz(func(t *testing.T, version, reason, message, attempts, pipeline, topic, partition, offset string, key []byte, own string, value []byte) {
		m := kafka.Message{Value: value, Headers: []kafka.Header{{Key: own, Value: value}, {Key: "vecmill.key", Value: key}}}
		for k, v := range map[string]string{
			"version": version, "reason": reason, "message": message, "attempts": attempts, "pipeline": pipeline, "topic": topic, "partition": partition, "offset": offset,
		} {
			m.Headers = append(m.Headers, kafka.Header{Key: "vecmill." + k, Value: []byte(v)})
		}
		l, err := kafkaletters.Parse(m)
		if err == nil && (l.Offset < 0 || l.Source.Partition < 0 || l.Attempts < 0) {
			t.Fatalf("%+v", l)
		}
	})
}
