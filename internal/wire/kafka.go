package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"vecmill/internal/config"
	"vecmill/internal/kafkaauth"
	"vecmill/stream"
	"vecmill/stream/kafkasource"
)

// newKafkaSource reads a pipeline's topics. told hears of what fails and is tried again, until nothing does.
func newKafkaSource(c *config.Config, p *config.Pipeline, log *slog.Logger, told tellTries) (stream.Source, error) {
	k, err := kafkaConfig(c, p, log)
	if err != nil {
		return nil, err
	}
	k.Told = told
	return kafkasource.New(k)
}

// kafkaConfig is how a pipeline reads its topics.
func kafkaConfig(c *config.Config, p *config.Pipeline, log *slog.Logger) (kafkasource.Config, error) {
	k := kafkasource.NewDefaultConfig()
	k.Brokers, k.Topics, k.Group, k.ClientID = c.Kafka.Brokers, p.Topics, p.Group, c.Kafka.ClientID
	k.SessionTimeout, k.RebalanceTimeout, k.DrainTimeout = c.Kafka.SessionTimeout.D(), c.Kafka.RebalanceTimeout.D(), c.Kafka.DrainTimeout.D()
	k.HeartbeatInterval = min(k.HeartbeatInterval, k.SessionTimeout/3)
	k.FetchMaxBytes, k.FetchMaxWait = int32(min(c.Kafka.FetchMaxBytes, 1<<30)), c.Kafka.FetchMaxWait.D()
	k.Log = log.With("pipeline", p.Name)
	var err error
	k.TLS, k.SASL, err = kafkaAccess(&c.Kafka)
	return k, err
}

// kafkaTransport is how everything but a consumer group speaks to the brokers.
func kafkaTransport(c *config.Config) (*kafka.Transport, error) {
	tlsConfig, mechanism, err := kafkaAccess(&c.Kafka)
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{TLS: tlsConfig, SASL: mechanism, ClientID: c.Kafka.ClientID}, nil
}

// kafkaAccess is the encryption of connections to Kafka and who they are opened for; nil for neither.
func kafkaAccess(c *config.Kafka) (*tls.Config, sasl.Mechanism, error) {
	tlsConfig, err := kafkaTLS(&c.TLS)
	if err != nil {
		return nil, nil, err
	}
	mechanism, err := kafkaSASL(&c.SASL)
	return tlsConfig, mechanism, err
}

func kafkaTLS(c *config.TLS) (*tls.Config, error) {
	if !c.Enabled {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
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

// kafkaSASL is the table of mechanisms.
func kafkaSASL(c *config.SASL) (sasl.Mechanism, error) {
	switch c.Mechanism {
	case "":
		return nil, nil
	case "plain":
		return plain.Mechanism{Username: c.Username, Password: c.Password.Reveal()}, nil
	case "scram-sha-256":
		return scramMechanism(scram.SHA256, c)
	case "scram-sha-512":
		return scramMechanism(scram.SHA512, c)
	case "oauthbearer":
		tokens, err := kafkaTokens(&c.OAuth)
		if err != nil {
			return nil, err
		}
		return kafkaauth.New(tokens), nil
	}
	return nil, fmt.Errorf("kafka.sasl.mechanism: %q is not known", c.Mechanism)
}

func scramMechanism(hash scram.Algorithm, c *config.SASL) (sasl.Mechanism, error) {
	m, err := scram.Mechanism(hash, c.Username, c.Password.Reveal())
	if err != nil {
		return nil, errors.New("kafka.sasl: the user name or the password has characters that SCRAM does not allow") // the library's error quotes them
	}
	return m, nil
}

func kafkaTokens(c *config.OAuth) (kafkaauth.Tokens, error) {
	switch {
	case c.Token != "":
		return kafkaauth.Static(c.Token.Reveal()), nil
	case c.TokenFile != "":
		return kafkaauth.File(c.TokenFile), nil
	}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pool, err := trusted(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.sasl.oauth.ca_file: %w", err)
		}
		tlsConfig.RootCAs = pool
	}
	return kafkaauth.NewClientCredentials(kafkaauth.CredentialsConfig{
		URL: c.TokenURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(), Scope: c.Scope,
		Transport: &http.Transport{TLSClientConfig: tlsConfig, Proxy: http.ProxyFromEnvironment},
	}), nil
}
