package blobfetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vecmill/schemas"
)

// site is a TLS server under the name example.com, whose name the resolver hook leads to the loopback address.
func site(t *testing.T, h http.HandlerFunc) (cfg Config, port string) {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate()) // httptest's certificate is for example.com and 127.0.0.1
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cfg = quick()
	cfg.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	cfg.Hosts = []string{"example.com:" + port}
	cfg.AllowPrivateHosts = true
	cfg.LookupIP = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return cfg, port
}

func TestFetchFromAHost(t *testing.T) {
	data := strings.Repeat("0123456789", 20_000)
	var flaky atomic.Int32
	cfg, port := site(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/chunked", "/endless", "/small-chunked":
			w.(http.Flusher).Flush()
			n := map[string]int{"/chunked": len(data), "/endless": 10 << 20, "/small-chunked": 10}[r.URL.Path]
			_, _ = io.CopyN(w, endless{}, int64(n))
		case "/cut", "/cut-at-once":
			w.(http.Flusher).Flush()
			_, _ = io.CopyN(w, endless{}, int64(len(strings.TrimPrefix(r.URL.Path, "/cut-at-once"))))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/flaky":
			if flaky.Add(1) < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = io.WriteString(w, "at last")
		case "/whole-for-range":
			_, _ = io.WriteString(w, data)
		case "/hop":
			http.Redirect(w, r, "/data", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/away":
			http.Redirect(w, r, "https://other.example/x", http.StatusFound)
		case "/plain":
			http.Redirect(w, r, "http://"+r.Host+"/data", http.StatusFound)
		case "/data":
			w.Header().Set("ETag", `"v1"`)
			http.ServeContent(w, r, "x.wav", time.Time{}, strings.NewReader(data))
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/private":
			w.WriteHeader(http.StatusForbidden)
		default:
			http.NotFound(w, r)
		}
	})
	cfg.MaxObjectBytes = 1 << 20
	f := fetcher(t, cfg)
	at := "https://example.com:" + port
	for _, c := range []struct {
		name string
		ref  schemas.Ref
		want int
		why  schemas.Reason
	}{
		{"an object", schemas.Ref{URI: at + "/data"}, len(data), ""},
		{"a pinned object", schemas.Ref{URI: at + "/data", ETag: "v1"}, len(data), ""},
		{"another ETag", schemas.Ref{URI: at + "/data", ETag: "v2"}, 0, schemas.ReasonFetchMissing},
		{"a range", schemas.Ref{URI: at + "/data", Range: &schemas.ByteRange{Off: 5, N: 7}}, 7, ""},
		{"a range outside", schemas.Ref{URI: at + "/data", Range: &schemas.ByteRange{Off: 5e6, N: 7}}, 0, schemas.ReasonFetchMissing},
		{"a server that ignores ranges", schemas.Ref{URI: at + "/whole-for-range", Range: &schemas.ByteRange{Off: 5, N: 7}}, 0, schemas.ReasonFetchFailed},
		{"an object of unknown length", schemas.Ref{URI: at + "/chunked"}, len(data), ""},
		{"a short object of unknown length", schemas.Ref{URI: at + "/small-chunked"}, 10, ""},
		{"an object of unknown length over the limit", schemas.Ref{URI: at + "/endless"}, 0, schemas.ReasonTooLarge},
		{"an object of unknown length that is cut off", schemas.Ref{URI: at + "/cut"}, 0, schemas.ReasonFetchFailed},
		{"one that is cut off before its first byte", schemas.Ref{URI: at + "/cut-at-once"}, 0, schemas.ReasonFetchFailed},
		{"a server that recovers", schemas.Ref{URI: at + "/flaky"}, 7, ""},
		{"a redirect to an allowed place", schemas.Ref{URI: at + "/hop"}, len(data), ""},
		{"redirects without end", schemas.Ref{URI: at + "/loop"}, 0, schemas.ReasonFetchFailed},
		{"a redirect to another host", schemas.Ref{URI: at + "/away"}, 0, schemas.ReasonFetchDenied},
		{"a redirect to plain http", schemas.Ref{URI: at + "/plain"}, 0, schemas.ReasonFetchDenied},
		{"not found", schemas.Ref{URI: at + "/nothing"}, 0, schemas.ReasonFetchMissing},
		{"gone", schemas.Ref{URI: at + "/gone"}, 0, schemas.ReasonFetchMissing},
		{"forbidden", schemas.Ref{URI: at + "/private"}, 0, schemas.ReasonFetchDenied},
		{"plain http", schemas.Ref{URI: "http://example.com:" + port + "/data"}, 0, schemas.ReasonFetchDenied},
		{"a password in the URI", schemas.Ref{URI: "https://u:p@example.com:" + port + "/data"}, 0, schemas.ReasonFetchDenied},
		{"another host", schemas.Ref{URI: "https://127.0.0.1:" + port + "/data"}, 0, schemas.ReasonFetchDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r reservation
			blob, err := f.Fetch(t.Context(), c.ref, r.reserve)
			if why, _ := schemas.Rejected(err); why != c.why || (err == nil) != (c.why == "") {
				t.Fatalf("%v, want %q", err, c.why)
			}
			if err == nil && (len(blob.Data) != c.want || r.calls != 1) {
				t.Errorf("%d bytes, want %d; %d reservations", len(blob.Data), c.want, r.calls)
			}
		})
	}
	if strings.Contains(fmt.Sprint(func() error { _, err := f.opener(schemas.Ref{URI: "https://u:hunter2@example.com/"}); return err }()), "hunter2") {
		t.Error("a password is in the error")
	}
}

// endless is a reader of zeros.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestPrivateAddressesAreRefusedAtTheDial(t *testing.T) {
	var reached atomic.Bool
	cfg, port := site(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	cfg.AllowPrivateHosts = false
	cfg.Hosts = []string{"*:" + port}
	var r reservation
	for name, ips := range map[string][]string{
		"a name that resolves to loopback":           {"127.0.0.1"},
		"a name with a public and a private address": {"93.184.215.14", "10.0.0.1"},
		"a mapped IPv4 address":                      {"::ffff:127.0.0.1"},
		"the cloud's metadata service":               {"169.254.169.254"},
	} {
		cfg.LookupIP = func(context.Context, string) (out []netip.Addr, err error) {
			for _, s := range ips {
				out = append(out, netip.MustParseAddr(s))
			}
			return out, nil
		}
		_, err := fetcher(t, cfg).Fetch(t.Context(), schemas.Ref{URI: "https://example.com:" + port + "/"}, r.reserve)
		if why, _ := schemas.Rejected(err); why != schemas.ReasonFetchDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, uri := range []string{"https://127.0.0.1:" + port + "/", "https://[::1]:" + port + "/"} {
		_, err := fetcher(t, cfg).Fetch(t.Context(), schemas.Ref{URI: uri}, r.reserve)
		if why, _ := schemas.Rejected(err); why != schemas.ReasonFetchDenied {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if reached.Load() {
		t.Error("the server was reached")
	}
}

// An attacker's name server answers a check with one address and the connection with another. Here there is one look-up: what it says is checked, and dialled.
func TestANameIsLookedUpOnceForTheCheckAndTheConnection(t *testing.T) {
	cfg, port := site(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	var lookups atomic.Int32
	cfg.LookupIP = func(context.Context, string) ([]netip.Addr, error) {
		if lookups.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
	}
	var r reservation
	blob, err := fetcher(t, cfg).Fetch(t.Context(), schemas.Ref{URI: "https://example.com:" + port + "/"}, r.reserve)
	if err != nil || string(blob.Data) != "hello" || lookups.Load() != 1 {
		t.Errorf("%v after %d look-ups", err, lookups.Load())
	}
}

func TestARedirectToAPrivateAddressIsRefused(t *testing.T) {
	var reached atomic.Bool
	inner := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer inner.Close()
	cfg, port := site(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inner.URL, http.StatusFound) })
	cfg.Hosts = []string{"example.com:" + port, strings.TrimPrefix(inner.URL, "https://")} // the list allows both; the address does not
	cfg.AllowPrivateHosts = false
	f := fetcher(t, cfg)
	f.cfg.AllowPrivateHosts = true // for the first connection only
	f.cfg.LookupIP = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	redirect := f.client.CheckRedirect
	f.client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		f.cfg.AllowPrivateHosts = false
		return redirect(req, via)
	}
	var r reservation
	_, err := f.Fetch(t.Context(), schemas.Ref{URI: "https://example.com:" + port + "/"}, r.reserve)
	if why, _ := schemas.Rejected(err); why != schemas.ReasonFetchDenied || reached.Load() {
		t.Errorf("%v, reached %v", err, reached.Load())
	}
}

func TestPublicAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false,
		"255.255.255.255": false, "224.0.0.1": false, "198.18.0.1": false, "::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "ff02::1": false,
		"::ffff:10.0.0.1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false, "2001:db8::1": false, "2001::1": false,
	} {
		if got := public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: public %v", addr, got)
		}
	}
}

func TestHostRules(t *testing.T) {
	for _, c := range []struct {
		rule, uri string
		want      bool
	}{
		{"example.com", "https://example.com/x", true},
		{"example.com", "https://EXAMPLE.com./x", true},
		{"example.com", "https://example.com:443/x", true},
		{"example.com", "https://example.com:8443/x", false},
		{"example.com:8443", "https://example.com:8443/x", true},
		{"example.com", "https://evilexample.com/x", false},
		{"example.com", "https://a.example.com/x", false},
		{"example.com", "http://example.com/x", false},
		{"http://example.com", "http://example.com/x", true},
		{"http://example.com", "https://example.com/x", true},
		{"*.example.com", "https://a.example.com/x", true},
		{"*.example.com", "https://a.b.example.com/x", true},
		{"*.example.com", "https://example.com/x", false},
		{"*.example.com", "https://.example.com/x", false},
		{"*", "https://anything/x", true},
		{"*", "http://anything/x", false},
		{"example.com", "https://example.com@evil.com/x", false},
		{"[2606:4700::1]", "https://[2606:4700::1]/x", true},
	} {
		r, err := parseHostRule(c.rule)
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		u, err := url.Parse(c.uri)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.covers(u); got != c.want {
			t.Errorf("%q covers %s: %v", c.rule, c.uri, got)
		}
	}
	for _, bad := range []string{"", "a/b", "a*b", "*.", "user@host", "ftp://x"} {
		if _, err := parseHostRule(bad); err == nil {
			t.Errorf("%q is taken for a host", bad)
		}
	}
}

// No host that a rule without a wildcard covers is another host, whatever the spelling of the URI.
func FuzzHostRule(f *testing.F) {
	f.Add("https://example.com/x")
	f.Add("https://example.com%2eevil.com/")
	f.Fuzz(func(t *testing.T, uri string) {
		u, err := url.Parse(uri)
		if err != nil {
			return
		}
		r, err := parseHostRule("example.com")
		if err != nil {
			t.Fatal(err)
		}
		if r.covers(u) && strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") != "example.com" {
			t.Errorf("%q is covered", uri)
		}
	})
}

func TestValidateNamesEveryFault(t *testing.T) {
	var none Config
	none.Hosts, none.FileRoots, none.Buckets = []string{"a/b"}, []string{"relative"}, []string{"s3://b"}
	_, err := New(none)
	for _, want := range []string{"hosts[0]", "file_roots[0]", "buckets[0]", "max_object_bytes", "timeout", "max_duration", "attempts"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
