package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/config"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/kafkaletters"
	"vecmill/sinks/objectletters"
)

func patiently(told tellTries) retry.Policy {
	policy := retry.Patient()
	policy.Told = told
	return policy
}

// newDeadLetters is the table of dead-letter stores; nil if the pipeline has none.
func newDeadLetters(ctx context.Context, c *config.Config, p *config.Pipeline, s *stores, told tellTries) (sinks.DeadLetters, error) {
	switch d := &p.DeadLetters; {
	case d.Topic != "":
		transport, err := kafkaTransport(c)
		if err != nil {
			return nil, err
		}
		if _, err := findTopic(ctx, c.Kafka.Brokers, d.Topic, transport); err != nil {
			return nil, fmt.Errorf("dead_letters.topic: %w", err)
		}
		return kafkaletters.New(kafkaletters.Config{Brokers: c.Kafka.Brokers, Topic: d.Topic, Retry: patiently(told), Transport: transport})
	case d.URL != "":
		store, prefix, err := s.open(ctx, d.URL)
		if err != nil {
			return nil, fmt.Errorf("dead_letters.url: %w", err)
		}
		return objectletters.New(store, prefix, patiently(told)), nil
	}
	return nil, nil
}

// findTopic asks the brokers for a topic, so that a wrong name is found at start and not with the first dead letter. It gives the id of their cluster; "" if they do not say it.
func findTopic(ctx context.Context, brokers []string, topic string, transport kafka.RoundTripper) (cluster string, err error) {
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: 10 * time.Second}
	final := func(err error) bool {
		_, cert := errors.AsType[*tls.CertificateVerificationError](err)
		return cert || errors.Is(err, kafka.SASLAuthenticationFailed) || errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, kafka.InvalidTopic)
	}
	_, err = retry.Do(ctx, retry.Default(), final, func(ctx context.Context) error {
		m, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil {
			return fmt.Errorf("asking %s for topic %s: %w; check kafka.brokers, kafka.tls and kafka.sasl", strings.Join(brokers, ", "), topic, err)
		}
		for _, t := range m.Topics {
			if t.Error != nil {
				return fmt.Errorf("topic %s: %w; create it first", topic, t.Error)
			}
		}
		cluster = m.ClusterID
		return nil
	})
	return cluster, schemas.Unreachable(err, final)
}
