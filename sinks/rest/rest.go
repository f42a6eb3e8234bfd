// Package rest is what sinks over HTTP have in common: the client, sending, and what an answer means to deliver.
package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vecmill/sinks/deliver"
)

// Client follows no redirects, by which a POST would become a GET. A nil transport is the default.
func Client(t http.RoundTripper) *http.Client {
	if t == nil {
		t = http.DefaultTransport
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Error is an answer other than 2xx.
type Error struct {
	Code   int
	Status string        // "404 Not Found"
	Said   string        // the beginning of the body, on one line
	Wait   time.Duration // Retry-After; 0 for none
}

// Error is what the server answered.
func (e *Error) Error() string {
	if e.Said == "" {
		return "it answers " + e.Status
	}
	return fmt.Sprintf("it answers %s: %s", e.Status, e.Said)
}

// Of an answer so much is kept.
const (
	mostBody  = 64 << 20
	mostWords = 512
)

// Do sends a request and gives the body of the answer. One other than 2xx is an *Error.
func Do(c *http.Client, req *http.Request) ([]byte, error) {
	req.Header.Set("User-Agent", "vecmill")
	resp, err := c.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL, which may hold a key
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return io.ReadAll(io.LimitReader(resp.Body, mostBody))
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, mostWords)) // an answer without its words is an answer
	return nil, &Error{
		Code: resp.StatusCode, Status: resp.Status, Said: strings.Join(strings.Fields(strings.ToValidUTF8(string(said), "\ufffd")), " "),
		Wait: retryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}
}

// Passing says whether a code is of the moment: the same request may be answered otherwise later. 409 is among them: who is asked again under an idempotency key while the first request is still worked on answers so.
func Passing(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusLocked, http.StatusFailedDependency, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return code >= 500
}

// Classify is an error of Do as deliver has it. What is not of the moment is about the rows where the code says so (400, 413, 422); everything else, redirects among it, is the system's: a URL or headers that are too long are so with any rows.
func Classify(err error) error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return err
	case Passing(e.Code):
		return deliver.Later(err, e.Wait)
	case e.Code < 400:
		return deliver.Final(fmt.Errorf("%w; name the address that it leads to", err))
	}
	switch e.Code {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return deliver.Refused(err)
	}
	return deliver.Final(err)
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
