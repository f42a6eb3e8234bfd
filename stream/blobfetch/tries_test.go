package blobfetch

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"vecmill/internal/retry"
	"vecmill/schemas"
)

// heard keeps what is told of tries.
type heard struct {
	mu  sync.Mutex
	all []Try
}

func (h *heard) told(t Try) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, t)
}

func TestEachTryAndTheEndOfAFetchAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		faults []func(http.ResponseWriter)
		failed []int // by try, the last of which is the end
		well   bool
	}{
		"an object that comes":                      {nil, []int{0}, true},
		"a store that fails and is well again":      {times(3, s3Error(503, "SlowDown")), []int{1, 2, 3, 3}, true},
		"an object that is not there":               {times(1, s3Error(404, "NoSuchKey")), []int{0}, false},
		"an object that fails until tries are over": {times(9, s3Error(500, "InternalError")), []int{1, 2, 3, 3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := quick()
			cfg.S3 = store(t, &faulty{data: "ok", faults: c.faults})
			var h, other heard
			all := fetcher(t, cfg)
			f, _ := all.Telling(h.told), all.Telling(other.told)
			var r reservation
			_, err := f.Fetch(t.Context(), schemas.Ref{URI: "s3://bucket/k"}, r.reserve)
			var failed []int
			for i, x := range h.all {
				failed = append(failed, x.Failed)
				if last := i == len(h.all)-1; x.Last != last || x.URI != "s3://bucket/k" || (x.Err == nil) != (last && c.well) {
					t.Errorf("%d: %+v", i, x)
				}
			}
			if (err == nil) != c.well || !slices.Equal(failed, c.failed) || len(other.all) > 0 {
				t.Errorf("%v; told of %v, want %v; the other caller of %v", err, failed, c.failed, other.all)
			}
		})
	}
}

func TestAFetchThatEndsInAWaitTellsOfItsEnd(t *testing.T) {
	cfg := quick()
	cfg.S3 = store(t, &faulty{faults: times(1000, s3Error(503, "SlowDown"))})
	cfg.Retry = retry.Policy{Attempts: 1000, Base: time.Hour, Max: time.Hour}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var h heard
	var r reservation
	if _, err := fetcher(t, cfg).Telling(func(x Try) { h.told(x); cancel() }).Fetch(ctx, schemas.Ref{URI: "s3://bucket/k"}, r.reserve); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(h.all) != 2 || h.all[0].Last || !h.all[1].Last || h.all[0].Failed != 1 || h.all[1].Failed != 1 {
		t.Errorf("%+v", h.all)
	}
}

// TestWhatIsSaidOfAPlaceDoesNotNameTheObject: names of objects may be private where the live page is not.
func TestWhatIsSaidOfAPlaceDoesNotNameTheObject(t *testing.T) {
	down := httptest.NewServer(http.NotFoundHandler())
	address := down.Listener.Addr().String()
	down.Close()
	away, err := minio.New(address, &minio.Options{Creds: credentials.NewStaticV4("k", "s", ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath, MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	web, port := site(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	stalls, release := quick(), make(chan struct{})
	defer close(release)
	stalls.S3, stalls.Timeout = store(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })), 50*time.Millisecond
	unreached, throttled := quick(), quick()
	unreached.S3, throttled.S3 = away, store(t, &faulty{faults: times(1000, s3Error(503, "SlowDown"))})
	for name, c := range map[string]struct {
		cfg  Config
		uri  string
		says []string
	}{
		"a store that is away":        {unreached, "s3://bucket/Müller, Ann/x ray.png", []string{"fetching an object of s3://bucket: ", address, "connection refused"}},
		"a store that throttles":      {throttled, "s3://bucket/Müller, Ann/x ray.png", []string{"fetching an object of s3://bucket: "}},
		"a store that says nothing":   {stalls, "s3://bucket/Müller, Ann/x ray.png", []string{"no progress for 50ms", "fetching an object of s3://bucket: "}},
		"a host that has no capacity": {web, "https://example.com:" + port + "/M%C3%BCller/x%20ray.png?signed=1", []string{"fetching an object of https://example.com:" + port + ": ", "503 Service Unavailable"}},
	} {
		t.Run(name, func(t *testing.T) {
			var h heard
			var r reservation
			if _, err := fetcher(t, c.cfg).Telling(h.told).Fetch(t.Context(), schemas.Ref{URI: c.uri}, r.reserve); err == nil {
				t.Fatal("it has been got")
			}
			for _, x := range h.all {
				said := x.Anonymous()
				for _, want := range c.says {
					if !strings.Contains(said, want) {
						t.Errorf("%q does not say %q", said, want)
					}
				}
				for _, private := range []string{"Müller", "M%C3%BCller", "ray.png"} {
					if strings.Contains(said, private) || !strings.Contains(x.Err.Error(), "ray.png") {
						t.Errorf("%q of %q", said, x.Err)
					}
				}
			}
		})
	}
}
