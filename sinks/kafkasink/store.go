package kafkasink

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks/deliver"
)

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	Brokers     []string           // host:port
	Topic       string             // must exist
	Transport   kafka.RoundTripper // TLS and SASL; nil for neither
	Compression kafka.Compression  // zero for none
	Encoding    Encoding           // of values
	MaxMessage  int                // largest message in bytes; 0 asks the topic
	Deliver     deliver.Config

	Assumed func(bytes int, why error) // told at the start of the largest message that is assumed where the topic's may not be asked for; nil: nobody
}

// NewDefaultConfig is a configuration that lacks only Brokers and Topic.
func NewDefaultConfig() Config { return Config{Encoding: JSON(), Deliver: deliver.NewDefaultConfig()} }

// DefaultMaxMessage is what a topic takes that says nothing else, in bytes (message.max.bytes of the broker), and is assumed of one that may not be asked.
const DefaultMaxMessage = 1048588

// Open asks the brokers for the topic and makes a sink.
func Open(ctx context.Context, c Config) (*deliver.Sink, error) {
	if len(c.Brokers) == 0 || c.Topic == "" {
		return nil, errors.New("kafka output: brokers and topic are needed")
	}
	c.Deliver.Name = fmt.Sprintf("kafka topic %s", c.Topic)
	if c.Transport == nil {
		c.Transport = kafka.DefaultTransport
	}
	client := &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: c.Transport, Timeout: 10 * time.Second}
	limit := c.MaxMessage
	var untold error // why the limit is assumed
	wrong := func(err error) bool { return lasting(err) || errors.Is(err, kafka.UnknownTopicOrPartition) }
	_, err := retry.Do(ctx, retry.Default(), wrong, func(ctx context.Context) error {
		if err := exists(ctx, client, c.Topic); err != nil {
			return fmt.Errorf("asking %s for it: %w", strings.Join(c.Brokers, ", "), err)
		}
		if limit > 0 {
			return nil
		}
		n, err := MaxMessage(ctx, client, c.Topic)
		if limit, untold = n, nil; lasting(err) { // the right to describe configurations is not needed to produce
			limit, untold, err = DefaultMaxMessage, err, nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w; check kafka.brokers, kafka.tls and kafka.sasl, and create the topic", c.Deliver.Name, schemas.Unreachable(err, wrong))
	}
	if untold != nil && c.Assumed != nil {
		c.Assumed(limit, untold)
	}
	w := &kafka.Writer{
		Addr: kafka.TCP(c.Brokers...), Topic: c.Topic, Transport: c.Transport, Balancer: kafka.Murmur2Balancer{Consistent: true},
		RequiredAcks: kafka.RequireAll, Compression: c.Compression,
		BatchSize: c.Deliver.BatchRows, BatchBytes: int64(limit), BatchTimeout: time.Millisecond, // a batch comes at once
		WriteTimeout: c.Deliver.Timeout, ReadTimeout: c.Deliver.Timeout,
		MaxAttempts: 1, // deliver repeats
	}
	return deliver.New(c.Deliver, &store{writer: w, limit: limit, assumed: untold != nil, topic: c.Topic, encoding: c.Encoding})
}

func exists(ctx context.Context, c *kafka.Client, topic string) error {
	m, err := c.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	for _, t := range m.Topics {
		if t.Error != nil {
			return t.Error
		}
	}
	return nil
}

// MaxMessage asks for the largest message that a topic takes, in bytes.
func MaxMessage(ctx context.Context, c *kafka.Client, topic string) (int, error) {
	r, err := c.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"max.message.bytes"}},
	}})
	if err != nil {
		return 0, err
	}
	for _, res := range r.Resources {
		if res.Error != nil {
			return 0, res.Error
		}
		for _, e := range res.ConfigEntries {
			if n, err := strconv.Atoi(e.ConfigValue); err == nil && n > 0 && e.ConfigName == "max.message.bytes" {
				return n, nil
			}
		}
	}
	return DefaultMaxMessage, nil
}

// store produces batches.
type store struct {
	writer   *kafka.Writer
	limit    int  // of one message, bytes
	assumed  bool // the topic's limit may not be asked for
	topic    string
	encoding Encoding
}

// Check refuses what the encoding or the topic cannot take.
func (s *store) Check(row *schemas.Row) error {
	if err := s.encoding.check(row); err != nil {
		return err
	}
	if atMost(row)+s.encoding.frame <= int64(s.limit) {
		return nil
	}
	m, err := s.encoding.message(row)
	if err != nil {
		return err
	}
	switch n := size(&m); {
	case n > s.limit && s.assumed:
		return fmt.Errorf("a row of %d bytes as a message, and topic %s is assumed to take %d, since its max.message.bytes may not be asked for: give this user the right to describe its configuration, and start again", n, s.topic, s.limit)
	case n > s.limit:
		return fmt.Errorf("a row of %d bytes as a message, and topic %s takes %d: raise its max.message.bytes", n, s.topic, s.limit)
	}
	return nil
}

// Put produces a batch and waits for all in-sync replicas.
func (s *store) Put(ctx context.Context, b deliver.Batch) error {
	all, err := s.encoding.messages(&b)
	if err != nil {
		return err
	}
	return classify(s.writer.WriteMessages(ctx, all...))
}

// classify is a write's error as deliver has it. Of several messages' errors the gravest counts: one that cannot be repeated.
func classify(err error) error {
	all, ok := errors.AsType[kafka.WriteErrors](err)
	if !ok {
		all = kafka.WriteErrors{err}
	}
	var worst error
	for _, e := range all {
		switch {
		case e == nil:
		case lasting(e):
			return deliver.Final(e)
		case tooLarge(e):
			worst = deliver.Refused(e)
		case worst == nil:
			worst = e
		}
	}
	return worst
}

func tooLarge(err error) bool {
	_, here := errors.AsType[kafka.MessageTooLargeError](err)
	return here || errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.InvalidRecord) || errors.Is(err, kafka.RecordListTooLarge)
}

// lasting says whether an error is the system's and stays.
func lasting(err error) bool {
	if err == nil || tooLarge(err) {
		return false
	}
	code, ok := errors.AsType[kafka.Error](err)
	return ok && !code.Temporary() && code != kafka.Unknown
}

// Close waits for what is under way.
func (s *store) Close() error { return s.writer.Close() }
