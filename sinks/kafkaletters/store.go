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

// Headroom is how many bytes more than the source's topic a topic of letters must take: a letter is its record, and what became of it, in headers.
const Headroom = 4 << 10

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

// The lengths of an error in a letter: what any error has room in, and what is kept when the letter is too large for the topic otherwise.
const (
	longText  = 16 << 10
	shortText = 256
)

// Put produces a letter and waits until all in-sync replicas have it. If the broker finds it too large, it is put with a short error instead.
func (s *Store) Put(ctx context.Context, l sinks.Letter) error {
	tries, err := s.put(ctx, format(&l, longText))
	if tooLarge(err) && len(l.Message) > shortText {
		var more int
		more, err = s.put(ctx, format(&l, shortText))
		tries += more
	}
	switch {
	case tooLarge(err):
		return fmt.Errorf("dead letter of %s offset %d to topic %s: %w: the record of %d bytes and %d bytes of headers do not fit: "+
			"raise the topic's max.message.bytes to that of the source's topic and 4 KiB, or keep letters in an object store (dead_letters.url)",
			l.Source, l.Offset, s.topic, err, len(l.Key)+len(l.Value), headerBytes(&l))
	case err != nil:
		return fmt.Errorf("dead letter of %s offset %d to topic %s: %w (try %d)", l.Source, l.Offset, s.topic, err, tries)
	}
	return nil
}

func (s *Store) put(ctx context.Context, m kafka.Message) (tries int, err error) {
	return retry.Do(ctx, s.policy, permanent, func(ctx context.Context) error {
		return single(s.writer.WriteMessages(ctx, m))
	})
}

// headerBytes is what a letter's headers take at least.
func headerBytes(l *sinks.Letter) (n int) {
	for _, h := range format(l, shortText).Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
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

// tooLarge says whether the client or the broker found the message too large.
func tooLarge(err error) bool {
	_, here := errors.AsType[kafka.MessageTooLargeError](err)
	return here || errors.Is(err, kafka.MessageSizeTooLarge)
}

// permanent says whether the broker will never take the letter.
func permanent(err error) bool {
	if tooLarge(err) {
		return true
	}
	code, ok := errors.AsType[kafka.Error](err)
	return ok && !code.Temporary() && code != kafka.Unknown // a broker that does not know what went wrong may do better the next time
}
