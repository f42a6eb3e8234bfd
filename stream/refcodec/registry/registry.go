package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"net/http"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"vecmill/internal/retry"
	"vecmill/schemas"
)

// Config is where a registry is.
type Config struct {
	URLs               []string // of one registry; the next is asked when one does not answer
	Username, Password string   // basic authentication; "" for none
	Token              string   // bearer; "" for none
	TLS                *tls.Config
	Timeout            time.Duration // of one question; 0 means 10 s
	Retry              retry.Policy  // the waits between questions; they never end
	Log                *slog.Logger  // nil means the default
}

// Registry gives the schemas of ids. Safe for concurrent use.
type Registry struct {
	cfg    Config
	client *sr.Client
	known  sync.Map      // schemaID -> *schema
	asking chan struct{} // cap 1: one question at a time, however many records wait for it
	mu     struct {
		sync.Mutex
		unknown map[int]time.Time // ids that the registry did not know, and when
	}
}

// schemaID is what a schema is kept under: an id is read as one kind by each pipeline.
type schemaID struct {
	id   int
	kind sr.SchemaType
}

// schema is one writer's schema, ready to decode; or why it never will be.
type schema struct {
	decode func(payload []byte) (any, error)
	err    error
}

// forgive is how long an id that was not known is taken for unknown without asking again.
const forgive = 10 * time.Second

// New makes a registry. Nothing is asked before Check.
func New(cfg Config) (*Registry, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = cfg.TLS
	opts := []sr.ClientOpt{sr.URLs(cfg.URLs...), sr.UserAgent("vecmill"), sr.HTTPClient(&http.Client{Transport: transport, Timeout: cfg.Timeout})}
	if cfg.Username != "" {
		opts = append(opts, sr.BasicAuth(cfg.Username, cfg.Password))
	}
	if cfg.Token != "" {
		opts = append(opts, sr.BearerToken(cfg.Token))
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("schema registry: %w", err)
	}
	r := &Registry{cfg: cfg, client: client, asking: make(chan struct{}, 1)}
	r.mu.unknown = map[int]time.Time{}
	return r, nil
}

// Check asks the registry anything, so that a wrong address is found at the start. It gives up after a few tries.
func (r *Registry) Check(ctx context.Context) error {
	final := func(err error) bool { return refused(err) != nil }
	_, err := retry.Do(ctx, retry.Default(), final, func(ctx context.Context) error {
		_, err := r.client.SupportedTypes(ctx)
		if answer, ok := errors.AsType[*sr.ResponseError](err); ok && answer.StatusCode == http.StatusNotFound {
			return nil // it is there, and does not know this question
		}
		return err
	})
	if no := refused(err); no != nil {
		return fmt.Errorf("asking the schema registry at %v: %w", r.cfg.URLs, no)
	}
	if err != nil {
		return fmt.Errorf("asking the schema registry at %v: %w; check input.registry", r.cfg.URLs, schemas.Unreachable(err, final))
	}
	return nil
}

// refused is an answer that a person must mend; nil for any other.
func refused(err error) error {
	if answer, ok := errors.AsType[*sr.ResponseError](err); ok && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden) {
		return fmt.Errorf("the schema registry refuses us (HTTP %d): %w; check input.registry's user and password", answer.StatusCode, err)
	}
	return nil
}

// schema gives the schema of an id, and asks for it if need be, as kind (avro or protobuf) is parsed. Its error is a Rejection, a fault, or ctx's.
func (r *Registry) schema(ctx context.Context, id int, kind sr.SchemaType, parse func(context.Context, sr.Schema) (*schema, error)) (*schema, error) {
	if s, ok := r.known.Load(schemaID{id, kind}); ok {
		return s.(*schema), s.(*schema).err
	}
	select {
	case r.asking <- struct{}{}:
		defer func() { <-r.asking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s, ok := r.known.Load(schemaID{id, kind}); ok { // somebody has asked meanwhile
		return s.(*schema), s.(*schema).err
	}
	if r.lately(id) {
		return nil, unknown(id)
	}
	var text sr.Schema
	var s *schema
	err := r.ask(ctx, fmt.Sprintf("schema %d", id), func(ctx context.Context) (err error) {
		if text, err = r.client.SchemaByID(ctx, id); err == nil && text.Type == kind {
			s, err = parse(ctx, text)
		}
		return err
	})
	switch answer, ok := errors.AsType[*sr.ResponseError](err); {
	case ok && answer.StatusCode == http.StatusNotFound:
		r.mu.Lock()
		r.mu.unknown[id] = time.Now()
		r.mu.Unlock()
		return nil, unknown(id)
	case err != nil:
		if _, rejected := schemas.Rejected(err); !rejected {
			return nil, err
		}
		s = &schema{err: err}
	case text.Type != kind:
		s = &schema{err: schemas.Rejectf(schemas.ReasonSchema, "schema %d of the registry is %s, and this pipeline's input is %s", id, text.Type, kind)}
	}
	r.known.Store(schemaID{id, kind}, s)
	return s, s.err
}

// lately says whether the registry has said a moment ago that it does not know an id.
func (r *Registry) lately(id int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.mu.unknown[id]; ok && time.Since(at) < forgive {
		return true
	}
	if len(r.mu.unknown) > 10_000 { // a stream of rubbish
		clear(r.mu.unknown)
	}
	delete(r.mu.unknown, id)
	return false
}

func unknown(id int) error {
	return schemas.Rejectf(schemas.ReasonSchema, "the registry knows no schema %d", id)
}

// ask repeats a question while the registry is away or in trouble.
func (r *Registry) ask(ctx context.Context, what string, question func(context.Context) error) error {
	for tries := 1; ; tries++ {
		err := question(ctx)
		if err == nil || !transient(err) {
			if no := refused(err); no != nil {
				return no
			}
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if bits.OnesCount(uint(tries)) == 1 { // the 1st, 2nd, 4th, 8th, ... in a row
			r.cfg.Log.Warn("the schema registry does not answer; records wait for it", "question", what, "tries", tries, "err", err)
		}
		if !retry.Sleep(ctx, r.cfg.Retry.Wait(tries)) {
			return ctx.Err()
		}
	}
}

// transient says whether asking again may help: no answer, or one about the registry's own trouble.
func transient(err error) bool {
	if _, rejected := schemas.Rejected(err); rejected {
		return false
	}
	answer, ok := errors.AsType[*sr.ResponseError](err)
	return !ok || answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusRequestTimeout
}

// mostReferences bounds how many schemas one schema may draw in.
const mostReferences = 200

// references gives the texts of all schemas that a schema refers to, by the name that it uses, those first that others refer to.
func (r *Registry) references(ctx context.Context, of sr.Schema) (names []string, texts map[string]string, err error) {
	texts = map[string]string{}
	var visit func(s sr.Schema, depth int) error
	visit = func(s sr.Schema, depth int) error {
		for _, ref := range s.References {
			if _, ok := texts[ref.Name]; ok {
				continue
			}
			if len(texts) == mostReferences || depth == mostReferences {
				return schemas.Rejectf(schemas.ReasonSchema, "the schema refers to more than %d others", mostReferences)
			}
			got, err := r.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
			if answer, ok := errors.AsType[*sr.ResponseError](err); ok && answer.StatusCode == http.StatusNotFound {
				return schemas.Rejectf(schemas.ReasonSchema, "the schema refers to version %d of %s, which the registry does not know", ref.Version, ref.Subject)
			}
			if err != nil {
				return err
			}
			texts[ref.Name] = got.Schema.Schema
			if err := visit(got.Schema, depth+1); err != nil {
				return err
			}
			names = append(names, ref.Name)
		}
		return nil
	}
	return names, texts, visit(of, 0)
}
