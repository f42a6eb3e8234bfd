package wire

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"vecmill/embed/embedtest"
	"vecmill/internal/config"
	"vecmill/internal/status"
	"vecmill/stream"
	"vecmill/stream/blobfetch"
)

func TestAStoreThatGivesNoObjectsIsATroubleUntilNoFetchWaitsAndOneHasSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		f := newFaults(slog.New(slog.NewTextHandler(&log, nil)), "speech")
		away := fmt.Errorf("fetching s3://box/k: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})
		fails := func(from, to int, err error) {
			for n := from; n <= to; n++ {
				f.fetches(blobfetch.Try{URI: "s3://box/k", Err: err, Failed: n})
			}
		}
		ends := func(failed int, err error) {
			f.fetches(blobfetch.Try{URI: "s3://box/k", Err: err, Failed: failed, Last: true})
		}
		is := func(what string, want status.Fault) {
			t.Helper()
			want.Output, want.Advice = status.PlaceFetch, status.FaultAdvice(status.PlaceFetch, want.Class)
			if all := f.last(); len(all) != 1 || all[0] != want {
				t.Errorf("%s: %+v, want %+v", what, all, want)
			}
		}
		fails(1, 2, away)
		ends(2, nil)
		if all := f.last(); len(all) != 0 {
			t.Errorf("after what is everyday's: %+v", all)
		}
		now := func() int64 { return time.Now().UnixMilli() }
		trouble := status.Fault{Class: "unreachable", Message: "fetching an object of s3://box: dial: connect: connection refused", Tries: 5, Since: now(), Last: now()}
		fails(1, 5, away)
		fails(1, 3, away) // another one
		is("two wait", trouble)
		time.Sleep(time.Second)
		ends(0, nil)
		is("an object comes between", trouble)
		ends(5, errors.New("too often"))
		is("one has ended", trouble)
		ends(3, nil)
		trouble.Until = now()
		is("both have ended", trouble)

		trouble = status.Fault{Class: "slow", Message: "no progress for 30s", Tries: 3, Since: now(), Last: now()}
		fails(1, 3, fmt.Errorf("%w for 30s", blobfetch.ErrStalled))
		ends(3, errors.New("too often"))
		is("it became a dead letter", trouble)
		time.Sleep(time.Second)
		ends(0, errors.New("not there"))
		is("another one is not there", trouble)
		ends(0, nil)
		trouble.Until = now()
		is("an object has come", trouble)

		if log.Len() > 0 {
			t.Errorf("logged of what is everyday's:\n%s", &log)
		}
		fails(1, 33, away)
		if said := log.String(); strings.Count(said, "getting an object failed; trying again") != 3 || !strings.Contains(said, "pipeline=speech tries=8 ") || !strings.Contains(said, "s3://box/k") {
			t.Errorf("logged:\n%s", said)
		}
	})
}

// TestThePageTellsOfAStoreThatFailsWhenObjectsAreFetched has two pipelines that share the fetcher: one whose object the store throttles, and one that needs nothing of it.
func TestThePageTellsOfAStoreThatFailsWhenObjectsAreFetched(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket("box"); err != nil {
		t.Fatal(err)
	}
	var busy atomic.Bool
	fake := gofakes3.New(backend).Server()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if busy.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "<Error><Code>SlowDown</Code><Message>please reduce your request rate</Message></Error>")
			return
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	dir, out := t.TempDir(), t.TempDir()
	cfg, p := pipelineFor(t, textModel(t), fmt.Sprintf(`    topics: ["manifest:texts"]
    heads: [{task: embedding}]
    dead_letters: {url: "file://%s/dead"}`, out))
	cfg.S3 = config.S3{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "key", SecretKey: "secret", PathStyle: true}
	p.Outputs[0].Parquet.URL = "file://" + out + "/rows"
	puts(t, cfg, "box", "ann.txt", "it is")
	inline := *p
	p.Name, inline.Name = "stored", "inline"
	cfg.Pipelines = []config.Pipeline{*p, inline}
	o := Options{Log: slog.New(slog.DiscardHandler), Source: func(p *config.Pipeline) (stream.Source, error) {
		return ManifestSource(cfg, filepath.Join(dir, p.Name), "texts", ReadOptions{})(p)
	}}
	for i, line := range []string{`{"v":1,"id":"a","uri":"s3://box/ann.txt"}`, `{"v":1,"id":"b","inline":"aXQ="}`} {
		p := &cfg.Pipelines[i]
		o.Models = append(o.Models, described(t, cfg, p, embedtest.Config{}))
		if err := os.WriteFile(filepath.Join(dir, p.Name), []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, err := Open(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	busy.Store(true)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(t.Context()) }()
	var seen status.Fault
	for range 3000 {
		if all := w.Status().Pipelines[0].Faults; len(all) > 0 {
			seen = all[0]
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	busy.Store(false)
	if seen.Output != status.PlaceFetch || seen.Class != status.FaultAnswer || seen.Tries < fetchesFailed || seen.Until != 0 || strings.Contains(seen.Message, "ann.txt") || !strings.Contains(seen.Message, "an object of s3://box") {
		t.Errorf("%+v", seen)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	all := w.Status().Pipelines
	if f := all[0].Faults; len(f) != 1 || f[0].Until == 0 {
		t.Errorf("%+v, want it to be over", f)
	}
	if len(all[1].Faults) > 0 || all[0].Rows != 1 || all[1].Rows != 1 {
		t.Errorf("the other pipeline has %+v; rows %d, %d", all[1].Faults, all[0].Rows, all[1].Rows)
	}
}
