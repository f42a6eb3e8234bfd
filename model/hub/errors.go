package hub

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"syscall"
)

// ErrNotCached is wrapped by errors that say that a model is needed from the cache and is not there, or not completely.
var ErrNotCached = errors.New("not in the cache")

// ErrRefused is wrapped by errors of Objects that no further attempt can mend, such as missing permission.
var ErrRefused = errors.New("refused")

var (
	errStalled  = errors.New("the transfer stalled")
	errChecksum = errors.New("the content is not what the Hub announced")
)

// passing is a fault that may be gone at the next attempt: of the network, or of a server that says so.
type passing struct{ error }

// Unwrap gives the cause.
func (p passing) Unwrap() error { return p.error }

func mayPass(err error) bool {
	var p passing
	return errors.As(err, &p)
}

// noURL takes the address out of an error of net/http: that of a storage host carries a signature that works like a password.
func noURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refused says what an answer other than success means, and what to do.
func refused(what string, resp *http.Response, token bool) error {
	kind := resp.Header.Get("X-Error-Code")
	code := resp.StatusCode
	status := fmt.Sprintf("%s answered %d for %s", resp.Request.URL.Host, code, what)
	switch {
	case kind == "GatedRepo":
		return fmt.Errorf("%s: the model is gated; accept its terms on its page, then set HF_TOKEN to a token of that account", status)
	case kind == "RevisionNotFound":
		return fmt.Errorf("%s: the model has no such branch, tag or commit", status)
	case kind == "EntryNotFound":
		return fmt.Errorf("%s: there is no such file", status)
	case code == http.StatusUnauthorized && token:
		return fmt.Errorf("%s: the token in HF_TOKEN is not valid there, or the model does not exist", status)
	case code == http.StatusUnauthorized:
		return fmt.Errorf("%s: the model does not exist or is private; check its name, or set HF_TOKEN", status)
	case code == http.StatusForbidden:
		return fmt.Errorf("%s: the token in HF_TOKEN may not read it; ask for access on the model's page, or use another token", status)
	case code == http.StatusNotFound:
		return fmt.Errorf("%s: there is no such model or revision; check the name, and set HF_TOKEN if it is private", status)
	case code == http.StatusTooManyRequests:
		return passing{fmt.Errorf("%s: too many requests; wait, or set HF_TOKEN", status)}
	case code >= 500 || code == http.StatusRequestTimeout:
		return passing{errors.New(status)}
	}
	return errors.New(status)
}

// roomFor says what to do if an error means that the disk is full; other errors pass unchanged.
func roomFor(size int64, dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %d bytes are needed in %s: free some, or use a larger disk (HF_HOME for hf://, runtime.cache_dir for s3://)", err, size, dir)
	}
	return err
}
