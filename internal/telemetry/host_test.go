package telemetry

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
)

// asked asks as a browser that was led here by a name does.
func asked(t *testing.T, method, url, host string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("debug"))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if said, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode == http.StatusForbidden && !strings.Contains(string(said), "localhost") {
		t.Errorf("%v, %q", err, said)
	}
	return resp.StatusCode
}

// TestALoopbackAddressIsNotOfWebSites: neither the one that was asked for nor that of profiles. Where others reach the worker by its names, all of them do.
func TestALoopbackAddressIsNotOfWebSites(t *testing.T) {
	var level slog.LevelVar
	own := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	_, alone := servedAt(t, own, Config{Level: &level})
	tel, open := servedAt(t, &net.TCPAddr{IP: net.IPv4zero}, Config{DebugListen: "127.0.0.1:0", Level: &level})
	beside := "http://" + tel.DebugAddr()
	for _, c := range []struct {
		host string
		ok   bool
	}{
		{"localhost", true},
		{"localhost:9464", true},
		{"LocalHost:80", true},
		{"127.0.0.1", true},
		{"127.0.0.1:9464", true},
		{"[::1]", true},
		{"[::1]:9464", true},
		{"10.1.2.3:8080", true}, // a tunnel's, or a container's
		{"site.example", false},
		{"site.example:9464", false},
		{"localhost.site.example:9464", false},
		{"127.0.0.1.site.example", false},
		{"worker:9464", false},
	} {
		t.Run(c.host, func(t *testing.T) {
			want := http.StatusForbidden
			if c.ok {
				want = http.StatusOK
			}
			for _, url := range []string{alone + "/livez", alone + "/metrics", alone + "/debug/pprof/", alone + "/log/level", beside + "/debug/pprof/heap", beside + "/log/level"} {
				if code := asked(t, http.MethodGet, url, c.host); code != want {
					t.Errorf("%s: %d, want %d", url, code, want)
				}
			}
			for _, url := range []string{alone, beside} {
				level.Set(slog.LevelInfo)
				if code := asked(t, http.MethodPut, url+"/log/level", c.host); code != want || (level.Level() == slog.LevelDebug) != c.ok {
					t.Errorf("%s: %d, want %d, and the level is %v", url, code, want, level.Level())
				}
			}
			if code := asked(t, http.MethodGet, open+"/livez", c.host); code != http.StatusOK {
				t.Errorf("where others reach it: %d", code)
			}
		})
	}
}
