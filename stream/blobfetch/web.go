package blobfetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"vecmill/schemas"
)

// maxRedirects is how far a host may send us on.
const maxRedirects = 5

// web is the opener of https:// and, where a host is allowed so, http://.
func (f *Fetcher) web(ref schemas.Ref) (opener, error) {
	u, err := url.Parse(ref.URI)
	if err != nil {
		return nil, schemas.Rejectf(schemas.ReasonSchema, "fetching what is not a URI: %w", bare(err))
	}
	if why := f.hostRefusal(u); why != "" {
		return nil, schemas.Rejectf(schemas.ReasonFetchDenied, "fetching %s: %s", schemas.ShownURI(ref.URI), why)
	}
	return func(ctx context.Context) (*object, error) { return f.openWeb(ctx, ref, u) }, nil
}

func (f *Fetcher) openWeb(ctx context.Context, ref schemas.Ref, u *url.URL) (*object, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, schemas.Rejectf(schemas.ReasonSchema, "fetching %s: %w", schemas.ShownURI(ref.URI), err)
	}
	if ref.ETag != "" {
		req.Header.Set("If-Match", `"`+schemas.PlainETag(ref.ETag)+`"`)
	}
	if r := ref.Range; r != nil {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", r.Off, r.Off+r.N-1))
	}
	res, err := f.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", schemas.ShownURI(ref.URI), bare(err))
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusPartialContent {
		_, _ = io.CopyN(io.Discard, res.Body, 4<<10) // a short error page need not cost the connection
		res.Body.Close()
		return nil, statusFault(res.StatusCode, fmt.Errorf("fetching %s: the server answers %s", schemas.ShownURI(ref.URI), res.Status))
	}
	obj := &object{body: res.Body, size: res.ContentLength, etag: schemas.PlainETag(res.Header.Get("ETag")), contentType: res.Header.Get("Content-Type")}
	if err := f.matches(ref, obj, res.Header); err != nil {
		res.Body.Close()
		return nil, err
	}
	return obj, nil
}

// bare is an error without the "Get URI" or "parse URI" of package url in front: the caller names the URI, once, without its query. Nor does it quote a Location that is no URI, which
// may be signed, too: of that package http has no error value.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if strings.HasPrefix(err.Error(), "failed to parse Location header") {
		return errors.New("it redirects to what is no URI")
	}
	return err
}

func (f *Fetcher) newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         f.dial,
			Proxy:               nil, // a proxy would resolve names itself, past the check of addresses
			TLSClientConfig:     f.cfg.TLS.Clone(),
			ForceAttemptHTTP2:   true,
			DisableCompression:  true, // the length and the bytes are the object's
			MaxIdleConnsPerHost: 16,
			IdleConnTimeout:     90 * time.Second,

			MaxResponseHeaderBytes: 1 << 20,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return schemas.Rejectf(schemas.ReasonFetchFailed, "more than %d redirects", maxRedirects)
			}
			req.Header.Del("Referer") // a signed URI is a credential, and the next host is another
			if why := f.hostRefusal(req.URL); why != "" {
				return schemas.Rejectf(schemas.ReasonFetchDenied, "redirected to %s: %s", schemas.ShownURI(req.URL.String()), why)
			}
			return nil
		},
	}
}

// dial resolves the host, checks every address, and connects to one of exactly those.
func (f *Fetcher) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	ips, err := f.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	var last error = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	for _, ip := range ips {
		if !f.cfg.AllowPrivateHosts && !public(ip) {
			return nil, schemas.Rejectf(schemas.ReasonFetchDenied, "host %s is at %s, which is not a public address", host, ip)
		}
	}
	for _, ip := range ips {
		conn, err := d.DialContext(ctx, network, net.JoinHostPort(ip.Unmap().String(), port))
		if err == nil {
			return conn, nil
		}
		last = err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

func (f *Fetcher) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if f.cfg.LookupIP != nil {
		return f.cfg.LookupIP(ctx, host)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	if len(ips) == 0 {
		return nil, errors.New("no addresses for " + host)
	}
	return ips, nil
}
