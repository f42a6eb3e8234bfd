package rest

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// reachTime bounds a connection, its TLS included.
const reachTime = 10 * time.Second

// ports are those of URLs without one.
var ports = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// Reach connects as a transport would for a URL, by TLS where it is https, and sends no request. It gives whom it has reached: where the transport has a proxy for the URL it is
// the proxy, and what is behind it is not asked. A transport that is nil, or of another make than net/http's, is taken for the default.
func Reach(ctx context.Context, by http.RoundTripper, rawURL string) (whom string, err error) {
	t, ok := by.(*http.Transport)
	if !ok {
		t = http.DefaultTransport.(*http.Transport)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, rawURL, nil)
	if err != nil {
		return "", err
	}
	to := req.URL
	if t.Proxy != nil {
		proxy, err := t.Proxy(req)
		if err != nil {
			return "", err
		}
		if proxy != nil {
			to, whom = proxy, "the proxy "
		}
	}
	address := net.JoinHostPort(to.Hostname(), cmp.Or(to.Port(), ports[to.Scheme]))
	conn, err := dial(ctx, t.TLSClientConfig, address, to.Scheme == "https")
	if err != nil {
		return "", err
	}
	return whom + address, conn.Close()
}

func dial(ctx context.Context, config *tls.Config, address string, secure bool) (net.Conn, error) {
	plain := &net.Dialer{Timeout: reachTime}
	if !secure {
		return plain.DialContext(ctx, "tcp", address)
	}
	d := tls.Dialer{NetDialer: plain, Config: config}
	return d.DialContext(ctx, "tcp", address)
}
