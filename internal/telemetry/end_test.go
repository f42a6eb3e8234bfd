package telemetry

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestTracesAndMetricsEndTogether has a collector that answers neither before both have come: one behind the other they would take the time of both, which a pod's grace period need not have.
func TestTracesAndMetricsEndTogether(t *testing.T) {
	traces, metrics := make(chan struct{}), make(chan struct{})
	c := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine, other := traces, metrics
		if strings.HasSuffix(r.URL.Path, "/v1/metrics") {
			mine, other = metrics, traces
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		close(mine) // a second request of a kind would be a retry, and panics
		select {
		case <-other:
		case <-r.Context().Done():
		}
	}))
	defer c.Close()
	var log lines
	tel, err := Start(t.Context(), Config{OTLPEndpoint: c.URL, TraceRatio: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := Observe(tel.Meter(), "speech", func() Reading { return Reading{} }); err != nil {
		t.Fatal(err)
	}
	_, span := tel.Tracer().Start(t.Context(), "vecmill.record")
	span.End()
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if said := log.String(); said != "" {
		t.Errorf("the log says\n%s", said)
	}
}

// TestAnAnswerUnderWayDoesNotHoldTheEndUp: a profile of five minutes would outlast every grace period.
func TestAnAnswerUnderWayDoesNotHoldTheEndUp(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	asked, left := make(chan struct{}), make(chan struct{})
	tel.Page(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(left)
	}))
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+tel.Addr()+"/", nil)
		if err != nil {
			t.Error(err)
			return
		}
		if resp, err := http.DefaultClient.Do(req); err == nil { // it is cut off
			resp.Body.Close()
		}
	}()
	<-asked
	ended := make(chan error, 1)
	go func() { ended <- tel.Shutdown(context.Background()) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * lastAnswer):
		t.Fatal("it waits for the answer")
	}
	<-left
}
