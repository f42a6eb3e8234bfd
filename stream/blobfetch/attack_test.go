package blobfetch

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"vecmill/schemas"
)

// The tables below are what somebody may write into a reference who may write to the topic and nothing else.

func denied(t *testing.T, f *Fetcher, uri string) {
	t.Helper()
	var r reservation
	blob, err := f.Fetch(t.Context(), schemas.Ref{ID: "x", URI: uri}, r.reserve)
	why, rejected := schemas.Rejected(err)
	if !rejected || why != schemas.ReasonFetchDenied && why != schemas.ReasonSchema && why != schemas.ReasonFetchMissing {
		t.Errorf("%q: %v", uri, err)
	}
	if blob != nil && strings.Contains(string(blob.Data), "secret") {
		t.Errorf("%q gives away %q", uri, blob.Data)
	}
	if err != nil && strings.Count(err.Error(), "fetching") > 1 {
		t.Errorf("the error repeats itself: %v", err)
	}
}

func TestNoS3ReferenceLeavesItsPrefix(t *testing.T) {
	var reached atomic.Int32
	cfg := quick()
	cfg.S3 = store(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		fmt.Fprint(w, "secret")
	}))
	cfg.Buckets = []string{"box/in/audio", "whole", "slash/in/"}
	f := fetcher(t, cfg)
	for _, uri := range []string{
		"s3://box/in/audio/../secret", "s3://box/in/audio/..", "s3://box/in/audio/./x", "s3://box/in/audio/%2e%2e/secret", "s3://box/in/audio/%2E./secret",
		"s3://box/in/audio/%2e%2e/secret%zz", "s3://box/in/audio/%zz/%2e%2e/%2e%2e/secret", "s3://box/in/audio/%2e%2e/%", "s3://box/in/audio/%00%g0",
		"s3://box/in/audio/..%2fsecret", "s3://box/in/audio/..%5csecret", `s3://box/in/audio/..\secret`, `s3://box/in/audio\..\..\secret`, "s3://box/in/audio/x\x00/../../secret", "s3://box/in/audio/%00",
		"s3://box/in/audio-secret/x", "s3://box/in/audiosecret", "s3://box/in", "s3://box/in/", "s3://box//in/audio/x", "s3://box/secret", "s3://box/IN/AUDIO/x",
		"s3://whole/../box/secret", "s3://whole/a/..", "s3://slash/inside",
		"s3://whole.evil/x", "s3://wholE/x", "s3://whole@evil.example/x", "s3://key:pass@whole/x", "s3://evil/whole/x", "s3:///whole/x", "s3://whole", "s3://whole/", "S3://other/x", "s3://*/x", "s3://box/*",
	} {
		denied(t, f, uri)
	}
	if reached.Load() != 0 {
		t.Errorf("the store was asked %d times", reached.Load())
	}
	for _, key := range []string{"s3://box/in/audio/x", "s3://box/in/audio", "s3://box/in/audio/a..b/...", "s3://box/in/audio//x", "s3://whole/a%zz", "s3://slash/in/x", "S3://whole/x"} {
		if _, err := f.opener(schemas.Ref{URI: key}); err != nil {
			t.Errorf("%q is refused: %v", key, err)
		}
	}
}

func TestNoWebReferenceReachesWhatIsNotAllowed(t *testing.T) {
	var reached atomic.Bool
	cfg, port := site(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	cfg.AllowPrivateHosts = false
	cfg.Hosts = append(cfg.Hosts, "*.example.com:"+port, "http://plain.example:80")
	f := fetcher(t, cfg)
	for _, uri := range []string{
		"https://example.com:" + port + "@evil.example/", "https://evil.example#@example.com:" + port, "https://evil.example/?https://example.com:" + port,
		"https://u@example.com:" + port + "/", "https://example.com.evil.example:" + port + "/", "https://evilexample.com:" + port + "/", "https://example.com:1/",
		"https://example.com%00.evil.example/", "https://example.com%2eevil.example/", "https://example.com\\@evil.example/", "https://[::ffff:127.0.0.1]:" + port + "/",
		"https://127.1:" + port + "/", "https://0x7f.1:" + port + "/", "https://2130706433:" + port + "/", "https://017700000001:" + port + "/", "https://localhost:" + port + "/",
		"https://169.254.169.254/latest/meta-data/", "https://metadata.google.internal/", "http://example.com:" + port + "/", "http://169.254.169.254/",
		"ftp://example.com/", "gopher://example.com/", "javascript:alert(1)", "data:text/plain,secret", "//example.com/", "https:///x", "https:example.com", "HTTPS://evil.example/", "unix:///run/docker.sock",
		"https://xn--example-9ua.com:" + port + "/", "https://example。com:" + port + "/",
	} {
		denied(t, f, uri)
	}
	for _, ip := range []string{
		"127.0.0.1", "127.8.8.8", "::1", "::", "0.0.0.0", "10.0.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "fe80::1", "fd00:ec2::254", "100.64.0.1", "100.100.100.200", "168.63.129.16",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::", "2001:0:7f00:1::", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1",
	} {
		f.cfg.LookupIP = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("93.184.215.14"), netip.MustParseAddr(ip)}, nil
		}
		denied(t, f, "https://a.example.com:"+port+"/"+ip)
	}
	if reached.Load() {
		t.Error("the server was reached")
	}
}

// What a request carries for its own host is not carried to the next: no cookie, no credential, and not the signed URI itself as the referrer.
func TestARedirectCarriesNothingToTheNextHost(t *testing.T) {
	var got http.Header
	next := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		fmt.Fprint(w, "hello")
	}))
	t.Cleanup(next.Close)
	cfg, port := site(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "secret", Domain: "example.com"})
		http.Redirect(w, r, next.URL+"/there", http.StatusFound)
	})
	pool := cfg.TLS.RootCAs
	pool.AddCert(next.Certificate())
	cfg.Hosts = append(cfg.Hosts, strings.TrimPrefix(next.URL, "https://"))
	f := fetcher(t, cfg)
	var r reservation
	if _, err := f.Fetch(t.Context(), schemas.Ref{URI: "https://example.com:" + port + "/x?X-Amz-Signature=secret"}, r.reserve); err != nil {
		t.Fatal(err)
	}
	for k, v := range got {
		if strings.Contains(strings.Join(v, ""), "secret") || k == "Authorization" || k == "Cookie" {
			t.Errorf("the next host gets %s: %s", k, v)
		}
	}
}

func TestNoFileReferenceLeavesItsRoot(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "in")
	for _, d := range []string{"in/sub", "in-secret"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"secret", "in-secret/secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"in/absolute": filepath.Join(dir, "secret"), "in/relative": "../secret", "in/dir": "..", "in/sub/up": "../../secret", "in/chain": "sub/up", "in/dangling": "../nothing", "in/loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "good"), []byte("good"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../good", filepath.Join(root, "sub", "inside")); err != nil {
		t.Fatal(err)
	}
	cfg := quick()
	cfg.FileRoots = []string{root}
	f := fetcher(t, cfg)
	for _, path := range []string{
		root + "/absolute", root + "/relative", root + "/dir/secret", root + "/sub/up", root + "/chain", root + "/dangling", root + "/../secret", root + "/%2e%2e/secret", root + "/sub/../../secret",
		dir + "/in-secret/secret", root + "-secret/secret", dir + "/secret", "/etc/passwd", "/proc/self/environ", root, root + "/", root + "/sub", root + "/good/../../secret",
	} {
		denied(t, f, "file://"+path)
	}
	for _, uri := range []string{"file://host" + root + "/good", "file:" + dir + "/secret", "FILE://" + dir + "/secret", "file://" + root + "/good\x00"} {
		denied(t, f, uri)
	}
	for _, name := range []string{"good", "sub/inside", "sub/../good"} {
		var r reservation
		if blob, err := f.Fetch(t.Context(), schemas.Ref{URI: "file://" + root + "/" + name}, r.reserve); err != nil || string(blob.Data) != "good" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzBucketAllowed(f *testing.F) {
	f.Add("in/audio/x")
	f.Add("in/audio/%2e%2e/x")
	fe := &Fetcher{cfg: Config{Buckets: []string{"box/in/audio"}}}
	f.Fuzz(func(t *testing.T, key string) {
		if !fe.bucketAllowed("box", key) {
			return
		}
		if clean := filepath.ToSlash(filepath.Clean("/" + key)); clean != "/in/audio" && !strings.HasPrefix(clean, "/in/audio/") {
			t.Errorf("%q is allowed, and is %q", key, clean)
		}
	})
}
