package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/avrorow"
	"vecmill/sinks/deliver"
	"vecmill/sinks/feastsink"
	"vecmill/sinks/flightsink"
	"vecmill/sinks/jsonlsink"
	"vecmill/sinks/kafkasink"
	"vecmill/sinks/webhooksink"
)

func delivery(d *config.Delivery, told tellTries) deliver.Config {
	c := deliver.NewDefaultConfig()
	c.Retry.Told = told
	c.BatchRows, c.BatchBytes, c.BatchAge, c.InFlight = d.Rows, int64(d.Bytes), d.Age.D(), d.InFlight
	c.MaxBuffered, c.Timeout = int64(d.MaxBuffered), d.Timeout.D()
	return c
}

func newJSONL(c *config.JSONL, told tellTries) (sinks.Sink, error) {
	cfg := jsonlsink.NewDefaultConfig()
	cfg.Deliver = delivery(&c.Batch, told)
	if c.Path == "-" {
		cfg.Output = os.Stdout
	} else {
		cfg.Path = c.Path
	}
	return jsonlsink.Open(cfg)
}

func newKafkaOutput(ctx context.Context, c *config.KafkaOutput, all *config.Config, log *slog.Logger, told tellTries) (sinks.Sink, error) {
	transport, err := kafkaTransport(all)
	if err != nil {
		return nil, err
	}
	cfg := kafkasink.NewDefaultConfig()
	cfg.Deliver, cfg.Brokers, cfg.Topic, cfg.Transport = delivery(&c.Batch, told), all.Kafka.Brokers, c.Topic, transport
	cfg.Compression = map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}[c.Compression]
	if cfg.Encoding, err = kafkaEncoding(ctx, c); err != nil {
		return nil, err
	}
	cfg.Assumed = func(bytes int, why error) {
		log.Warn("a topic of rows does not say how large a message may be, and larger ones than it takes by default are dead letters; give this user the right to describe its configuration", "topic", c.Topic, "default", bytes, "err", why)
	}
	return kafkasink.Open(ctx, cfg)
}

// kafkaEncoding is the table of formats of messages.
func kafkaEncoding(ctx context.Context, c *config.KafkaOutput) (kafkasink.Encoding, error) {
	switch c.Format {
	case "avro":
		schema, err := avrorow.Schema()
		if err != nil {
			return kafkasink.Encoding{}, err
		}
		r, err := newRegistry(&c.Registry, slog.Default())
		if err != nil {
			return kafkasink.Encoding{}, fmt.Errorf("kafka: %w", err)
		}
		id, err := r.Register(ctx, c.Topic+"-value", schema)
		return kafkasink.Avro(id), err
	case "arrow":
		return kafkasink.Arrow(), nil
	}
	return kafkasink.JSON(), nil
}

func newWebhook(c *config.Webhook, told tellTries) (sinks.Sink, error) {
	cfg, err := webhookConfig(c, told)
	if err != nil {
		return nil, err
	}
	return webhooksink.New(cfg)
}

func webhookConfig(c *config.Webhook, told tellTries) (webhooksink.Config, error) {
	cfg := webhooksink.NewDefaultConfig()
	cfg.Deliver, cfg.URL, cfg.Secret, cfg.Token = delivery(&c.Batch, told), c.URL, c.Secret.Reveal(), c.Token.Reveal()
	transport, err := httpTransport(c.CAFile)
	if err != nil {
		return cfg, fmt.Errorf("webhook.ca_file: %w", err)
	}
	cfg.Transport = transport
	return cfg, nil
}

func newFlight(c *config.Flight, m *loadedModel, told tellTries) (sinks.Sink, error) {
	cfg, err := flightConfig(c, m, told)
	if err != nil {
		return nil, err
	}
	return flightsink.Open(cfg)
}

func flightConfig(c *config.Flight, m *loadedModel, told tellTries) (flightsink.Config, error) {
	cfg := flightsink.NewDefaultConfig()
	cfg.Deliver, cfg.URL, cfg.Token, cfg.Name, cfg.Tasks = delivery(&c.Batch, told), c.URL, c.Token.Reveal(), c.Path, m.tasks()
	transport, err := httpTransport(c.CAFile)
	if err != nil {
		return cfg, fmt.Errorf("flight.ca_file: %w", err)
	}
	cfg.TLS = transport.TLSClientConfig
	return cfg, nil
}

func newFeast(ctx context.Context, c *config.Feast, told tellTries) (sinks.Sink, error) {
	cfg := feastsink.NewDefaultConfig()
	cfg.Deliver, cfg.URL, cfg.Token, cfg.Source, cfg.To = delivery(&c.Batch, told), c.URL, c.Token.Reveal(), c.Source, c.To
	cfg.Columns, cfg.Heads = c.Columns, c.Heads
	transport, err := httpTransport(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("feast.ca_file: %w", err)
	}
	cfg.Transport = transport
	return feastsink.Open(ctx, cfg)
}

// vectors are what a pipeline gives of them.
type vectors struct {
	p      *config.Pipeline
	digest string   // of the model
	heads  []string // that give them
}

func vectorsOf(p *config.Pipeline, m *loadedModel) vectors {
	return vectors{p, m.digest, indexOf(m, 0, "", nil).Heads}
}

// mixedPush refuses a pipeline whose push source has vectors of a head of the same name, in the same store, from another one, which has another model. Other places of vectors say whose they are, and refuse others themselves.
func mixedPush(v, other vectors) error {
	for i := range v.p.Outputs {
		if err := v.mixedAt(i, other); err != nil {
			return fmt.Errorf("%s: %w", outputName(i), err)
		}
	}
	return nil
}

// mixedAt is mixedPush of one output.
func (v vectors) mixedAt(i int, other vectors) error {
	if v.digest == other.digest {
		return nil
	}
	o := &v.p.Outputs[i]
	name, at := sharedPlace(o)
	heads := v.pushed(o)
	for j := range other.p.Outputs {
		theirs := &other.p.Outputs[j]
		_, same := sharedPlace(theirs)
		if same != at || !oneStore(o.Feast, theirs.Feast) || !slices.ContainsFunc(other.pushed(theirs), func(h string) bool { return slices.Contains(heads, h) }) {
			continue
		}
		return fmt.Errorf("feast %s: %w", name, schemas.Unfitf(schemas.PlaceModel, "pipeline %s pushes vectors of model %s there, and this is model %s; vectors of two models cannot be compared: give each a source of its own", other.p.Name, short(other.digest), short(v.digest)))
	}
	return nil
}

// oneStore says whether two outputs push to one of Feast's two stores.
func oneStore(a, b *config.Feast) bool {
	const both = "online_and_offline"
	return a != nil && b != nil && (a.To == b.To || a.To == both || b.To == both)
}

// pushed are the heads of which an output pushes vectors to Feast.
func (v vectors) pushed(o *config.Output) (all []string) {
	if o.Feast == nil || !slices.Contains(o.Feast.Columns, "vector") && !slices.Contains(o.Feast.Columns, "vector_f16") {
		return nil
	}
	for _, h := range v.heads {
		if len(o.Feast.Heads) == 0 || slices.Contains(o.Feast.Heads, h) {
			all = append(all, h)
		}
	}
	return all
}

// reach looks whether those outputs are there that are asked nothing when they are opened, and writes nothing. "": it has not looked.
func reach(ctx context.Context, out *config.Output, m *loadedModel) (whom string, err error) {
	switch {
	case out.Webhook != nil:
		c, err := webhookConfig(out.Webhook, nil)
		if err != nil {
			return "", err
		}
		return webhooksink.Reach(ctx, c)
	case out.Flight != nil:
		c, err := flightConfig(out.Flight, m, nil)
		if err != nil {
			return "", err
		}
		return flightsink.Reach(ctx, c)
	}
	return "", nil
}

// httpTransport is how outputs speak HTTP: one connection pool for each, TLS 1.2 at least.
func httpTransport(caFile string) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	t.MaxIdleConnsPerHost = 16
	if caFile != "" {
		pool, err := trusted(caFile)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return t, nil
}
