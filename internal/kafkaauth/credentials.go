package kafkaauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ClientCredentials asks an OAuth 2.0 token endpoint with a client's own credentials. It implements Tokens. Create it with NewClientCredentials.
type ClientCredentials struct {
	cfg  CredentialsConfig
	turn chan struct{} // one token: whoever holds it may read and write what follows, and may wait for the network meanwhile

	token string
	fresh time.Time // the token is used until then
}

// CredentialsConfig is what the endpoint is asked with.
type CredentialsConfig struct {
	URL, ClientID, ClientSecret string
	Scope                       string            // separated by spaces; "" for the client's own
	Transport                   http.RoundTripper // nil means the default
}

// requestTimeout bounds one request for a token.
const requestTimeout = 15 * time.Second

// NewClientCredentials does no I/O.
func NewClientCredentials(c CredentialsConfig) *ClientCredentials {
	return &ClientCredentials{cfg: c, turn: make(chan struct{}, 1)}
}

// Token implements Tokens. Many connections that begin at once share one request.
func (c *ClientCredentials) Token(ctx context.Context) (string, error) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-c.turn }()
	if c.token != "" && time.Now().Before(c.fresh) {
		return c.token, nil
	}
	token, life, err := c.ask(ctx)
	if err != nil {
		return "", fmt.Errorf("asking %s for a token: %w", redact(c.cfg.URL), err)
	}
	c.token, c.fresh = token, time.Now().Add(life-life/5)
	return token, nil
}

// redact leaves out what a URL should not have: a query or a password.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the token endpoint"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

func (c *ClientCredentials) ask(ctx context.Context) (token string, life time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	form := url.Values{"grant_type": {"client_credentials"}}
	if c.cfg.Scope != "" {
		form.Set("scope", c.cfg.Scope)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(c.cfg.ClientID), url.QueryEscape(c.cfg.ClientSecret)) // RFC 6749, section 2.3.1
	client := &http.Client{
		Transport: c.cfg.Transport,
		// The secret goes to the endpoint that the operator named, and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxToken*2))
	if err != nil {
		return "", 0, err
	}
	return parseToken(res.StatusCode, body)
}

// shortLife is taken for the life of a token whose answer does not tell it, or tells what no token can have.
const shortLife = 5 * time.Minute

// parseToken reads the endpoint's answer (RFC 6749, section 5).
func parseToken(status int, body []byte) (token string, life time.Duration, err error) {
	var a struct {
		Token     string      `json:"access_token"`
		Type      string      `json:"token_type"`
		ExpiresIn json.Number `json:"expires_in"`
		Error     string      `json:"error"`
		Why       string      `json:"error_description"`
	}
	jsonErr := json.Unmarshal(body, &a)
	switch {
	case status != http.StatusOK && jsonErr == nil && a.Error != "":
		return "", 0, fmt.Errorf("status %d: %.100q %.200q", status, a.Error, a.Why)
	case status != http.StatusOK:
		return "", 0, fmt.Errorf("status %d", status)
	case jsonErr != nil:
		return "", 0, errors.New("the answer is not the JSON of a token") // the cause might quote a part of the token
	case a.Token == "":
		return "", 0, errors.New("the answer holds no access_token")
	case a.Type != "" && !strings.EqualFold(a.Type, "bearer"):
		return "", 0, fmt.Errorf("the token is of type %.50q, not Bearer", a.Type)
	}
	seconds, err := a.ExpiresIn.Float64()
	if err != nil || seconds < 1 || seconds > 1e9 {
		return a.Token, shortLife, nil
	}
	return a.Token, time.Duration(seconds * float64(time.Second)), nil
}
