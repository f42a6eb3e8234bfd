package s3store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"vecmill/sinks/objectstore"
	"vecmill/sinks/s3store"
	"vecmill/sinks/sinktest"
)

func client(t *testing.T, srv *httptest.Server) *minio.Client {
	t.Helper()
	c, err := minio.New(srv.Listener.Addr().String(), &minio.Options{
		Creds: credentials.NewStaticV4("user", "password", ""), Secure: srv.TLS != nil, Transport: srv.Client().Transport,
		Region: "us-east-1", MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fake(t *testing.T) http.Handler {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	return gofakes3.New(backend, gofakes3.WithTimeSkewLimit(0)).Server()
}

func TestS3Conforms(t *testing.T) {
	for _, c := range []struct {
		name string
		open func(http.Handler) *httptest.Server
		opts s3store.Options
	}{
		{"over TLS", httptest.NewTLSServer, s3store.Options{}},
		{"over HTTP with unsigned bodies", httptest.NewServer, s3store.Options{DisableContentSHA256: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sinktest.RunStore(t, func(t *testing.T) objectstore.Store {
				srv := c.open(fake(t))
				t.Cleanup(srv.Close)
				return s3store.New(client(t, srv), "bucket", c.opts)
			})
		})
	}
}

// TestAnswersAreMapped answers every request with one status: what the callers are told decides whether they try again.
func TestAnswersAreMapped(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   error // nil: none of the three, so that it is unclear and tried again
	}{
		{412, "PreconditionFailed", objectstore.ErrExists},
		{409, "ConditionalRequestConflict", nil},
		{403, "AccessDenied", objectstore.ErrRefused},
		{403, "InvalidAccessKeyId", objectstore.ErrRefused},
		{400, "ExpiredToken", nil},
		{400, "InvalidArgument", objectstore.ErrRefused},
		{404, "NoSuchBucket", objectstore.ErrRefused},
		{429, "TooManyRequests", nil},
		{400, "Throttling", nil},
		{400, "ThrottlingException", nil},
		{400, "RequestLimitExceeded", nil},
		{400, "BandwidthLimitExceeded", nil},
		{400, "RequestTimeout", nil},
		{500, "InternalError", nil},
		{503, "SlowDown", nil},
	} {
		t.Run(fmt.Sprintf("%d %s", c.status, c.code), func(t *testing.T) {
			srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(c.status)
				fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message></Error>", c.code)
			}))
			defer srv.Close()
			err := s3store.New(client(t, srv), "bucket", s3store.Options{}).PutIfAbsent(t.Context(), "dir/x", []byte("b"), nil)
			if err == nil || !strings.Contains(err.Error(), "s3://bucket/dir/x") {
				t.Fatalf("%v does not say where", err)
			}
			for _, e := range []error{objectstore.ErrExists, objectstore.ErrRefused, objectstore.ErrNotFound} {
				if errors.Is(err, e) != errors.Is(c.want, e) {
					t.Errorf("%v: is %q: %v", err, e, errors.Is(err, e))
				}
			}
		})
	}
}

func TestTheConditionIsSentInOnePut(t *testing.T) {
	var seen []string
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, fmt.Sprintf("%s %s If-None-Match:%s meta:%s", r.Method, r.URL, r.Header.Get("If-None-Match"), r.Header.Get("X-Amz-Meta-Vecmill-Rows")))
		w.Header().Set("ETag", `"e"`)
	}))
	defer srv.Close()
	body := make([]byte, 40<<20) // well above the size at which the client would go multipart by itself
	err := s3store.New(client(t, srv), "bucket", s3store.Options{}).PutIfAbsent(t.Context(), "x", body, map[string]string{"vecmill-rows": "7"})
	if want := "PUT /bucket/x If-None-Match:* meta:7"; err != nil || len(seen) != 1 || seen[0] != want {
		t.Errorf("%v, requests %q, want %q", err, seen, want)
	}
}

func TestABucketThatIsNotThereIsNamed(t *testing.T) {
	srv := httptest.NewTLSServer(fake(t))
	defer srv.Close()
	s := s3store.New(client(t, srv), "nowhere", s3store.Options{})
	_, err := s.List(t.Context(), "p/", "")
	if !errors.Is(err, objectstore.ErrRefused) || !strings.Contains(err.Error(), `no bucket "nowhere"`) {
		t.Errorf("listing gives %v", err)
	}
	if err := s.PutIfAbsent(t.Context(), "x", nil, nil); !errors.Is(err, objectstore.ErrRefused) || !strings.Contains(err.Error(), `no bucket "nowhere"`) {
		t.Errorf("writing gives %v", err)
	}
}

// TestAHeadThatIsRefusedIsAskedAgainForItsReason answers HEAD as S3 does, without a body: an expired token is 400 or 403 and nothing more.
func TestAHeadThatIsRefusedIsAskedAgainForItsReason(t *testing.T) {
	for _, c := range []struct {
		name    string
		head    int
		code    string // of the GET; "" for success
		refused bool
		renewed int
		want    string
	}{
		{"an expired token is renewed and the caller tries again", 403, "ExpiredToken", false, 1, "expired"},
		{"an expired token, as AWS answers", 400, "ExpiredToken", false, 1, "expired"},
		{"a right that is missing is final", 403, "AccessDenied", true, 0, "AccessDenied"},
		{"a right that came back meanwhile is tried again", 403, "", false, 0, "a HEAD is answered 403"},
		{"an object that is not there is not asked for twice", 404, "Unasked", false, 0, "no such object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/xml")
				w.Header().Set("ETag", `"e"`)
				w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
				switch {
				case r.Method == http.MethodHead:
					w.WriteHeader(c.head)
				case c.code != "":
					w.WriteHeader(c.head)
					fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s: has expired or not</Message></Error>", c.code, c.code)
				default:
					fmt.Fprint(w, "b")
				}
			}))
			defer srv.Close()
			renewed := 0
			_, err := s3store.New(client(t, srv), "bucket", s3store.Options{Renew: func() { renewed++ }}).Stat(t.Context(), "dir/x")
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, objectstore.ErrRefused) != c.refused || renewed != c.renewed {
				t.Errorf("%v (refused %v), renewed %d times", err, errors.Is(err, objectstore.ErrRefused), renewed)
			}
		})
	}
}

func TestTheCheckAsksForOneName(t *testing.T) {
	var seen []string
	inner := fake(t)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.URL.Query().Get("prefix")+" "+r.URL.Query().Get("max-keys"))
		inner.ServeHTTP(w, r)
	}))
	defer srv.Close()
	s := s3store.New(client(t, srv), "bucket", s3store.Options{})
	for i := range 3 {
		if err := s.PutIfAbsent(t.Context(), fmt.Sprint("out/", i), []byte("b"), nil); err != nil {
			t.Fatal(err)
		}
	}
	seen = nil
	if err := s.Check(t.Context(), "out"); err != nil || len(seen) != 1 || seen[0] != "GET out 1" {
		t.Errorf("%v, requests %q", err, seen)
	}
	if err := s.Check(t.Context(), "nothing/here"); err != nil {
		t.Errorf("an empty prefix: %v", err)
	}
	if err := s3store.New(client(t, srv), "nowhere", s3store.Options{}).Check(t.Context(), "out"); !errors.Is(err, s3store.ErrNoBucket) || !errors.Is(err, objectstore.ErrRefused) {
		t.Errorf("a bucket that is not there: %v", err)
	}
}

// listed answers listings of n keys, so many at once, as S3 does.
func listed(n, atOnce int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, from := r.URL.Query(), 0
		if behind := cmp.Or(q.Get("continuation-token"), q.Get("start-after")); behind != "" {
			fmt.Sscanf(behind, "k/%d", &from)
			from++
		}
		most, _ := strconv.Atoi(q.Get("max-keys"))
		next := min(from+min(most, atOnce), n)
		fmt.Fprintf(w, "<ListBucketResult><IsTruncated>%v</IsTruncated><NextContinuationToken>k/%06d</NextContinuationToken>", next < n, next-1)
		for i := from; i < next; i++ {
			fmt.Fprintf(w, `<Contents><Key>k/%06d</Key><Size>%d</Size><ETag>"e%d"</ETag><LastModified>2026-01-31T01:00:00.000Z</LastModified></Contents>`, i, i, i)
		}
		fmt.Fprint(w, "</ListBucketResult>")
	}
}

// TestPagesAreAllKeysOnce reads listings of stores that give a thousand keys at once and fewer, and whose last page is full or not.
func TestPagesAreAllKeysOnce(t *testing.T) {
	for _, c := range []struct{ n, atOnce, pages int }{{0, 1000, 1}, {7, 1000, 1}, {1000, 1000, 2}, {2001, 1000, 3}, {2500, 300, 3}} {
		t.Run(fmt.Sprintf("%d keys, %d at once", c.n, c.atOnce), func(t *testing.T) {
			srv := httptest.NewTLSServer(listed(c.n, c.atOnce))
			defer srv.Close()
			s := s3store.New(client(t, srv), "bucket", s3store.Options{})
			got, pages, after := 0, 0, ""
			for more := true; more; pages++ {
				var page []s3store.Listed
				var err error
				if page, more, err = s.Page(t.Context(), "k/", after); err != nil {
					t.Fatal(err)
				}
				for _, o := range page {
					if want := fmt.Sprintf("k/%06d", got); o.Key != want || o.Size != int64(got) || o.ETag != fmt.Sprint("e", got) || o.Changed.IsZero() {
						t.Fatalf("%+v, want %s", o, want)
					}
					got, after = got+1, o.Key
				}
			}
			if got != c.n || pages != c.pages {
				t.Errorf("%d keys of %d in %d pages, want %d", got, c.n, pages, c.pages)
			}
		})
	}
}

// TestAListingThatHangsEndsWithItsContext has a store that takes requests and answers none.
func TestAListingThatHangsEndsWithItsContext(t *testing.T) {
	for name, list := range map[string]func(context.Context, *s3store.Store) error{
		"all keys": func(ctx context.Context, s *s3store.Store) error { _, err := s.List(ctx, "k/", ""); return err },
		"a page":   func(ctx context.Context, s *s3store.Store) error { _, _, err := s.Page(ctx, "k/", ""); return err },
		"a check":  func(ctx context.Context, s *s3store.Store) error { return s.Check(ctx, "k/") },
	} {
		t.Run(name, func(t *testing.T) {
			asked, over := make(chan struct{}), make(chan struct{})
			srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				close(asked)
				<-over
			}))
			defer srv.Close()
			defer close(over)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- list(ctx, s3store.New(client(t, srv), "bucket", s3store.Options{})) }()
			<-asked
			cancel()
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("it ended with %v", err)
				}
			case <-time.After(30 * time.Second): // the time that a worker has to end
				t.Error("it waits for the store")
			}
		})
	}
}
