package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
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

// TestALoopbackAddressIsNotOfWebSites: neither the one that was asked for, nor that of profiles, nor that of a server that listens on all addresses, to which `kubectl port-forward` comes.
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
			for _, url := range []string{alone + "/livez", alone + "/metrics", open + "/livez", open + "/metrics", alone + "/debug/pprof/", alone + "/log/level", beside + "/debug/pprof/heap", beside + "/log/level"} {
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
		})
	}
}

// TestTheConnectionTellsWhoseNamesAreTaken: probes and Prometheus come to the address of a pod, by whatever name, unless the configuration says which.
func TestTheConnectionTellsWhoseNamesAreTaken(t *testing.T) {
	pod, loopback4, loopback6 := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 9464}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.TCPAddr{IP: net.IPv6loopback}
	for _, c := range []struct {
		name  string
		to    net.Addr
		names []string
		host  string
		ok    bool
	}{
		{"a probe", pod, nil, "10.1.2.3:9464", true},
		{"Prometheus by a service's name", pod, nil, "vecmill.lake.svc:9464", true},
		{"a probe, with names", pod, []string{"worker"}, "10.1.2.3:9464", true},
		{"a name that is told", pod, []string{"other", "worker"}, "Worker:9464", true},
		{"a name that is not", pod, []string{"worker"}, "site.example:9464", false},
		{"a port that a machine forwards to a container", pod, []string{"worker"}, "localhost:9464", true},
		{"a forwarded port", loopback4, nil, "localhost:9464", true},
		{"a forwarded port by a web site's name", loopback4, nil, "site.example:9464", false},
		{"the same of IPv6", loopback6, nil, "site.example:9464", false},
		{"a proxy beside the worker, by a name that is told", loopback4, []string{"worker"}, "worker:9464", true},
		{"nobody knows how", nil, nil, "site.example:9464", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/livez", nil)
			r.Host = c.host
			if c.to != nil {
				r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, c.to))
			}
			w := httptest.NewRecorder()
			ownHosts(c.names, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })).ServeHTTP(w, r)
			if (w.Code == http.StatusOK) != c.ok || !c.ok && w.Code != http.StatusForbidden {
				t.Errorf("%d", w.Code)
			}
		})
	}
}

// TestNamesAreTakenAsTheyAreTold: by a server as Start makes it.
func TestNamesAreTakenAsTheyAreTold(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Hosts: []string{"worker"}})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	for host, want := range map[string]int{"worker:9464": http.StatusOK, "127.0.0.1:9464": http.StatusOK, "site.example:9464": http.StatusForbidden} {
		if code := asked(t, http.MethodGet, "http://"+tel.Addr()+"/livez", host); code != want {
			t.Errorf("%s: %d, want %d", host, code, want)
		}
	}
}

// TestPagesOfOtherSitesTakeNoProfiles: nor do they see or change the log's level. The page's own and other programs do, and whoever gives the address to a browser.
func TestPagesOfOtherSitesTakeNoProfiles(t *testing.T) {
	var level slog.LevelVar
	_, url := servedAt(t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Config{Level: &level})
	host := strings.TrimPrefix(url, "http://")
	for _, c := range []struct {
		name    string
		headers map[string]string
		ok      bool
	}{
		{"curl, or go tool pprof", nil, true},
		{"typed into a browser", map[string]string{"Sec-Fetch-Site": "none"}, true},
		{"a link of its own", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://" + host}, true},
		{"a page of its own in an older browser", map[string]string{"Origin": "http://" + host}, true},
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site"}, false},
		{"another port of this machine", map[string]string{"Sec-Fetch-Site": "same-site"}, false},
		{"another site in an older browser", map[string]string{"Origin": "https://site.example"}, false},
		{"another port of this machine in an older browser", map[string]string{"Origin": "http://127.0.0.1:1"}, false},
		{"a page without an origin", map[string]string{"Origin": "null"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ask := func(method, path string) int {
				req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader("debug"))
				if err != nil {
					t.Fatal(err)
				}
				for name, value := range c.headers {
					req.Header.Set(name, value)
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if _, err := io.Copy(io.Discard, resp.Body); err != nil { // to its end: there is one trace at a time
					t.Error(err)
				}
				return resp.StatusCode
			}
			want := http.StatusForbidden
			if c.ok {
				want = http.StatusOK
			}
			level.Set(slog.LevelInfo)
			paths := []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/trace?seconds=0.01", "/debug/pprof/symbol", "/log/level"}
			if !c.ok { // else it takes its second each time
				paths = append(paths, "/debug/pprof/profile?seconds=1")
			}
			for _, path := range paths {
				if code := ask(http.MethodGet, path); code != want {
					t.Errorf("%s: %d, want %d", path, code, want)
				}
			}
			if code := ask(http.MethodPut, "/log/level"); code != want || (level.Level() == slog.LevelDebug) != c.ok {
				t.Errorf("PUT /log/level: %d, want %d, and the level is %v", code, want, level.Level())
			}
			if code := ask(http.MethodGet, "/livez"); code != http.StatusOK {
				t.Errorf("/livez: %d", code)
			}
		})
	}
}

// TestAProfileEnds: nobody takes one for hours.
func TestAProfileEnds(t *testing.T) {
	_, url := servedAt(t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Config{})
	for _, path := range []string{"profile?seconds=301", "profile?seconds=99999999999999999999", "trace?seconds=300.5", "trace?seconds=Inf", "trace?seconds=NaN", "heap?seconds=3600", "goroutine?seconds=301"} {
		if code, said := get(t, url+"/debug/pprof/"+path); code != http.StatusBadRequest || !strings.Contains(said, "300 at most") {
			t.Errorf("%s: %d, %s", path, code, said)
		}
	}
	taken := false
	h := bounded(func(http.ResponseWriter, *http.Request) { taken = true })
	h(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/pprof/profile?seconds=300", nil))
	if !taken {
		t.Error("five minutes are too much")
	}
}
