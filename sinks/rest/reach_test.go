package rest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// TestReachConnectsAndAsksNothing also by way of a proxy, which is all that is looked at then: nobody is at the URL.
func TestReachConnectsAndAsksNothing(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked: %s %s", r.Method, r.URL) }))
	defer srv.Close()
	at, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String() + "/rows"
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	direct, proxied := &http.Transport{}, &http.Transport{Proxy: http.ProxyURL(at)}
	for _, c := range []struct {
		name, url, whom string
		by              http.RoundTripper
	}{
		{"who is there", srv.URL + "/rows", at.Host, direct},
		{"who is there, by the default", srv.URL + "/rows", at.Host, nil},
		{"nobody", nobody, "", direct},
		{"nobody, behind a proxy", nobody, "the proxy " + at.Host, proxied},
		{"a server that has no TLS", "https://" + at.Host, "", direct},
	} {
		whom, err := Reach(t.Context(), c.by, c.url)
		if whom != c.whom || (err == nil) != (c.whom != "") {
			t.Errorf("%s: reached %q, %v; want %q", c.name, whom, err, c.whom)
		}
	}
}
