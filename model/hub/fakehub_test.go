package hub

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	commit = "0123456789abcdef0123456789abcdef01234567"
	secret = "hf_secret"
)

// fakeHub answers as the Hub does: a listing, small files itself, large files by redirects to another host.
type fakeHub struct {
	*httptest.Server
	storage *httptest.Server
	token   string // wanted by the Hub; "": none

	mu struct {
		sync.Mutex
		files     map[string][]byte
		large     map[string]bool
		announced map[string]string // ETags that differ from the truth
		short     int               // bytes by which announced sizes of large files are too small
		requests  []string          // "METHOD path"
		leaked    []string          // credentials that the storage saw
		breakAt   int               // the storage breaks the next body after so many bytes; 0: it does not
		ranges    []string          // Range headers that the storage saw
		status    int               // the Hub answers everything with it; 0: it works
		code      string            // X-Error-Code beside it
	}
}

func newFakeHub(t *testing.T, files map[string]string, large ...string) *fakeHub {
	h := &fakeHub{}
	h.mu.files, h.mu.large, h.mu.announced = map[string][]byte{}, map[string]bool{}, map[string]string{}
	for n, b := range files {
		h.mu.files[n] = []byte(b)
	}
	for _, n := range large {
		h.mu.large[n] = true
	}
	api, content := http.NewServeMux(), http.NewServeMux() // one mux would find the patterns ambiguous
	api.HandleFunc("GET /api/models/{owner}/{name}/revision/{rev}", h.list)
	content.HandleFunc("GET /{owner}/{name}/resolve/{commit}/{file...}", h.resolve)
	h.Server = httptest.NewServer(h.before(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			api.ServeHTTP(w, r)
			return
		}
		content.ServeHTTP(w, r)
	})))
	h.storage = httptest.NewServer(http.HandlerFunc(h.store))
	t.Cleanup(h.Close)
	t.Cleanup(h.storage.Close)
	return h
}

func (h *fakeHub) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.mu.requests = append(h.mu.requests, r.Method+" "+r.URL.EscapedPath())
		status, code := h.mu.status, h.mu.code
		h.mu.Unlock()
		if status == 0 && h.token != "" && r.Header.Get("Authorization") != "Bearer "+h.token {
			status = http.StatusUnauthorized
		}
		if status != 0 {
			w.Header().Set("X-Error-Code", code)
			w.WriteHeader(status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *fakeHub) list(w http.ResponseWriter, r *http.Request) {
	if rev := r.PathValue("rev"); rev != "main" && rev != commit && rev != "refs/pr/1" {
		w.Header().Set("X-Error-Code", "RevisionNotFound")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	h.mu.Lock()
	names := slices.Sorted(maps.Keys(h.mu.files))
	h.mu.Unlock()
	type sibling struct {
		Name string `json:"rfilename"`
	}
	var all []sibling
	for _, n := range names {
		all = append(all, sibling{n})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": all})
}

func etagOf(b []byte, large bool) string {
	if large {
		return fmt.Sprintf("%x", sha256.Sum256(b))
	}
	return fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(b)), b...)))
}

func (h *fakeHub) resolve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	h.mu.Lock()
	b, ok := h.mu.files[name]
	large, tag, short := h.mu.large[name], h.mu.announced[name], h.mu.short
	h.mu.Unlock()
	if !ok || r.PathValue("commit") != commit {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if tag == "" {
		tag = etagOf(b, large)
	}
	w.Header().Set("X-Repo-Commit", commit)
	if !large {
		w.Header().Set("ETag", `"`+tag+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
		return
	}
	w.Header().Set("X-Linked-Etag", `"`+tag+`"`)
	w.Header().Set("X-Linked-Size", fmt.Sprint(len(b)-short))
	w.Header().Set("ETag", `"of-the-redirect"`)
	http.Redirect(w, r, h.storage.URL+"/"+name+"?X-Signature=signed", http.StatusFound)
}

// store is the other host: it must never see the Hub's token.
func (h *fakeHub) store(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	b := h.mu.files[strings.TrimPrefix(r.URL.Path, "/")]
	at := h.mu.breakAt
	h.mu.breakAt = 0
	h.mu.ranges = append(h.mu.ranges, r.Header.Get("Range"))
	if a := r.Header.Get("Authorization"); a != "" {
		h.mu.leaked = append(h.mu.leaked, a)
	}
	h.mu.Unlock()
	if at > 0 {
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		_, _ = w.Write(b[:at])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// seen gives the requests so far whose text contains part.
func (h *fakeHub) seen(part string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, r := range h.mu.requests {
		if strings.Contains(r, part) {
			out = append(out, r)
		}
	}
	return out
}

// set changes the fake between fetches.
func (h *fakeHub) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// client is a client of the fake with a cache of its own, and what it logs.
func (h *fakeHub) client(t *testing.T, cache string, change ...func(*Settings)) (*Client, *bytes.Buffer) {
	t.Helper()
	var out syncBuffer
	s := Settings{
		Endpoint: h.URL, Cache: cache, Attempts: 3, Backoff: time.Millisecond, Stall: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(&out, nil)),
	}
	for _, f := range change {
		f(&s)
	}
	c, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return c, &out.Buffer
}

// syncBuffer is a buffer that several goroutines may log to.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

// Write implements io.Writer.
func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}
