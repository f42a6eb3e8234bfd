package webhooksink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/rest"
)

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	URL       string
	Secret    string            // of the signature
	Token     string            // bearer token; empty for none
	Transport http.RoundTripper // nil for the default
	Deliver   deliver.Config
}

// NewDefaultConfig is a configuration that lacks only URL and Secret.
func NewDefaultConfig() Config { return Config{Deliver: deliver.NewDefaultConfig()} }

// New makes a sink. It does no I/O: that an endpoint takes nothing is found with the first rows.
func New(c Config) (*deliver.Sink, error) {
	name, err := c.name()
	if err != nil {
		return nil, err
	}
	if c.Secret == "" {
		return nil, errors.New("webhook: a secret to sign with is needed")
	}
	c.Deliver.Name = name
	return deliver.New(c.Deliver, &store{url: c.URL, secret: []byte(c.Secret), token: c.Token, client: rest.Client(c.Transport)})
}

// Reach looks whether the endpoint is there, and posts nothing, since somebody acts on what is posted. It gives whom it has reached, see rest.Reach.
func Reach(ctx context.Context, c Config) (whom string, err error) {
	name, err := c.name()
	if err != nil {
		return "", err
	}
	err = deliver.Ask(ctx, name, deliver.Transient, func(ctx context.Context) (err error) {
		whom, err = rest.Reach(ctx, c.Transport, c.URL)
		return err
	})
	return whom, err
}

// name is what the endpoint is called.
func (c *Config) name() (string, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("webhook: the url is not https://host/path")
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path} // a query may hold a key
	return "webhook " + bare.String(), nil
}

type store struct {
	url    string
	secret []byte
	token  string
	client *http.Client
}

// Check refuses what JSON cannot say.
func (s *store) Check(row *schemas.Row) error { return jsonrow.Check(row) }

// Put posts a batch.
func (s *store) Put(ctx context.Context, b deliver.Batch) error {
	text, key, err := body(&b)
	if err != nil {
		return deliver.Refused(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(text))
	if err != nil {
		return deliver.Final(errors.New("the url is not one"))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(SignatureHeader, Sign(s.secret, text, time.Now()))
	req.Header.Set(IdempotencyHeader, key)
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	_, err = rest.Do(s.client, req)
	return rest.Classify(err)
}

// body is the text of a request, and its idempotency key.
func body(b *deliver.Batch) (text []byte, key string, err error) {
	h := sha256.New()
	text = append(text, `{"version":1,"rows":[`...)
	for i, r := range b.Rows() {
		if i > 0 {
			text = append(text, ',')
		}
		if text, err = jsonrow.Append(text, r); err != nil {
			return nil, "", err
		}
		fmt.Fprintf(h, "%s %s %d %d\n", r.RowID, r.Topic, r.Partition, r.Offset)
	}
	text = append(text, `],"deletions":[`...)
	for i, d := range b.Deletions() {
		if i > 0 {
			text = append(text, ',')
		}
		if text, err = jsonrow.AppendDeletion(text, d.Source, d.Deletion); err != nil {
			return nil, "", err
		}
		fmt.Fprintf(h, "delete %q %s %d\n", d.RefID, d.Source, d.Offset)
	}
	return append(text, "]}"...), hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// Close lets idle connections go.
func (s *store) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
