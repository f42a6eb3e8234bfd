package blobfetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/stream"
)

// headBytes is how much of an object is read before memory is reserved for the rest; it is outside the budget.
const headBytes = 256 << 10

// Fetcher implements stream.Fetcher. It is safe for concurrent use.
type Fetcher struct {
	cfg    Config
	hosts  []hostRule
	client *http.Client // for https; its transport dials checked addresses only
	heads  *sync.Pool   // of *[headBytes]byte
	told   func(Try)    // nil: nobody
}

// New checks the settings. Nothing is opened before Fetch.
func New(cfg Config) (*Fetcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("fetching: %w", err)
	}
	f := &Fetcher{cfg: cfg, heads: &sync.Pool{New: func() any { return new([headBytes]byte) }}}
	for _, h := range cfg.Hosts {
		rule, err := parseHostRule(h)
		if err != nil {
			return nil, fmt.Errorf("fetching: hosts: %w", err)
		}
		f.hosts = append(f.hosts, rule)
	}
	f.client = f.newClient()
	return f, nil
}

// Close closes idle connections to https hosts.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

// object is an opened object: its body has not been read.
type object struct {
	body        io.ReadCloser
	size        int64 // -1: unknown
	etag        string
	version     string
	contentType string
	verify      func(data []byte) error // nil: there is nothing to check against
}

// opener opens the object once; it is called for every attempt.
type opener func(ctx context.Context) (*object, error)

// Fetch implements stream.Fetcher.
func (f *Fetcher) Fetch(ctx context.Context, ref schemas.Ref, reserve stream.Reserve) (*stream.Blob, error) {
	if ref.URI == "" {
		return f.inline(ctx, ref, reserve)
	}
	open, err := f.opener(ref)
	if err != nil {
		return nil, err
	}
	t := &transfer{f: f, ref: ref, open: open, reserve: reserve}
	var blob *stream.Blob
	policy := f.cfg.Retry
	policy.Attempts = max(policy.Attempts, f.cfg.Patience)
	shown, failed := schemas.ShownURI(ref.URI), 0
	policy.Told = func(tries int, err error) {
		if err != nil {
			failed = tries
			f.tell(Try{URI: shown, Err: err, Failed: failed})
		}
	}
	tries, err := retry.Do(ctx, policy, t.over, func(ctx context.Context) error {
		t.tries++
		var err error
		if blob, err = t.attempt(ctx); err != nil {
			if _, passes := errors.AsType[*busy](err); !passes {
				t.faults++
			}
			err = t.beforeWait(ctx, err)
		}
		return err
	})
	f.tell(Try{URI: shown, Err: err, Failed: failed, Last: true})
	if err == nil {
		return blob, nil
	}
	return nil, outcome(ctx, err, tries)
}

func (f *Fetcher) opener(ref schemas.Ref) (opener, error) {
	switch scheme, _, _ := strings.Cut(ref.URI, "://"); strings.ToLower(scheme) {
	case "s3":
		return f.s3(ref)
	case "https", "http":
		return f.web(ref)
	case "file":
		return f.file(ref)
	}
	return nil, schemas.Rejectf(schemas.ReasonFetchDenied, "fetching %s: only s3, https and file can be fetched", schemas.ShownURI(ref.URI))
}

func (f *Fetcher) inline(ctx context.Context, ref schemas.Ref, reserve stream.Reserve) (*stream.Blob, error) {
	size := int64(len(ref.Inline))
	if err := f.fits(size, "inline data"); err != nil {
		return nil, err
	}
	if err := reserve(ctx, ref.Inline[:min(size, headBytes)], size); err != nil {
		return nil, err
	}
	return &stream.Blob{Data: ref.Inline, ContentType: ref.ContentType}, nil
}

func (f *Fetcher) fits(size int64, what string) error {
	if size > f.cfg.MaxObjectBytes {
		return schemas.Rejectf(schemas.ReasonTooLarge, "fetching %s: %d bytes, at most %d are allowed", what, size, f.cfg.MaxObjectBytes)
	}
	return nil
}

// transfer is one Fetch with its attempts.
type transfer struct {
	f        *Fetcher
	ref      schemas.Ref
	open     opener
	reserve  stream.Reserve
	reserved bool
	tries    int
	faults   int // tries that failed, and not for a store that is away or throttles
}

// attempt opens and reads the object once.
func (t *transfer) attempt(ctx context.Context) (*stream.Blob, error) {
	w := watch(ctx, t.f.cfg.Timeout)
	defer w.stop()
	obj, err := t.open(w.ctx)
	if err != nil {
		return nil, w.explain(err)
	}
	defer obj.body.Close() // read only; closing loses nothing
	if err := t.f.fits(obj.size, schemas.ShownURI(t.ref.URI)); err != nil {
		return nil, err
	}
	data, err := t.read(ctx, w, obj)
	if err != nil {
		return nil, w.explain(err)
	}
	if r := t.ref.Range; r != nil && int64(len(data)) != r.N { // an answer without a length tells it only now
		return nil, schemas.Rejectf(schemas.ReasonFetchMissing, "fetching %s: %d bytes from %d on were asked for, the object has %d of them", schemas.ShownURI(t.ref.URI), r.N, r.Off, len(data))
	}
	if obj.verify != nil {
		if err := obj.verify(data); err != nil {
			return nil, fmt.Errorf("fetching %s: %w", schemas.ShownURI(t.ref.URI), err)
		}
	}
	if obj.contentType == "" {
		obj.contentType = t.ref.ContentType
	}
	return &stream.Blob{Data: data, ETag: obj.etag, Version: obj.version, ContentType: obj.contentType}, nil
}

// read reads the body: its head, then, with memory reserved, the rest (I4).
func (t *transfer) read(ctx context.Context, w *watchdog, obj *object) ([]byte, error) {
	buf := t.f.heads.Get().(*[headBytes]byte)
	defer t.f.heads.Put(buf)
	head := buf[:]
	if obj.size >= 0 {
		head = head[:min(obj.size, headBytes)]
	}
	body := &progress{obj.body, w}
	n, err := io.ReadFull(body, head)
	head = head[:n]
	switch ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); {
	case err != nil && !ended:
		return nil, fmt.Errorf("reading %s: %w", schemas.ShownURI(t.ref.URI), err)
	case ended && obj.size < 0:
		obj.size = int64(n)
	case ended && int64(n) < obj.size:
		return nil, t.short(int64(n), obj.size)
	}
	if !t.reserved {
		w.pause() // waiting for memory is no stall of the store's
		t.reserved = true
		if err := t.reserve(ctx, head, obj.size); err != nil {
			return nil, &refusal{err}
		}
	}
	w.limit(t.f.cfg.MaxDuration)
	if obj.size < 0 {
		return t.readUnknown(body, head)
	}
	data := make([]byte, obj.size)
	copy(data, head)
	m, err := io.ReadFull(body, data[n:])
	if int64(n+m) < obj.size {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("reading %s: %w", schemas.ShownURI(t.ref.URI), err)
		}
		return nil, t.short(int64(n+m), obj.size)
	}
	return data, nil
}

// readUnknown reads a body whose length only its end tells. It grows as it is read, so the limit on objects bounds it.
func (t *transfer) readUnknown(body io.Reader, head []byte) ([]byte, error) {
	data := append(make([]byte, 0, 2*headBytes), head...)
	rest, err := io.ReadAll(io.LimitReader(body, t.f.cfg.MaxObjectBytes+1-int64(len(head))))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", schemas.ShownURI(t.ref.URI), err)
	}
	data = append(data, rest...)
	return data, t.f.fits(int64(len(data)), schemas.ShownURI(t.ref.URI))
}

func (t *transfer) short(got, want int64) error {
	return fmt.Errorf("reading %s: the body ended after %d of %d bytes", schemas.ShownURI(t.ref.URI), got, want)
}

// over says whether the attempt that ended with err was the last one. What an object fails at is counted apart from an outage before it, from which stores often come back with a fault or two.
func (t *transfer) over(err error) bool {
	return final(err) || t.faults >= t.f.cfg.Retry.Attempts || t.tries >= max(t.f.cfg.Retry.Attempts, t.f.cfg.Patience)
}

// beforeWait reserves before a wait for the next attempt, so that records behind this one may reserve meanwhile.
func (t *transfer) beforeWait(ctx context.Context, err error) error {
	if t.reserved || t.over(err) || ctx.Err() != nil {
		return err
	}
	t.reserved = true
	if err := t.reserve(ctx, nil, -1); err != nil {
		return &refusal{err}
	}
	return err
}
