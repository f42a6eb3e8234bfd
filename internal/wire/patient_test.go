package wire

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
)

// busy puts a server before the lake's bucket that answers the first request of each kind for each of these objects with 503. It gives how many it has turned away.
func (l *lake) busy(t *testing.T, prefixes ...string) (turned func() int) {
	t.Helper()
	var mu sync.Mutex
	seen := map[string]bool{}
	fake := gofakes3.New(l.backend).Server()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/box/") + r.URL.Query().Get("prefix")
		what := r.Method + " " + name
		first := false
		for _, p := range prefixes {
			if mu.Lock(); strings.HasPrefix(name, p) && !seen[what] {
				seen[what], first = true, true
			}
			mu.Unlock()
		}
		if !first {
			fake.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "<Error><Code>SlowDown</Code><Message>m</Message></Error>")
	}))
	t.Cleanup(srv.Close)
	l.conf.S3.Endpoint = srv.URL
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(seen)
	}
}

// TestABusyStoreEndsNeitherAPlanNorWhatIsReadForIt has plans and rows in a bucket that answers nothing at once: plans are written and run, what is computed is found, and computed again by another pipeline.
func TestABusyStoreEndsNeitherAPlanNorWhatIsReadForIt(t *testing.T) {
	l := newLake(t, 3)
	l.conf.Pipelines[0].Outputs[0].Parquet.URL = "s3://box/rows"
	turned := l.busy(t, "plans/", "rows/")
	plan := func(name string) *Planned {
		t.Helper()
		p, err := Plan(t.Context(), l.conf, PlanOptions{Source: "s3://box/texts/", Out: "s3://box/plans/" + name, Name: name, Listers: 2, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := plan("first"); p.Items != 3 {
		t.Fatalf("%+v", p.Counts)
	}
	if s := l.runAt(t, "s3://box/plans/first", "first")[0]; s.Stream.Computed != 3 {
		t.Fatalf("%+v", s.Stream)
	}
	if p := plan("second"); p.Items != 0 || p.Known != 3 {
		t.Errorf("%+v", p.Counts)
	}
	if all, _, err := HowFar(t.Context(), l.conf, "first"); err != nil || len(all) != 1 || all[0].Next != 3 {
		t.Errorf("%+v, %v", all, err)
	}
	old := l.conf.Pipelines[0].Name
	l.beside("again")
	p, err := l.reembed(t, old, "again").Plan(t.Context(), PlanOptions{Log: quiet})
	if err != nil || p.Plan.Items != 3 {
		t.Errorf("%+v, %v", p, err)
	}
	if n := turned(); n < 10 {
		t.Errorf("%d requests were turned away", n)
	}
}
