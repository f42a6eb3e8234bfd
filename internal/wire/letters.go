package wire

import (
	"context"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/config"
	"vecmill/internal/retry"
	"vecmill/sinks"
	"vecmill/sinks/kafkaletters"
	"vecmill/sinks/objectletters"
)

// newDeadLetters is the table of dead-letter stores; nil if the pipeline has none.
func newDeadLetters(ctx context.Context, c *config.Config, p *config.Pipeline, s *stores) (sinks.DeadLetters, error) {
	switch d := &p.DeadLetters; {
	case d.Topic != "":
		tlsConfig, err := kafkaTLS(&c.Kafka.TLS)
		if err != nil {
			return nil, err
		}
		mechanism, err := kafkaSASL(&c.Kafka.SASL)
		if err != nil {
			return nil, err
		}
		return kafkaletters.New(kafkaletters.Config{
			Brokers: c.Kafka.Brokers, Topic: d.Topic, Retry: retry.Default(),
			Transport: &kafka.Transport{TLS: tlsConfig, SASL: mechanism, ClientID: c.Kafka.ClientID},
		})
	case d.URL != "":
		store, prefix, err := s.open(ctx, d.URL)
		if err != nil {
			return nil, err
		}
		return objectletters.New(store, prefix, retry.Default()), nil
	}
	return nil, nil
}
