package webhooksink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
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
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("webhook: the url is not https://host/path")
	}
	if c.Secret == "" {
		return nil, errors.New("webhook: a secret to sign with is needed")
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path} // a query may hold a key
	c.Deliver.Name = "webhook " + bare.String()
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	client := &http.Client{
		Transport:     c.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a POST would become a GET
	}
	return deliver.New(c.Deliver, &store{url: c.URL, secret: []byte(c.Secret), token: c.Token, client: client})
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
	req.Header.Set("User-Agent", "vecmill")
	req.Header.Set(SignatureHeader, Sign(s.secret, text, time.Now()))
	req.Header.Set(IdempotencyHeader, key)
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL, which may hold a key
		}
		return err
	}
	defer resp.Body.Close()
	return verdict(resp)
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

// verdict is an answer as deliver has it.
func verdict(resp *http.Response) error {
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // an answer without its words is an answer
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err := fmt.Errorf("it answers %s", resp.Status)
	if words := strings.Join(strings.Fields(strings.ToValidUTF8(string(said), "\ufffd")), " "); words != "" {
		err = fmt.Errorf("%w: %s", err, words)
	}
	switch code := resp.StatusCode; code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return deliver.Later(err, retryAfter(resp.Header.Get("Retry-After"), time.Now()))
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusGone,
		http.StatusUnsupportedMediaType, http.StatusMisdirectedRequest, http.StatusUpgradeRequired:
		return deliver.Final(err)
	default:
		switch {
		case code >= 500:
			return deliver.Later(err, retryAfter(resp.Header.Get("Retry-After"), time.Now()))
		case code >= 400:
			return deliver.Refused(err)
		}
		return deliver.Final(fmt.Errorf("%w; name the address that it leads to", err))
	}
}

// retryAfter reads the header's two forms; 0 if it is neither.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

// Close lets idle connections go.
func (s *store) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
