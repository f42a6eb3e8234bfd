package blobfetch

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.uber.org/goleak"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reservation remembers the calls to reserve.
type reservation struct {
	calls int
	head  []byte
	size  int64
	err   error
}

func (r *reservation) reserve(_ context.Context, head []byte, size int64) error {
	r.calls++
	r.head, r.size = bytes.Clone(head), size
	return r.err
}

func quick() Config {
	cfg := NewDefaultConfig()
	cfg.Buckets = []string{"*"}
	cfg.Retry, cfg.Patience = retry.Policy{Attempts: 4, Base: time.Millisecond, Max: 2 * time.Millisecond}, 7
	return cfg
}

// store is a TLS server with a minio client of it.
func store(t *testing.T, h http.Handler) *minio.Client {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	c, err := minio.New(strings.TrimPrefix(srv.URL, "https://"), &minio.Options{
		Creds: credentials.NewStaticV4("key", "secret", ""), Secure: true, Region: "us-east-1", Transport: srv.Client().Transport,
		BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fetcher(t *testing.T, cfg Config) *Fetcher {
	t.Helper()
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func realStore(t *testing.T, objects map[string]string) *minio.Client {
	t.Helper()
	c := store(t, gofakes3.New(s3mem.New()).Server())
	if err := c.MakeBucket(t.Context(), "box", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	for key, data := range objects {
		if _, err := c.PutObject(t.Context(), "box", key, strings.NewReader(data), int64(len(data)), minio.PutObjectOptions{ContentType: "audio/wav"}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestFetchFromS3(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 20<<10) // 320 KiB: more than a head
	cfg := quick()
	cfg.MaxObjectBytes = 400 << 10
	cfg.S3 = realStore(t, map[string]string{"a.wav": "hello", "big": big, "empty": "", "huge": strings.Repeat("x", 500<<10), "a b%20ü#?.wav": "odd"})
	etag := fmt.Sprintf("%x", md5.Sum([]byte("hello")))
	f := fetcher(t, cfg)
	for _, c := range []struct {
		name string
		ref  schemas.Ref
		want string
		why  schemas.Reason
	}{
		{"a small object", schemas.Ref{URI: "s3://box/a.wav"}, "hello", ""},
		{"an object larger than its head", schemas.Ref{URI: "s3://box/big"}, big, ""},
		{"an empty object is fetched: the decoder refuses it", schemas.Ref{URI: "s3://box/empty"}, "", ""},
		{"a key is taken literally", schemas.Ref{URI: "s3://box/a b%20ü#?.wav"}, "odd", ""},
		{"the right ETag", schemas.Ref{URI: "s3://box/a.wav", ETag: etag}, "hello", ""},
		{"the right ETag in quotes", schemas.Ref{URI: "s3://box/a.wav", ETag: `"` + etag + `"`}, "hello", ""},
		{"another ETag", schemas.Ref{URI: "s3://box/a.wav", ETag: "0123"}, "", schemas.ReasonFetchMissing},
		{"a byte range", schemas.Ref{URI: "s3://box/big", Range: &schemas.ByteRange{Off: 16, N: 3}}, "012", ""},
		{"a long byte range", schemas.Ref{URI: "s3://box/big", Range: &schemas.ByteRange{Off: 10, N: 100 << 10}}, big[10 : 10+100<<10], ""},
		{"a range beyond the end", schemas.Ref{URI: "s3://box/a.wav", Range: &schemas.ByteRange{Off: 2, N: 9}}, "", schemas.ReasonFetchMissing},
		{"a range outside the object", schemas.Ref{URI: "s3://box/a.wav", Range: &schemas.ByteRange{Off: 100, N: 9}}, "", schemas.ReasonFetchMissing},
		{"no such key", schemas.Ref{URI: "s3://box/absent"}, "", schemas.ReasonFetchMissing},
		{"no such bucket", schemas.Ref{URI: "s3://bbb/absent"}, "", schemas.ReasonFetchMissing},
		{"a name that is no bucket's", schemas.Ref{URI: "s3://B_/absent"}, "", schemas.ReasonFetchMissing},
		{"over the size limit", schemas.Ref{URI: "s3://box/huge"}, "", schemas.ReasonTooLarge},
		{"a small range of an object over the size limit", schemas.Ref{URI: "s3://box/huge", Range: &schemas.ByteRange{Off: 1, N: 2}}, "xx", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r reservation
			blob, err := f.Fetch(t.Context(), c.ref, r.reserve)
			if c.why != "" {
				if why, ok := schemas.Rejected(err); !ok || why != c.why {
					t.Fatalf("error %v, want %s", err, c.why)
				}
				if r.calls != 0 {
					t.Errorf("reserved for an object that is refused")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(blob.Data) != c.want || cap(blob.Data) != len(c.want) {
				t.Errorf("%d bytes of capacity %d, want %d", len(blob.Data), cap(blob.Data), len(c.want))
			}
			if r.calls != 1 || r.size != int64(len(c.want)) || string(r.head) != c.want[:min(len(c.want), headBytes)] {
				t.Errorf("reserve: %d calls, size %d, head of %d bytes", r.calls, r.size, len(r.head))
			}
			if blob.ContentType != "audio/wav" || len(blob.ETag) != 32 {
				t.Errorf("content type %q, ETag %q", blob.ContentType, blob.ETag)
			}
		})
	}
}

func TestTheBucketListIsClosedUntilItIsOpened(t *testing.T) {
	for _, c := range []struct {
		allow string
		uri   string
		ok    bool
	}{
		{"", "s3://b/k", false},
		{"*", "s3://b/k", true},
		{"b", "s3://b/k", true},
		{"b", "s3://bb/k", false},
		{"b/audio/", "s3://b/audio/k", true},
		{"b/audio/", "s3://b/audiok", false},
		{"b/audio/", "s3://b/audio/../text/k", false},
		{"*", "s3://b/./k", false},
		{"b/audio/", "s3://b/AUDIO/k", false},
		{"b/audio/", "S3://b/audio/k", true},
	} {
		cfg := quick()
		cfg.Buckets = nil
		if c.allow != "" {
			cfg.Buckets = []string{c.allow}
		}
		cfg.S3 = &minio.Client{}
		_, err := fetcher(t, cfg).opener(schemas.Ref{URI: c.uri})
		if why, _ := schemas.Rejected(err); c.ok != (err == nil) || !c.ok && why != schemas.ReasonFetchDenied {
			t.Errorf("%s with %q: %v", c.uri, c.allow, err)
		}
	}
}

// faulty answers the first requests with faults and then serves data.
type faulty struct {
	data   string
	faults []func(w http.ResponseWriter)
	served atomic.Int32
}

func (s *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(s.served.Add(1)) - 1
	w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
	if n < len(s.faults) {
		s.faults[n](w)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, md5.Sum([]byte(s.data))))
	w.Header().Set("Content-Length", strconv.Itoa(len(s.data)))
	_, _ = io.WriteString(w, s.data)
}

func s3Error(status int, code string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>as told</Message></Error>`, code)
	}
}

func shortBody(w http.ResponseWriter) {
	w.Header().Set("ETag", `"x-1"`)
	w.Header().Set("Content-Length", "300000")
	_, _ = io.WriteString(w, strings.Repeat("y", 200_000))
	panic(http.ErrAbortHandler)
}

func reset(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func damaged(w http.ResponseWriter) {
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, md5.Sum([]byte("right"))))
	w.Header().Set("Content-Length", "5")
	_, _ = io.WriteString(w, "wrong")
}

func times(n int, f func(http.ResponseWriter)) []func(http.ResponseWriter) {
	out := make([]func(http.ResponseWriter), n)
	for i := range out {
		out[i] = f
	}
	return out
}

func TestS3Faults(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []func(http.ResponseWriter)
		why    schemas.Reason // "" and not store: fetched
		store  bool           // a StoreFault
		served int32
	}{
		{"503 once", times(1, s3Error(503, "SlowDown")), "", false, 2},
		{"503 for longer than one object's tries", times(6, s3Error(503, "SlowDown")), "", false, 7},
		{"503 for longer than one object's tries, and then a fault", append(times(5, s3Error(503, "SlowDown")), times(1, s3Error(500, "InternalError"))...), "", false, 7},
		{"503 for ever", times(9, s3Error(503, "SlowDown")), schemas.ReasonFetchFailed, false, 7},
		{"a gateway without a store", times(5, s3Error(502, "")), "", false, 6},
		{"throttling told by a code", times(5, s3Error(400, "ThrottlingException")), "", false, 6},
		{"500 twice", times(2, s3Error(500, "InternalError")), "", false, 3},
		{"500 for ever", times(9, s3Error(500, "InternalError")), schemas.ReasonFetchFailed, false, 4},
		{"429", times(2, s3Error(429, "TooManyRequests")), "", false, 3},
		{"a request that timed out", times(2, s3Error(400, "RequestTimeout")), "", false, 3},
		{"requests that are too many", times(2, s3Error(400, "ThrottlingException")), "", false, 3},
		{"a short body twice", times(2, shortBody), "", false, 3},
		{"a short body for ever", times(9, shortBody), schemas.ReasonFetchFailed, false, 4},
		{"a damaged body once", times(1, damaged), "", false, 2},
		{"a damaged body for ever", times(9, damaged), schemas.ReasonFetchFailed, false, 4},
		{"a reset connection once", times(1, reset), "", false, 2},
		{"access denied", times(9, s3Error(403, "AccessDenied")), schemas.ReasonFetchDenied, false, 1},
		{"an archived object", times(9, s3Error(403, "InvalidObjectState")), schemas.ReasonFetchDenied, false, 1},
		{"a delete marker", times(9, s3Error(405, "MethodNotAllowed")), schemas.ReasonFetchMissing, false, 1},
		{"another ETag, told by the store", times(9, s3Error(412, "PreconditionFailed")), schemas.ReasonFetchMissing, false, 1},
		{"a range outside", times(9, s3Error(416, "InvalidRange")), schemas.ReasonFetchMissing, false, 1},
		{"no such version", times(9, s3Error(404, "NoSuchVersion")), schemas.ReasonFetchMissing, false, 1},
		{"a request that the store does not understand", times(9, s3Error(418, "Teapot")), schemas.ReasonFetchFailed, false, 1},
		{"an expired token that is renewed", times(2, s3Error(400, "ExpiredToken")), "", false, 3},
		{"an expired token", times(9, s3Error(400, "ExpiredToken")), "", true, 4},
		{"a clock that is wrong", times(9, s3Error(403, "RequestTimeTooSkewed")), "", true, 4},
		{"an unknown key", times(9, s3Error(403, "InvalidAccessKeyId")), "", true, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &faulty{data: strings.Repeat("z", 100_000), faults: c.faults}
			cfg := quick()
			cfg.S3 = store(t, s)
			var r reservation
			blob, err := fetcher(t, cfg).Fetch(t.Context(), schemas.Ref{URI: "s3://bucket/k"}, r.reserve)
			why, rejected := schemas.Rejected(err)
			_, isStore := errors.AsType[*StoreFault](err)
			switch {
			case c.store && (!isStore || rejected):
				t.Errorf("error %v, want a StoreFault and no rejection", err)
			case !c.store && why != c.why:
				t.Errorf("error %v, want %q", err, c.why)
			case c.why == "" && !c.store && (err != nil || string(blob.Data) != s.data):
				t.Errorf("not fetched: %v", err)
			}
			if r, ok := errors.AsType[*schemas.Rejection](err); ok && c.why == schemas.ReasonFetchFailed && max(r.Attempts, 1) != int(c.served) { // 0: not retried
				t.Errorf("the rejection says %d attempts, want %d", r.Attempts, c.served)
			}
			if got := s.served.Load(); got != c.served {
				t.Errorf("%d requests, want %d", got, c.served)
			}
			if c.served > 1 && r.calls != 1 {
				t.Errorf("reserve was called %d times", r.calls)
			}
		})
	}
}

func TestMemoryIsReservedBeforeTheWaitForARetry(t *testing.T) {
	s := &faulty{data: "ok", faults: times(2, s3Error(503, "SlowDown"))}
	cfg := quick()
	cfg.S3 = store(t, s)
	reserved := 0
	_, err := fetcher(t, cfg).Fetch(t.Context(), schemas.Ref{URI: "s3://bucket/k"}, func(_ context.Context, head []byte, size int64) error {
		reserved++
		if s.served.Load() != 1 || head != nil || size != -1 {
			t.Errorf("after %d requests with %d bytes and size %d", s.served.Load(), len(head), size)
		}
		return nil
	})
	if err != nil || reserved != 1 {
		t.Errorf("%v, %d reservations", err, reserved)
	}
}

func TestARefusedReservationEndsTheFetchWithItsOwnError(t *testing.T) {
	for name, faults := range map[string]int{"at the first attempt": 0, "before a retry": 1} {
		s := &faulty{data: strings.Repeat("z", 100_000), faults: times(faults, s3Error(503, "SlowDown"))}
		cfg := quick()
		cfg.S3 = store(t, s)
		r := reservation{err: schemas.Rejectf(schemas.ReasonTooLarge, "no room")}
		if _, err := fetcher(t, cfg).Fetch(t.Context(), schemas.Ref{URI: "s3://bucket/k"}, r.reserve); !errors.Is(err, r.err) {
			t.Errorf("%s: %v", name, err)
		}
		if s.served.Load() != 1 || r.calls != 1 {
			t.Errorf("%s: %d requests, %d reservations", name, s.served.Load(), r.calls)
		}
	}
}

func TestAStoreThatCannotBeReachedIsNoDeadLetter(t *testing.T) {
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	for name, addr := range map[string]string{"nobody listens": strings.TrimPrefix(down.URL, "http://"), "no such name": "store.invalid:9000"} {
		c, err := minio.New(addr, &minio.Options{Creds: credentials.NewStaticV4("k", "s", ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath, MaxRetries: 1})
		if err != nil {
			t.Fatal(err)
		}
		cfg := quick()
		cfg.S3 = c
		var r reservation
		_, err = fetcher(t, cfg).Fetch(t.Context(), schemas.Ref{URI: "s3://bucket/k"}, r.reserve)
		_, rejected := schemas.Rejected(err)
		if _, ok := errors.AsType[*StoreFault](err); !ok || rejected || !strings.Contains(err.Error(), "check the endpoint") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := store(t, http.NotFoundHandler())
	stranger, err := minio.New(c.EndpointURL().Host, &minio.Options{Creds: credentials.NewStaticV4("k", "s", ""), Secure: true, Region: "us-east-1", BucketLookup: minio.BucketLookupPath, MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	cfg := quick()
	cfg.S3 = stranger // does not trust the certificate
	var r reservation
	_, err = fetcher(t, cfg).Fetch(t.Context(), schemas.Ref{URI: "s3://bucket/k"}, r.reserve)
	if _, ok := errors.AsType[*StoreFault](err); !ok {
		t.Errorf("a certificate that is not trusted: %v", err)
	}
}

// TestAStoreThatComesBackIsWaitedFor refuses connections for more tries than an object has.
func TestAStoreThatComesBackIsWaitedFor(t *testing.T) {
	cfg, dials := quick(), 0
	srv := httptest.NewTLSServer(&faulty{data: "ok"})
	t.Cleanup(srv.Close)
	transport := srv.Client().Transport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials++; dials < cfg.Patience {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	var err error
	if cfg.S3, err = minio.New(srv.Listener.Addr().String(), &minio.Options{
		Creds: credentials.NewStaticV4("key", "secret", ""), Secure: true, Region: "us-east-1", Transport: transport, BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	}); err != nil {
		t.Fatal(err)
	}
	var r reservation
	blob, err := fetcher(t, cfg).Fetch(t.Context(), schemas.Ref{URI: "s3://bucket/k"}, r.reserve)
	if err != nil || string(blob.Data) != "ok" || dials != cfg.Patience {
		t.Errorf("%v after %d connections", err, dials)
	}
}

func TestAStalledBodyIsGivenUpAndRetriedAndAWaitForMemoryIsNoStall(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	stall := func(w http.ResponseWriter) {
		w.Header().Set("ETag", `"x-1"`)
		w.Header().Set("Content-Length", "200000")
		_, _ = io.WriteString(w, strings.Repeat("y", 100_000))
		w.(http.Flusher).Flush()
		<-release
	}
	s := &faulty{data: strings.Repeat("z", 200_000), faults: times(1, stall)}
	cfg := quick()
	cfg.Timeout = 150 * time.Millisecond
	cfg.S3 = store(t, s)
	blob, err := fetcher(t, cfg).Fetch(t.Context(), schemas.Ref{URI: "s3://bucket/k"}, func(context.Context, []byte, int64) error {
		time.Sleep(400 * time.Millisecond) // longer than Timeout
		return nil
	})
	if err != nil || string(blob.Data) != s.data || s.served.Load() != 2 {
		t.Errorf("%v after %d requests", err, s.served.Load())
	}
}

func TestTheEndOfTheContextIsItsOwnError(t *testing.T) {
	s := &faulty{faults: times(1000, s3Error(503, "SlowDown"))}
	cfg := quick()
	cfg.S3 = store(t, s)
	cfg.Retry = retry.Policy{Attempts: 1000, Base: time.Hour, Max: time.Hour}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	var r reservation
	_, err := fetcher(t, cfg).Fetch(ctx, schemas.Ref{URI: "s3://bucket/k"}, r.reserve)
	if _, rejected := schemas.Rejected(err); !errors.Is(err, context.Canceled) || rejected {
		t.Errorf("%v", err)
	}
}

func TestVerifier(t *testing.T) {
	data := []byte("123456789")
	crc := base64.StdEncoding.EncodeToString([]byte{0xe3, 0x06, 0x92, 0x83}) // CRC-32C's check value
	if got := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)); got != 0xe3069283 {
		t.Fatal("the check value is wrong")
	}
	nvmeSum := base64.StdEncoding.EncodeToString([]byte{0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88}) // CRC-64/NVME's check value
	etag := fmt.Sprintf("%x", md5.Sum(data))
	h := func(pairs ...string) http.Header {
		out := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			out.Set(pairs[i], pairs[i+1])
		}
		return out
	}
	for _, c := range []struct {
		name    string
		header  http.Header
		etag    string
		trust   bool
		checked bool
		ok      bool
	}{
		{"crc32c", h("x-amz-checksum-crc32c", crc), "x", true, true, true},
		{"crc64nvme", h("x-amz-checksum-crc64nvme", nvmeSum), "x", true, true, true},
		{"a wrong sha256", h("x-amz-checksum-sha256", "AAAA"), etag, true, true, false},
		{"a checksum of parts is none of the whole", h("x-amz-checksum-crc32c", "AAAA-3"), "x-3", true, false, true},
		{"the ETag of a single part", h(), etag, true, true, true},
		{"the ETag in capitals", h(), strings.ToUpper(etag), true, true, true},
		{"a wrong ETag", h(), strings.Repeat("0", 32), true, true, false},
		{"the ETag of several parts", h(), etag + "-2", true, false, true},
		{"an ETag that is not to be trusted", h(), strings.Repeat("0", 32), false, false, true},
		{"encrypted with KMS", h("x-amz-server-side-encryption", "aws:kms"), strings.Repeat("0", 32), true, false, true},
		{"encrypted with a customer's key", h("x-amz-server-side-encryption-customer-algorithm", "AES256"), strings.Repeat("0", 32), true, false, true},
		{"encrypted by the store itself", h("x-amz-server-side-encryption", "AES256"), etag, true, true, true},
	} {
		v := verifier(c.header, c.etag, c.trust)
		if (v != nil) != c.checked {
			t.Errorf("%s: checked %v", c.name, v != nil)
		} else if v != nil && (v(data) == nil) != c.ok {
			t.Errorf("%s: %v", c.name, v(data))
		}
	}
}

func TestInlineData(t *testing.T) {
	f := fetcher(t, quick())
	var r reservation
	blob, err := f.Fetch(t.Context(), schemas.Ref{Inline: []byte("abc"), ContentType: "text/plain"}, r.reserve)
	if err != nil || string(blob.Data) != "abc" || blob.ETag != "" || blob.ContentType != "text/plain" || r.calls != 1 || r.size != 3 {
		t.Errorf("%+v %v %+v", blob, err, r)
	}
}

func TestFiles(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write := func(path, data string) {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(dir+"/a b.txt", "hello")
	write(dir+"/é #1?%41+ .txt", "as it is written")
	write(dir+"/a%41", "literally")
	write(dir+"/aA", "unescaped")
	write(dir+"/"+strings.Repeat("中", 40), "three bytes each, and nine with escapes")
	write(outside+"/secret", "secret")
	for _, link := range [][2]string{{outside + "/secret", dir + "/link"}, {outside, dir + "/linkdir"}, {"a b.txt", dir + "/inner"}} {
		if err := os.Symlink(link[0], link[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir+"/sub", 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := quick()
	cfg.FileRoots = []string{dir}
	f := fetcher(t, cfg)
	var pinned string
	for _, c := range []struct {
		name string
		ref  schemas.Ref
		want string
		why  schemas.Reason
	}{
		{"a file with a blank in its name", schemas.Ref{URI: "file://" + dir + "/a%20b.txt"}, "hello", ""},
		{"the same, as it is written", schemas.Ref{URI: "file://" + dir + "/a b.txt"}, "hello", ""},
		{"characters that URLs have a meaning for", schemas.Ref{URI: "file://" + dir + "/é #1?%41+ .txt"}, "as it is written", ""},
		{"what might be an escape", schemas.Ref{URI: "file://" + dir + "/a%41"}, "literally", ""},
		{"an escape", schemas.Ref{URI: "file://" + dir + "/%61A"}, "unescaped", ""},
		{"escapes that are too long for a name", schemas.Ref{URI: "file://" + dir + "/" + strings.Repeat("%E4%B8%AD", 40)}, "three bytes each, and nine with escapes", ""},
		{"a name that is too long", schemas.Ref{URI: "file://" + dir + "/" + strings.Repeat("a", 300)}, "", schemas.ReasonFetchMissing},
		{"what is no escape", schemas.Ref{URI: "file://" + dir + "/a%zz"}, "", schemas.ReasonFetchMissing},
		{"no such file, unescaped either", schemas.Ref{URI: "file://" + dir + "/b%20c"}, "", schemas.ReasonFetchMissing},
		{"up and out, escaped", schemas.Ref{URI: "file://" + dir + "/%2e%2e/%2e%2e/etc/passwd"}, "", schemas.ReasonFetchMissing},
		{"a link out, escaped", schemas.Ref{URI: "file://" + dir + "/%6cink"}, "", schemas.ReasonFetchDenied},
		{"a NUL, escaped", schemas.Ref{URI: "file://" + dir + "/a%00"}, "", schemas.ReasonFetchMissing},
		{"a range", schemas.Ref{URI: "file://" + dir + "/a%20b.txt", Range: &schemas.ByteRange{Off: 1, N: 3}}, "ell", ""},
		{"a range beyond the end", schemas.Ref{URI: "file://" + dir + "/a%20b.txt", Range: &schemas.ByteRange{Off: 1, N: 9}}, "", schemas.ReasonFetchMissing},
		{"a range at the end of all numbers", schemas.Ref{URI: "file://" + dir + "/a%20b.txt", Range: &schemas.ByteRange{Off: 1<<63 - 1, N: 9}}, "", schemas.ReasonFetchMissing},
		{"another ETag", schemas.Ref{URI: "file://" + dir + "/a%20b.txt", ETag: "1-5"}, "", schemas.ReasonFetchMissing},
		{"a link inside", schemas.Ref{URI: "file://" + dir + "/inner"}, "hello", ""},
		{"no such file", schemas.Ref{URI: "file://" + dir + "/absent"}, "", schemas.ReasonFetchMissing},
		{"below a file", schemas.Ref{URI: "file://" + dir + "/inner/x"}, "", schemas.ReasonFetchMissing},
		{"outside the roots", schemas.Ref{URI: "file://" + outside + "/secret"}, "", schemas.ReasonFetchDenied},
		{"up and out", schemas.Ref{URI: "file://" + dir + "/../../etc/passwd"}, "", schemas.ReasonFetchDenied},
		{"a link out", schemas.Ref{URI: "file://" + dir + "/link"}, "", schemas.ReasonFetchDenied},
		{"through a linked directory", schemas.Ref{URI: "file://" + dir + "/linkdir/secret"}, "", schemas.ReasonFetchDenied},
		{"a directory", schemas.Ref{URI: "file://" + dir + "/sub"}, "", schemas.ReasonFetchDenied},
		{"the root itself", schemas.Ref{URI: "file://" + dir}, "", schemas.ReasonFetchDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r reservation
			blob, err := f.Fetch(t.Context(), c.ref, r.reserve)
			if why, _ := schemas.Rejected(err); why != c.why || (err == nil) != (c.why == "") {
				t.Fatalf("%v, want %q", err, c.why)
			}
			if err == nil && string(blob.Data) != c.want {
				t.Errorf("got %q", blob.Data)
			}
			if err == nil {
				pinned = blob.ETag
			}
		})
	}
	var r reservation
	if _, err := f.Fetch(t.Context(), schemas.Ref{URI: "file://" + dir + "/a%20b.txt", ETag: pinned}, r.reserve); err != nil {
		t.Errorf("its own ETag: %v", err)
	}
	cfg.FileRoots = []string{dir + "/gone"}
	_, err := fetcher(t, cfg).Fetch(t.Context(), schemas.Ref{URI: "file://" + dir + "/gone/x"}, r.reserve)
	if _, ok := errors.AsType[*StoreFault](err); !ok {
		t.Errorf("a root that is not there: %v", err)
	}
}

var _ stream.Fetcher = (*Fetcher)(nil)
