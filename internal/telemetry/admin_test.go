package telemetry

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// at is a listener of an address that nobody listens on.
type at struct {
	net.Listener
	addr net.Addr
}

func (l at) Addr() net.Addr { return l.addr }

// servedAt serves as at an address, which no machine need have, on a port of this one.
func servedAt(t *testing.T, addr net.Addr, cfg Config) (*Telemetry, string) {
	t.Helper()
	here, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tel := &Telemetry{listener: at{here, addr}, metrics: sdkmetric.NewMeterProvider()}
	if err := tel.serve(t.Context(), cfg, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tel, "http://" + here.Addr().String()
}

func put(t *testing.T, url, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// What only the machine's own users are to do is not there at an address that others reach, whoever asks. It is at a loopback address beside that, then, so that it is never missing.
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
		t.Run(c.addr.String(), func(t *testing.T) {
			var level slog.LevelVar
			tel, admin := servedAt(t, c.addr, Config{DebugListen: "127.0.0.1:0", Level: &level})
			debug := admin
			if !c.own {
				debug = "http://" + tel.DebugAddr()
			} else if tel.DebugAddr() != "" {
				t.Errorf("%s is listened on, too", tel.DebugAddr())
			}
			for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/heap", "/debug/pprof/symbol", "/log/level"} {
				if code, _ := get(t, debug+path); code != http.StatusOK {
					t.Errorf("%s: %d", path, code)
				}
				if code, _ := get(t, admin+path); !c.own && code != http.StatusNotFound {
					t.Errorf("%s, where others reach it: %d", path, code)
				}
			}
			if code := put(t, admin+"/log/level", "warn"); (code == http.StatusOK) != c.own || (level.Level() == slog.LevelWarn) != c.own {
				t.Errorf("PUT /log/level: %d, and the level is %v", code, level.Level())
			}
			if code := put(t, debug+"/log/level", "debug"); code != http.StatusOK || level.Level() != slog.LevelDebug {
				t.Errorf("PUT /log/level: %d, and the level is %v", code, level.Level())
			}
			for path, want := range map[string]int{"/livez": 200, "/metrics": 200, "/readyz": 503} {
				if code, _ := get(t, admin+path); code != want {
					t.Errorf("%s: %d, want %d", path, code, want)
				}
				if code, _ := get(t, debug+path); !c.own && code != http.StatusNotFound {
					t.Errorf("%s, beside profiles: %d", path, code)
				}
			}
			if code, _ := get(t, debug+"/debug/pprof/cmdline"); code != http.StatusNotFound { // a command line may hold what nobody should see
				t.Errorf("the command line: %d", code)
			}
		})
	}
}

func TestProfilesCanBeLeftOut(t *testing.T) {
	tel, admin := servedAt(t, &net.TCPAddr{IP: net.IPv4zero}, Config{})
	if code, _ := get(t, admin+"/debug/pprof/"); code != http.StatusNotFound || tel.DebugAddr() != "" {
		t.Errorf("%d, and %q is listened on", code, tel.DebugAddr())
	}
}

// TestAnAddressOfProfilesThatWillNotDoIsNamed: neither one that others reach nor one that is taken.
func TestAnAddressOfProfilesThatWillNotDoIsNamed(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]string{taken.Addr().String(): "address already in use; choose another address", "0.0.0.0:0": "no loopback address", "worker:9465": "worker"} {
		tel := &Telemetry{listener: at{addr: &net.TCPAddr{IP: net.IPv4zero}}}
		err := tel.serve(t.Context(), Config{DebugListen: address}, prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), "telemetry.debug_listen: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestAnAddressOfProfilesThatNobodyChoseMayBeTaken: by the worker's own page, too. What else is wrong with it is a fault still.
func TestAnAddressOfProfilesThatNobodyChoseMayBeTaken(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var log bytes.Buffer
	tel, admin := servedAt(t, &net.TCPAddr{IP: net.IPv4zero}, Config{DebugListen: taken.Addr().String(), DebugIfFree: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if code, _ := get(t, admin+"/livez"); code != http.StatusOK || tel.DebugAddr() != "" {
		t.Errorf("%d, and %q is listened on", code, tel.DebugAddr())
	}
	if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "telemetry.debug_listen") || !strings.Contains(text, taken.Addr().String()) {
		t.Errorf("the log is %q", text)
	}
	tel = &Telemetry{listener: at{addr: &net.TCPAddr{IP: net.IPv4zero}}}
	if err := tel.serve(t.Context(), Config{DebugListen: "0.0.0.0:0", DebugIfFree: true}, prometheus.NewRegistry()); err == nil {
		t.Error("others reach profiles")
	}
}

// TestAPageThatNobodyAskedForMayHaveNoPlace: a list is run beside a worker, whose page is there.
func TestAPageThatNobodyAskedForMayHaveNoPlace(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var log bytes.Buffer
	c := Config{Listen: taken.Addr().String(), Log: slog.New(slog.NewTextHandler(&log, nil))}
	if _, err := Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("a worker goes on without its page: %v", err)
	}
	c.ListenIfFree = true
	tel, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	tel.Page(http.NotFoundHandler())
	if text := log.String(); tel.Addr() != "" || !strings.Contains(text, "level=WARN") || !strings.Contains(text, "telemetry.listen") || !strings.Contains(text, c.Listen) {
		t.Errorf("%q is listened on, and the log is %q", tel.Addr(), text)
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	c.Listen = "127.0.0.1:99999"
	if _, err := Start(t.Context(), c); err == nil {
		t.Error("an address that is none is taken for one that something else has")
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
