package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// maxHops bounds redirects.
const maxHops = 10

// exchange is one request with its redirects.
type exchange struct {
	method string
	url    *url.URL
	byHub  bool // stop before leaving the Hub's own address
	offset int64
	hop    func(*http.Response) // told of every answer of the Hub itself; nil for nobody
}

// do follows redirects by hand: the token goes to the Hub's own address only. Who gets a response closes its body.
func (c *Client) do(ctx context.Context, x exchange) (*http.Response, error) {
	at := x.url
	for range maxHops {
		resp, err := c.once(ctx, x, at)
		if err != nil {
			return nil, err
		}
		if x.hop != nil && c.home(at) {
			x.hop(resp)
		}
		location := resp.Header.Get("Location")
		if resp.StatusCode/100 != 3 || location == "" {
			return resp, nil
		}
		next, err := at.Parse(location)
		if err != nil || next.Scheme != "https" && next.Scheme != c.endpoint.Scheme || next.Host == "" {
			_ = resp.Body.Close()
			return nil, fmt.Errorf("%s redirects to no http address, or away from https", at.Host)
		}
		if x.byHub && !c.home(next) {
			return resp, nil
		}
		_ = resp.Body.Close()
		at = next
	}
	return nil, fmt.Errorf("%s redirects more than %d times", x.url.Host, maxHops)
}

// home says whether an address is the Hub's own.
func (c *Client) home(u *url.URL) bool {
	return u.Scheme == c.endpoint.Scheme && u.Host == c.endpoint.Host
}

// once is one request without redirects. It fails if no byte arrives for as long as a stall.
func (c *Client) once(ctx context.Context, x exchange, at *url.URL) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	g := &guard{stall: c.set.Stall, cancel: cancel}
	g.timer = time.AfterFunc(g.stall, func() { cancel(errStalled) })
	req, err := http.NewRequestWithContext(ctx, x.method, at.String(), nil)
	if err != nil {
		g.stop()
		return nil, fmt.Errorf("asking %s: %w", at.Host, noURL(err))
	}
	req.Header.Set("User-Agent", "vecmill")
	req.Header.Set("Accept-Encoding", "identity") // a compressed body has other ranges and another length
	if c.set.Token != "" && c.home(at) {
		req.Header.Set("Authorization", "Bearer "+c.set.Token)
	}
	if x.offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", x.offset))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		err = cause(ctx, noURL(err)) // before stop, which cancels too
		g.stop()
		return nil, passing{fmt.Errorf("asking %s: %w", at.Host, err)}
	}
	g.ctx, g.body, resp.Body = ctx, resp.Body, g
	return resp, nil
}

// cause prefers the reason for which a context was cancelled.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// guard is a body that breaks when it stalls.
type guard struct {
	ctx    context.Context // of this one exchange; it ends with Close
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
	body   io.ReadCloser
}

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	n, err := g.body.Read(p)
	g.timer.Reset(g.stall)
	if err != nil && !errors.Is(err, io.EOF) {
		err = passing{fmt.Errorf("reading the answer: %w", cause(g.ctx, err))}
	}
	return n, err
}

// Close implements io.Closer.
func (g *guard) Close() error {
	err := g.body.Close()
	g.stop()
	return err
}

func (g *guard) stop() {
	g.timer.Stop()
	g.cancel(nil)
}

// again repeats act while its fault may pass: attempts in a row that got nowhere are counted, those that got on are not.
func (s *Settings) again(ctx context.Context, act func() (progress bool, err error)) error {
	wait := s.Backoff
	for failed := 0; ; {
		progress, err := act()
		if err == nil || !mayPass(err) {
			return err
		}
		if progress {
			failed, wait = 0, s.Backoff
		}
		if failed++; failed >= s.Attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait *= 2
	}
}
