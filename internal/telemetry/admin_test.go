package telemetry

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// at is a listener of an address that nobody listens on.
type at struct {
	net.Listener
	addr net.Addr
}

func (l at) Addr() net.Addr { return l.addr }

// What only the machine's own users are to do is not there at an address that others reach, whoever asks.
func TestProfilesAndTheLogLevelAreForLoopbackAddressesAlone(t *testing.T) {
	for _, c := range []struct {
		addr net.Addr
		own  bool
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, true},
		{&net.TCPAddr{IP: net.IPv4(127, 8, 9, 10)}, true},
		{&net.TCPAddr{IP: net.IPv6loopback}, true},
		{&net.TCPAddr{IP: net.IPv4zero}, false},
		{&net.TCPAddr{IP: net.IPv6unspecified}, false},
		{&net.TCPAddr{}, false},
		{&net.TCPAddr{IP: net.IPv4(10, 1, 2, 3)}, false},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1")}, false},
		{&net.UnixAddr{Name: "/run/vecmill", Net: "unix"}, false},
	} {
		var level slog.LevelVar
		tel := &Telemetry{listener: at{addr: c.addr}}
		mux := tel.mux(prometheus.NewRegistry(), &level)
		ask := func(method, path, body string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
			return w
		}
		want := http.StatusNotFound
		if c.own {
			want = http.StatusOK
		}
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/heap", "/debug/pprof/symbol", "/log/level"} {
			if w := ask(http.MethodGet, path, ""); w.Code != want {
				t.Errorf("%v%s: %d, want %d", c.addr, path, w.Code, want)
			}
		}
		if w := ask(http.MethodPut, "/log/level", "debug"); (w.Code == http.StatusOK) != c.own || (level.Level() == slog.LevelDebug) != c.own {
			t.Errorf("%v: PUT /log/level: %d, and the level is %v", c.addr, w.Code, level.Level())
		}
		for path, want := range map[string]int{"/livez": 200, "/metrics": 200, "/readyz": 503, "/debug/pprof/cmdline": 404} { // a command line may hold what nobody should see
			if w := ask(http.MethodGet, path, ""); w.Code != want {
				t.Errorf("%v%s: %d, want %d", c.addr, path, w.Code, want)
			}
		}
	}
}

func TestAProfileCanBeTaken(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	url := "http://" + tel.Addr() + "/debug/pprof/"
	if code, body := get(t, url); code != http.StatusOK || !strings.Contains(body, "goroutine?debug=1") {
		t.Errorf("%d\n%s", code, body)
	}
	if code, body := get(t, url+"goroutine?debug=2"); code != http.StatusOK || !strings.Contains(body, "TestAProfileCanBeTaken") {
		t.Errorf("%d\n%s", code, body)
	}
	for _, path := range []string{"heap", "profile?seconds=1", "trace?seconds=0.1"} {
		if code, body := get(t, url+path); code != http.StatusOK || len(body) == 0 {
			t.Errorf("%s: %d, %d bytes", path, code, len(body))
		}
	}
}
