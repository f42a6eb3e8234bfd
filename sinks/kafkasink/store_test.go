package kafkasink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/sinktest"
)

// broker is a broker in this process with the topic rows of 3 partitions, whose first failures produce requests fail.
func broker(t testing.TB, failures *atomic.Int64) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "rows"), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "8388608"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if failures.Add(-1) < 0 {
			return nil, nil, false
		}
		return nil, errors.New("the connection is cut"), true
	})
	return c.ListenAddrs()
}

func config(t testing.TB, brokers []string) Config {
	t.Helper()
	c := NewDefaultConfig()
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c.Brokers, c.Topic, c.Transport = brokers, "rows", transport
	c.MaxMessage = 8 << 20 // this broker does not tell a topic its own limit
	c.Deliver.BatchAge, c.Deliver.Timeout = 20*time.Millisecond, 10*time.Second
	c.Deliver.Retry = retry.Policy{Attempts: 20, Base: 5 * time.Millisecond, Max: 100 * time.Millisecond}
	return c
}

func open(t testing.TB, c Config) *deliver.Sink {
	t.Helper()
	s, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) }) // for those that crash
	return s
}

// read gives all messages of a partition.
func read(t testing.TB, brokers []string, partition int) (out []kafka.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := kafka.DialLeader(ctx, "tcp", brokers[0], "rows", partition)
	if err != nil {
		t.Fatal(err)
	}
	_, last, err := conn.ReadOffsets()
	conn.Close()
	if err != nil {
		t.Fatal(err)
	}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: brokers, Topic: "rows", Partition: partition, MaxWait: 50 * time.Millisecond, MaxBytes: 16 << 20})
	defer r.Close()
	for int64(len(out)) < last {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

func header(m *kafka.Message, name string) string {
	for _, h := range m.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// account is what a reader has that keeps the last message of each row and carries deletions out.
func account(t testing.TB, brokers []string, src schemas.SourceID) (a sinktest.Account) {
	t.Helper()
	for p := range 3 {
		for _, m := range read(t, brokers, p) {
			if header(&m, HeaderTopic) != src.Topic || header(&m, HeaderPartition) != fmt.Sprint(src.Partition) {
				continue
			}
			if m.Value == nil {
				a.Rows = slices.DeleteFunc(a.Rows, func(r schemas.Row) bool {
					return r.RefID == string(m.Key) && fmt.Sprintf("%020d", r.Offset) < fmt.Sprintf("%020s", header(&m, HeaderOffset))
				})
				continue
			}
			row, err := jsonrow.Parse(m.Value)
			if err != nil || string(m.Key) != row.RefID || header(&m, HeaderRowID) != row.RowID || header(&m, "attribute.tenant") != row.Attributes["tenant"] {
				t.Fatalf("%v, message %+v", err, m)
			}
			a.Rows = slices.DeleteFunc(a.Rows, func(r schemas.Row) bool { return r.RowID == row.RowID })
			a.Rows = append(a.Rows, row)
		}
	}
	return a
}

func TestSinkConforms(t *testing.T) {
	sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
		failures := &atomic.Int64{}
		brokers := broker(t, failures)
		return sinktest.Fixture{
			Open:    func(t testing.TB) sinks.Sink { return open(t, config(t, brokers)) },
			Read:    func(t testing.TB, src schemas.SourceID) sinktest.Account { return account(t, brokers, src) },
			Upserts: true, Deletes: true,
			Break: func(n int) { failures.Store(int64(n)) },
		}
	})
}

var src = schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}

func TestRowsOfOneReferenceAreInOnePartitionInOrder(t *testing.T) {
	brokers := broker(t, &atomic.Int64{})
	c := config(t, brokers)
	c.Deliver.BatchRows = 7
	s := open(t, c)
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	for o := range int64(60) {
		row := sinktest.Row(src, o, 0)
		row.RefID = fmt.Sprint("ref ", o%5)
		r := schemas.Range{Source: src, Span: schemas.Span{First: o, Next: o + 1}}
		if err := s.Write(t.Context(), r, []schemas.Row{row}, func(error) {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	where, last, n := map[string]int{}, map[string]int64{}, 0
	for p := range 3 {
		for _, m := range read(t, brokers, p) {
			row, err := jsonrow.Parse(m.Value)
			if err != nil {
				t.Fatal(err)
			}
			if before, ok := where[row.RefID]; ok && (before != p || last[row.RefID] >= row.Offset) {
				t.Errorf("offset %d of %s is in partition %d after offset %d in %d", row.Offset, row.RefID, p, last[row.RefID], before)
			}
			where[row.RefID], last[row.RefID], n = p, row.Offset, n+1
		}
	}
	if n != 60 {
		t.Errorf("%d messages", n)
	}
}

func TestARowThatNeverFitsIsRefusedBeforehand(t *testing.T) {
	brokers := broker(t, &atomic.Int64{})
	c := config(t, brokers)
	c.MaxMessage = 20_000
	s := open(t, c)
	defer s.Close(t.Context())
	row := sinktest.Row(src, 0, 0)
	if err := s.Check(&row); err != nil {
		t.Errorf("a small row: %v", err)
	}
	row.Attributes = map[string]string{"big": strings.Repeat("x", 20_000)}
	if err := s.Check(&row); err == nil || !strings.Contains(err.Error(), "bytes as a message, and topic rows takes 20000: raise its max.message.bytes") {
		t.Errorf("a large row: %v", err)
	}
	row = sinktest.Row(src, 0, 0)
	row.Half, row.Vector = []uint16{0x7c01}, nil
	if err := s.Check(&row); err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("a row with NaN: %v", err)
	}
}

// TestALimitThatMayNotBeAskedForIsAssumedAndTold has a user who may write to the topic and describe it, and not its configuration.
func TestALimitThatMayNotBeAskedForIsAssumedAndTold(t *testing.T) {
	may := func(o kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: "rows", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: o, Allow: true}
	}
	write, describe := may(kmsg.ACLOperationWrite), may(kmsg.ACLOperationDescribe)
	for name, assumed := range map[string]bool{"known": false, "assumed": true} {
		rights := []kfake.ACL{write, describe}
		if !assumed {
			rights = append(rights, may(kmsg.ACLOperationDescribeConfigs))
		}
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "rows"), kfake.EnableSASL(), kfake.EnableACLs(), kfake.User("PLAIN", "ann", "secret", rights...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		transport := &kafka.Transport{SASL: plain.Mechanism{Username: "ann", Password: "secret"}}
		t.Cleanup(transport.CloseIdleConnections)
		c := config(t, cluster.ListenAddrs())
		c.Transport, c.MaxMessage = transport, 0
		var told []error
		c.Assumed = func(bytes int, err error) { told = append(told, fmt.Errorf("%d: %w", bytes, err)) }
		s := open(t, c)
		if len(told) > 1 || (len(told) == 1) != assumed || assumed && (!errors.Is(told[0], kafka.TopicAuthorizationFailed) || !strings.HasPrefix(told[0].Error(), "1048588: ")) {
			t.Errorf("%s: told %v", name, told)
		}
		row := sinktest.Row(src, 0, 0)
		row.Attributes = map[string]string{"big": strings.Repeat("x", 2<<20)}
		want := "topic rows takes 1048588: raise its max.message.bytes"
		if assumed {
			want = "topic rows is assumed to take 1048588, since its max.message.bytes may not be asked for"
		}
		if err := s.Check(&row); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: a large row: %v, want %q", name, err, want)
		}
	}
}

// TestTheCheapBoundIsOne: a row that Check lets pass without a look has to fit.
func TestTheCheapBoundIsOne(t *testing.T) {
	for o := range int64(2 * len(schemas.Tasks())) {
		row := sinktest.Row(src, o, 1)
		for i := range row.Vector {
			row.Vector[i] = -1.2345678e-30
		}
		row.Text = strings.Repeat("\x01", len(row.Text)) // six bytes each in JSON
		row.Mask.PNG = make([]byte, 10_000)
		for _, e := range []Encoding{JSON(), Avro(7), Arrow()} {
			m, err := e.message(&row)
			if err != nil || int64(size(&m)) > atMost(&row)+e.frame {
				t.Errorf("task %s as %s: %d bytes, the bound is %d; %v", row.Task, e.contentType, size(&m), atMost(&row)+e.frame, err)
			}
		}
	}
}

func TestAWrongTopicOrBrokerIsASentenceAtStart(t *testing.T) {
	brokers := broker(t, &atomic.Int64{})
	for want, change := range map[string]func(*Config){
		"kafka topic nowhere: asking 127.0.0.1": func(c *Config) { c.Topic = "nowhere" },
		"connection refused":                    func(c *Config) { c.Brokers = []string{"127.0.0.1:1"} },
		"brokers and topic are needed":          func(c *Config) { c.Topic = "" },
	} {
		c := config(t, brokers)
		change(&c)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // a broker that is away is asked for so long
		if _, err := Open(ctx, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		cancel()
	}
}

func TestErrorsOfAWriteAreSortedOut(t *testing.T) {
	timeout := kafka.RequestTimedOut
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"none", nil, nil},
		{"messages without errors", kafka.WriteErrors{nil, nil}, nil},
		{"a message that is too large", kafka.WriteErrors{nil, kafka.MessageSizeTooLarge, timeout}, deliver.Refused(kafka.MessageSizeTooLarge)},
		{"a client's too large", kafka.MessageTooLargeError{}, deliver.Refused(kafka.MessageTooLargeError{})},
		{"no right to write", kafka.WriteErrors{kafka.MessageSizeTooLarge, kafka.TopicAuthorizationFailed}, deliver.Final(kafka.TopicAuthorizationFailed)},
		{"a broker that is away", kafka.WriteErrors{timeout, nil}, timeout},
	} {
		if got := classify(c.err); fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", c.want, c.want) {
			t.Errorf("%s: %T %v, want %T %v", c.name, got, got, c.want, c.want)
		}
	}
}
