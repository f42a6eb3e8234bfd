package simulate

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// cloud is an S3 with strong consistency and conditional PUTs, and with the network in front of it. Names are "bucket/key".
type cloud struct {
	landed func(name string, meta http.Header, replaced bool) // told of every PUT that was carried out, in order
	barred func(name string)                                  // told of every conditional PUT that came second
	start  time.Time
	mu     struct {
		sync.Mutex
		objects map[string]*object
	}
}

type object struct {
	body []byte
	head http.Header // content type and user metadata
	etag string
	at   time.Time
}

func newCloud() *cloud {
	c := &cloud{start: time.Now()}
	c.mu.objects = map[string]*object{}
	return c
}

// request is what is left of an HTTP request that has arrived.
type request struct {
	method string
	path   string // "bucket/key"
	query  map[string][]string
	header http.Header
	body   []byte
}

func arrived(req *http.Request) (*request, error) {
	r := &request{method: req.Method, path: strings.TrimPrefix(req.URL.Path, "/"), query: req.URL.Query(), header: req.Header}
	if req.Body == nil {
		return r, nil
	}
	defer req.Body.Close()
	var err error
	r.body, err = io.ReadAll(req.Body)
	return r, err
}

func (r *request) param(name string) string {
	if v := r.query[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// listing says whether the request lists a bucket.
func (r *request) listing() bool { return r.method == http.MethodGet && r.param("list-type") == "2" }

// answer is a response without its network.
type answer struct {
	status int
	header http.Header
	body   []byte
	short  int // bytes of body that do not come
}

// fail is an S3 error document.
func fail(status int, code string) *answer {
	h := http.Header{"Content-Type": {"application/xml"}}
	return &answer{status: status, header: h, body: fmt.Appendf(nil, "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>simulated</Message></Error>", code)}
}

// serve carries a request out.
func (c *cloud) serve(r *request) *answer {
	switch {
	case r.listing():
		return c.list(r)
	case r.method == http.MethodGet && strings.HasPrefix(r.path, inputs+"/"):
		return serveInput(r)
	case r.method == http.MethodGet, r.method == http.MethodHead:
		return c.get(r)
	case r.method == http.MethodPut:
		return c.put(r)
	}
	return fail(http.StatusMethodNotAllowed, "MethodNotAllowed")
}

func (c *cloud) put(r *request) *answer {
	sum := md5.Sum(r.body)
	o := &object{body: r.body, head: http.Header{}, etag: hex.EncodeToString(sum[:]), at: time.Now()}
	for k, v := range r.header {
		if strings.HasPrefix(k, "X-Amz-Meta-") || k == "Content-Type" {
			o.head[k] = v
		}
	}
	c.mu.Lock()
	_, there := c.mu.objects[r.path]
	if there && r.header.Get("If-None-Match") == "*" {
		c.mu.Unlock()
		c.barred(r.path)
		return fail(http.StatusPreconditionFailed, "PreconditionFailed")
	}
	c.mu.objects[r.path] = o
	c.mu.Unlock()
	c.landed(r.path, o.head, there)
	return &answer{status: http.StatusOK, header: http.Header{"Etag": {`"` + o.etag + `"`}}}
}

func (c *cloud) get(r *request) *answer {
	c.mu.Lock()
	o := c.mu.objects[r.path]
	c.mu.Unlock()
	if o == nil {
		return fail(http.StatusNotFound, "NoSuchKey")
	}
	return o.answer(r)
}

// answer is the object, or the range of it that was asked for.
func (o *object) answer(r *request) *answer {
	a := &answer{status: http.StatusOK, header: maps.Clone(o.head), body: o.body}
	a.header.Set("Etag", `"`+o.etag+`"`)
	a.header.Set("Last-Modified", o.at.UTC().Format(http.TimeFormat))
	if from, to, ok := strings.Cut(strings.TrimPrefix(r.header.Get("Range"), "bytes="), "-"); ok {
		first, _ := strconv.Atoi(from)
		last, err := strconv.Atoi(to)
		if size := len(o.body); err != nil || last >= size {
			last = size - 1
		}
		if first > last {
			return fail(http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
		}
		a.status, a.body = http.StatusPartialContent, o.body[first:last+1]
		a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(o.body)))
	}
	return a
}

// pageSize is small, so that listings have pages.
const pageSize = 7

type listResult struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Name, Prefix          string
	KeyCount, MaxKeys     int
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	Contents              []listed
}

type listed struct {
	Key          string
	LastModified string
	ETag         string
	Size         int
}

func (c *cloud) list(r *request) *answer {
	bucket := strings.Trim(r.path, "/") + "/"
	after := max(r.param("start-after"), r.param("continuation-token"))
	out := listResult{Name: strings.Trim(bucket, "/"), Prefix: r.param("prefix"), MaxKeys: pageSize}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(c.mu.objects)) {
		key, ours := strings.CutPrefix(name, bucket)
		if !ours || !strings.HasPrefix(key, out.Prefix) || key <= after {
			continue
		}
		if len(out.Contents) == pageSize {
			out.IsTruncated, out.NextContinuationToken = true, out.Contents[pageSize-1].Key
			break
		}
		o := c.mu.objects[name]
		out.Contents = append(out.Contents, listed{key, o.at.UTC().Format(time.RFC3339), `"` + o.etag + `"`, len(o.body)})
	}
	out.KeyCount = len(out.Contents)
	body, err := xml.Marshal(out)
	if err != nil {
		panic(err) // plain strings always encode
	}
	return &answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/xml"}}, body: body}
}

// response dresses an answer for net/http.
func (a *answer) response(req *http.Request) *http.Response {
	if a.header == nil {
		a.header = http.Header{}
	}
	if a.header.Get("Content-Length") == "" {
		a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	var body io.Reader = bytes.NewReader(a.body)
	if a.short > 0 {
		body = io.MultiReader(bytes.NewReader(a.body[:len(a.body)-a.short]), brokenBody{})
	}
	if req.Method == http.MethodHead {
		body = http.NoBody
	}
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(body), ContentLength: int64(len(a.body)), Request: req,
	}
}

// brokenBody is a connection that ended too early.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// direct reaches the cloud without network and faults: for the oracle.
type direct struct{ c *cloud }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	r, err := arrived(req)
	if err != nil {
		return nil, err
	}
	return d.c.serve(r).response(req), nil
}

// headerTimeout is how long minio-go's own transport waits for an answer to begin.
const headerTimeout = time.Minute

var errNoHeader = errors.New("simulate: timeout awaiting response headers")

// hang waits until the caller gives up, or its transport does.
func hang(ctx context.Context) error {
	t := time.NewTimer(headerTimeout)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return errNoHeader
	}
}
