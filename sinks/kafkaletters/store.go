package kafkaletters

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/retry"
	"vecmill/sinks"
)

// maxMessage bounds a letter: the largest record that a broker takes by default is 1 MB, and brokers set higher must not refuse it here.
const maxMessage = 64 << 20

// Config says where letters go.
type Config struct {
	Brokers   []string           // host:port
	Topic     string             // must exist
	Transport kafka.RoundTripper // TLS and SASL; nil for neither
	Retry     retry.Policy       // for each letter
}

// Store implements sinks.DeadLetters. Create it with New, and Close it.
type Store struct {
	topic  string
	writer *kafka.Writer
	policy retry.Policy
}

// New makes a store. It does no I/O.
func New(c Config) (*Store, error) {
	if len(c.Brokers) == 0 || c.Topic == "" {
		return nil, errors.New("dead-letter topic: brokers and topic are needed")
	}
	w := &kafka.Writer{
		Addr: kafka.TCP(c.Brokers...), Topic: c.Topic, Transport: c.Transport, Balancer: &kafka.Hash{},
		RequiredAcks: kafka.RequireAll, BatchBytes: maxMessage, BatchTimeout: 5 * time.Millisecond,
		MaxAttempts: 1, // repeated below, under the caller's context
	}
	return &Store{topic: c.Topic, writer: w, policy: c.Retry}, nil
}

// Put produces a letter and waits until all in-sync replicas have it.
func (s *Store) Put(ctx context.Context, l sinks.Letter) error {
	m := format(&l)
	tries, err := retry.Do(ctx, s.policy, permanent, func(ctx context.Context) error {
		return single(s.writer.WriteMessages(ctx, m))
	})
	if err != nil {
		return fmt.Errorf("dead letter of %s offset %d to topic %s: %w (try %d)", l.Source, l.Offset, s.topic, err, tries)
	}
	return nil
}

// Close waits for letters under way and releases the connections. It may be called twice.
func (s *Store) Close(ctx context.Context) error {
	closed := make(chan error, 1)
	go func() { closed <- s.writer.Close() }() // ends with the last write, which has its own deadline
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("closing dead-letter topic %s: %w", s.topic, ctx.Err())
	}
}

// single is the error of the one message of a write.
func single(err error) error {
	if all, ok := errors.AsType[kafka.WriteErrors](err); ok && len(all) == 1 {
		return all[0]
	}
	return err
}

// permanent says whether the broker will never take the letter.
func permanent(err error) bool {
	if _, tooLarge := errors.AsType[kafka.MessageTooLargeError](err); tooLarge {
		return true
	}
	code, ok := errors.AsType[kafka.Error](err)
	return ok && !code.Temporary()
}
