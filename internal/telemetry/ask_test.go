package telemetry

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestACollectorIsAskedAsItIsGiven: at the same paths, with the same headers, and nothing is left there.
func TestACollectorIsAskedAsItIsGiven(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer key")
	c := newCollector(t, "/otlp")
	if err := Ask(t.Context(), c.URL+"/otlp"); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spans != nil || c.metrics != nil || c.stray != nil || c.key != "Bearer key" || c.asked < 2 {
		t.Errorf("spans %q, metrics %q, elsewhere %q, key %q, %d requests", c.spans, c.metrics, c.stray, c.key, c.asked)
	}
}

// TestACollectorBehindACertificateOfTheEnvironmentIsAsked: the exporters know it, and nothing else here does.
func TestACollectorBehindACertificateOfTheEnvironmentIsAsked(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	srv.StartTLS()
	defer srv.Close()
	if err := Ask(t.Context(), srv.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without its authority: %v", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", ca)
	if err := Ask(t.Context(), srv.URL); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoCollectorIsNamed(t *testing.T) {
	for _, c := range []struct {
		name string
		does http.HandlerFunc
		said []string
	}{
		{"a server without these paths", http.NotFound, []string{"v1/traces", "404"}},
		{"a collector that wants a key", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no key", http.StatusUnauthorized) }, []string{"v1/traces", "401", "no key"}},
		{"a collector that is overrun", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "full", http.StatusServiceUnavailable) }, []string{"v1/traces", "full"}},
		{"one without metrics", func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/v1/traces") {
				http.NotFound(w, r)
			}
		}, []string{"v1/metrics", "404"}},
		{"a page", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("<!doctype html><title>Grafana</title>"))
		}, []string{"v1/traces", "text/html", "no collector"}},
	} {
		srv := httptest.NewServer(c.does)
		err := Ask(t.Context(), srv.URL)
		srv.Close()
		if err == nil {
			t.Errorf("%s is taken for a collector", c.name)
			continue
		}
		for _, w := range c.said {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %s", c.name, err, w)
			}
		}
	}
	if err := Ask(t.Context(), "http://127.0.0.1:9"); err == nil || !strings.Contains(err.Error(), "127.0.0.1:9") {
		t.Errorf("where nothing listens: %v", err)
	}
}
