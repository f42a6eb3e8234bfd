package blobfetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"vecmill/schemas"
)

// A signed URI opens the object to whoever has it, and errors go to logs, to messages of dead letters and to the live page. Every fault that a host can make is made here; what a server's
// own words have is not looked at, as none of them are quoted but its status.
func TestNoErrorHasASignature(t *testing.T) {
	const signature = "5ec7e7"
	const signed = "?X-Amz-Credential=AKID&X-Amz-Signature=" + signature
	over := make(chan struct{})
	redirect := func(w http.ResponseWriter, to string) {
		w.Header().Set("Location", to+signed)
		w.WriteHeader(http.StatusFound)
	}
	cfg, port := site(t, func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; path {
		case "/whole":
			_, _ = io.WriteString(w, "0123456789")
		case "/short":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "0123456789")
		case "/broken":
			w.Header().Set("Content-Length", strconv.Itoa(2*headBytes))
			_, _ = io.CopyN(w, endless{}, headBytes+1)
			panic(http.ErrAbortHandler)
		case "/cut":
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/large":
			w.Header().Set("Content-Length", strconv.Itoa(10<<20))
		case "/endless":
			w.(http.Flusher).Flush()
			_, _ = io.CopyN(w, endless{}, 10<<20)
		case "/stalled":
			w.Header().Set("Content-Length", "100")
			w.(http.Flusher).Flush()
			select {
			case <-over:
			case <-r.Context().Done():
			}
		case "/loop":
			redirect(w, "/loop")
		case "/away":
			redirect(w, "https://other.example/x")
		case "/plain":
			redirect(w, "http://"+r.Host+"/whole")
		case "/secret-user":
			redirect(w, "https://"+signature+"@"+r.Host+"/whole")
		case "/nowhere":
			redirect(w, "https://ho st/%zz")
		case "/no-http":
			redirect(w, "ftp://"+r.Host+"/whole")
		default:
			code, _ := strconv.Atoi(path[1:])
			w.WriteHeader(code)
		}
	})
	defer close(over) // before the server closes
	cfg.MaxObjectBytes = 1 << 20
	impatient := cfg
	impatient.Timeout = 20 * time.Millisecond
	nameless, private := cfg, cfg
	nameless.LookupIP = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }
	private.AllowPrivateHosts = false
	at := "https://example.com:" + port
	const missing, denied, failed, large, schema = schemas.ReasonFetchMissing, schemas.ReasonFetchDenied, schemas.ReasonFetchFailed, schemas.ReasonTooLarge, schemas.ReasonSchema
	for _, c := range []struct {
		uri string
		why schemas.Reason
		cfg *Config // nil: the usual
		ref schemas.Ref
	}{
		{uri: at + "/400", why: failed},
		{uri: at + "/401", why: denied},
		{uri: at + "/403", why: denied},
		{uri: at + "/404", why: missing},
		{uri: at + "/410", why: missing},
		{uri: at + "/412", why: missing},
		{uri: at + "/416", why: missing},
		{uri: at + "/429", why: failed},
		{uri: at + "/500", why: failed},
		{uri: at + "/503", why: failed},
		{uri: at + "/whole", why: missing, ref: schemas.Ref{ETag: "another"}},
		{uri: at + "/whole", why: failed, ref: schemas.Ref{Range: &schemas.ByteRange{Off: 1, N: 2}}},
		{uri: at + "/short", why: failed},
		{uri: at + "/broken", why: failed},
		{uri: at + "/cut", why: failed},
		{uri: at + "/large", why: large},
		{uri: at + "/endless", why: large},
		{uri: at + "/stalled", why: failed, cfg: &impatient},
		{uri: at + "/loop", why: failed},
		{uri: at + "/away", why: denied},
		{uri: at + "/plain", why: denied},
		{uri: at + "/secret-user", why: denied},
		{uri: at + "/nowhere", why: failed},
		{uri: at + "/no-http", why: denied},
		{uri: at + "/whole", why: failed, cfg: &nameless},
		{uri: at + "/whole", why: denied, cfg: &private},
		{uri: "https://other.example/x", why: denied},
		{uri: "http://example.com:" + port + "/whole", why: denied},
		{uri: "https://" + signature + "@example.com/x", why: denied},
		{uri: "ftp://example.com/x", why: denied},
		{uri: "https:/example.com/x", why: denied},
		{uri: "https://example.com/%zz", why: schema},
		{uri: "https://exam ple.com/x", why: schema},
	} {
		use := cfg
		if c.cfg != nil {
			use = *c.cfg
		}
		f := fetcher(t, use)
		c.ref.URI = c.uri + signed
		var r reservation
		_, err := f.Fetch(t.Context(), c.ref, r.reserve)
		if why, _ := schemas.Rejected(err); err == nil || why != c.why {
			t.Errorf("%s: %v, want %s", c.uri, err, c.why)
			continue
		}
		if said := err.Error(); strings.Contains(said, signature) || strings.Contains(said, "AKID") {
			t.Errorf("%s: %s", c.uri, said)
		}
	}
}
