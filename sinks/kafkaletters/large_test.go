package kafkaletters_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks/kafkaletters"
)

// TestALetterAtTheBrokersLimitIsPutWithAShorterError has a topic that takes 100 KB a message.
func TestALetterAtTheBrokersLimitIsPutWithAShorterError(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "dead"), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "100000"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	s, err := kafkaletters.New(kafkaletters.Config{Brokers: c.ListenAddrs(), Topic: "dead", Transport: transport, Retry: retry.Policy{Attempts: 2, Base: time.Millisecond, Max: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	value := func(n int) []byte {
		b := make([]byte, n)
		_, _ = rand.Read(b)
		return b
	}
	fits := letter(1, value(90_000))
	fits.Message = strings.Repeat("é", 8000) // 16,000 bytes
	if err := s.Put(t.Context(), fits); err != nil {
		t.Fatal(err)
	}
	small := letter(2, value(1000))
	small.Message = strings.Repeat("x", 100_000)
	if err := s.Put(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	got := read(t, c.ListenAddrs(), 2)
	for i, want := range []struct{ value, least, most int }{{90_000, 200, 256}, {1000, 16_000, 16 << 10}} {
		l, err := kafkaletters.Parse(got[i])
		if err != nil || len(l.Value) != want.value || len(l.Message) < want.least || len(l.Message) > want.most || !strings.HasSuffix(l.Message, "(cut)") {
			t.Errorf("letter %d: %d bytes, error of %d bytes ending in %.20q, %v", i, len(l.Value), len(l.Message), l.Message[max(len(l.Message)-20, 0):], err)
		}
		if !strings.HasPrefix(l.Message, "é") && i == 0 || strings.ToValidUTF8(l.Message, "!") != l.Message {
			t.Errorf("letter %d: the cut is inside a rune", i)
		}
	}
	err = s.Put(t.Context(), letter(3, value(100_000)))
	if err == nil || !strings.Contains(err.Error(), "max.message.bytes") || !strings.Contains(err.Error(), "dead_letters.url") {
		t.Errorf("a record that cannot fit: %v", err)
	}
}

func TestMarksAreNoLettersAndReadBack(t *testing.T) {
	o := schemas.Origin{Source: schemas.SourceID{Pipeline: "p", Topic: "manifest:a/b", Partition: 3}, Offset: 9}
	m := kafkaletters.Mark(o)
	if got, ok := kafkaletters.ParseMark(m); !ok || got != o {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, err := kafkaletters.Parse(m); err == nil {
		t.Error("a mark is read as a letter")
	}
	if _, ok := kafkaletters.ParseMark(kafka.Message{Value: []byte(o.String())}); ok {
		t.Error("any message is read as a mark")
	}
	if m.Value == nil || string(m.Key) == o.String() {
		t.Error("compaction would remove the mark, or the letter in its favour")
	}
}
