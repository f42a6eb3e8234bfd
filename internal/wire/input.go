package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/stream"
	"vecmill/stream/refcodec"
	"vecmill/stream/refcodec/celmap"
	"vecmill/stream/refcodec/registry"
)

// input is how a pipeline reads its records, and which references it takes.
type input struct {
	decoder  manifests
	filter   *celmap.Filter     // nil: all
	registry *registry.Registry // nil: none is asked
}

// newInputs compiles what the pipelines' inputs say, by pipeline. Nothing is asked yet.
func newInputs(c *config.Config, log *slog.Logger) ([]input, error) {
	all := make([]input, len(c.Pipelines))
	for i := range c.Pipelines {
		var err error
		if all[i], err = newInput(&c.Pipelines[i], log); err != nil {
			return nil, fmt.Errorf("pipeline %s: %w", c.Pipelines[i].Name, err)
		}
	}
	return all, nil
}

// CheckInputs says what is wrong with the expressions of a configuration.
func CheckInputs(c *config.Config) error {
	_, err := newInputs(c, slog.New(slog.DiscardHandler))
	return err
}

// newInput is the table of formats.
func newInput(p *config.Pipeline, log *slog.Logger) (in input, err error) {
	if p.Where != "" {
		if in.filter, err = celmap.NewFilter("where", p.Where); err != nil {
			return in, err
		}
	}
	var mapping refcodec.Mapping // stays nil without an expression
	if p.Input.Map != "" {
		if mapping, err = celmap.NewMapping("input.map", p.Input.Map); err != nil {
			return in, err
		}
	}
	switch p.Input.Format {
	case "", "ref":
		in.decoder = manifests{records: refcodec.Ref{}}
	case "json":
		in.decoder = manifests{records: refcodec.JSON{Mapping: mapping}}
	case "cloudevents":
		in.decoder = manifests{records: refcodec.CloudEvents{Mapping: mapping}}
	case "s3-event":
		in.decoder = manifests{records: refcodec.S3Event{PlainKeys: p.Input.Keys == "plain"}}
	case "avro", "protobuf":
		if in.registry, err = newRegistry(&p.Input.Registry, log.With("pipeline", p.Name)); err != nil {
			return in, fmt.Errorf("input: %w", err)
		}
		if in.decoder = (manifests{records: registry.Avro(in.registry, mapping)}); p.Input.Format == "protobuf" {
			in.decoder = manifests{records: registry.Protobuf(in.registry, mapping)}
		}
	default:
		return in, fmt.Errorf("input.format: %q is not known", p.Input.Format)
	}
	return in, nil
}

func newRegistry(c *config.Registry, log *slog.Logger) (*registry.Registry, error) {
	rc := registry.Config{URLs: c.URLs, Username: c.Username, Password: c.Password.Reveal(), Token: c.Token.Reveal(), Retry: retry.Patient(), Log: log}
	if c.CAFile != "" {
		pool, err := trusted(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("registry.ca_file: %w", err)
		}
		rc.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return registry.New(rc)
}

// check asks what must be there before records are read. A manifest needs no registry.
func (in *input) check(ctx context.Context, o *Options) error {
	if in.registry == nil || o.Source != nil {
		return nil
	}
	return in.registry.Check(ctx)
}

// where is the pipeline's condition; nil if it has none.
func (in *input) where() func(stream.Candidate) (bool, error) {
	if in.filter == nil {
		return nil
	}
	return in.filter.Takes
}

// takes says whether the pipeline will take a reference, or bury it with a letter of its own.
func (in *input) takes(c stream.Candidate) bool {
	yes, err := in.asks(c)
	return yes || err != nil
}

// manifests reads the lines of manifests and plans as Vecmill's own references, whatever the topics' records are: planning reads them so, and a plan of a bucket is
// made of them. A line that is none is told with its number.
type manifests struct {
	records stream.Decoder
	plan    bool // lists are plans: what an earlier build planned of a bad line does not say its number, which was another one
}

// Decode implements stream.Decoder.
func (m manifests) Decode(ctx context.Context, topic string, rec *stream.Record) ([]schemas.Ref, error) {
	if strings.HasPrefix(topic, dlq.ManifestTopic) {
		refs, err := refcodec.Ref{}.Decode(ctx, topic, rec)
		if err != nil && !schemas.IsNoRef(rec.Value) { // a row of a table says its own place
			place := fmt.Sprintf("line %d", rec.Offset+1)
			if m.plan {
				place = fmt.Sprintf("reference %d", rec.Offset)
			}
			err = schemas.Rejectf(schemas.ReasonSchema, "%s: %w", place, errors.Unwrap(err))
		}
		return refs, err
	}
	return m.records.Decode(ctx, topic, rec)
}
