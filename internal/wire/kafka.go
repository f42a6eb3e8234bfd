package wire

import (
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"vecmill/internal/config"
	"vecmill/stream"
	"vecmill/stream/kafkasource"
)

func newKafkaSource(c *config.Config, p *config.Pipeline, log *slog.Logger) (stream.Source, error) {
	tlsConfig, err := kafkaTLS(&c.Kafka.TLS)
	if err != nil {
		return nil, err
	}
	mechanism, err := kafkaSASL(&c.Kafka.SASL)
	if err != nil {
		return nil, err
	}
	k := kafkasource.NewDefaultConfig()
	k.Brokers, k.Topics, k.Group, k.ClientID = c.Kafka.Brokers, p.Topics, p.Group, c.Kafka.ClientID
	k.TLS, k.SASL = tlsConfig, mechanism
	k.SessionTimeout, k.RebalanceTimeout, k.DrainTimeout = c.Kafka.SessionTimeout.D(), c.Kafka.RebalanceTimeout.D(), c.Kafka.DrainTimeout.D()
	k.HeartbeatInterval = min(k.HeartbeatInterval, k.SessionTimeout/3)
	k.FetchMaxBytes, k.FetchMaxWait = int32(min(c.Kafka.FetchMaxBytes, 1<<30)), c.Kafka.FetchMaxWait.D()
	k.Log = log.With("pipeline", p.Name)
	return kafkasource.New(k)
}

func kafkaTLS(c *config.TLS) (*tls.Config, error) {
	if !c.Enabled {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pool, err := trusted(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.ca_file: %w", err)
		}
		t.RootCAs = pool
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.cert_file: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

func kafkaSASL(c *config.SASL) (sasl.Mechanism, error) {
	switch c.Mechanism {
	case "":
		return nil, nil
	case "plain":
		return plain.Mechanism{Username: c.Username, Password: c.Password.Reveal()}, nil
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, c.Username, c.Password.Reveal())
	case "scram-sha-512":
		return scram.Mechanism(scram.SHA512, c.Username, c.Password.Reveal())
	}
	return nil, fmt.Errorf("kafka.sasl.mechanism: %q is not known", c.Mechanism)
}
