package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxy stands between a client and a server and can make the wire between them bad. Faults add up until [Proxy.Heal].
//
// Clients reach it at Addr. The way goes through a relay of our own, which can close one half of a connection, and then
// through toxiproxy, which can do the rest.
type Proxy struct {
	relay  *relay
	toxics *toxiproxy.Proxy
}

// healing is how long the proxy may take to let a fault go.
const healing = 15 * time.Second

// StartProxy starts a proxy to a server's address; it stops with the test. The server need not run yet.
func StartProxy(tb testing.TB, upstream string) *Proxy {
	tb.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy's faults log to standard error, whatever logger it is given
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &Proxy{toxics: toxiproxy.NewProxy(server, "wire", "127.0.0.1:0", upstream)}
	if err := p.toxics.Start(); err != nil {
		tb.Fatalf("starting a proxy to %s: %v", upstream, err)
	}
	p.relay = startRelay(tb, p.toxics.Listen)
	tb.Cleanup(func() {
		p.relay.stop()
		p.heal(context.Background())
		p.toxics.Stop()
	})
	return p
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.relay.addr() }

// Latency delays every answer by d, more or less jitter.
func (p *Proxy) Latency(tb testing.TB, d, jitter time.Duration) {
	tb.Helper()
	p.add(tb, "latency", "downstream", map[string]int64{"latency": d.Milliseconds(), "jitter": jitter.Milliseconds()})
}

// Bandwidth lets so many KiB a second through in each direction.
func (p *Proxy) Bandwidth(tb testing.TB, kibPerSecond int64) {
	tb.Helper()
	p.add(tb, "bandwidth", "downstream", map[string]int64{"rate": kibPerSecond})
	p.add(tb, "bandwidth", "upstream", map[string]int64{"rate": kibPerSecond})
}

// Reset ends connections as soon as something is sent on them, those of clients that come now with a TCP reset.
func (p *Proxy) Reset(tb testing.TB) {
	tb.Helper()
	p.add(tb, "reset_peer", "upstream", map[string]int64{"timeout": 0})
}

// CutAnswers closes each connection after so many bytes of answers, most often within one.
func (p *Proxy) CutAnswers(tb testing.TB, after int64) {
	tb.Helper()
	p.add(tb, "limit_data", "downstream", map[string]int64{"bytes": after})
}

// LoseAnswers lets requests through and drops every answer: what was asked for happens, and nobody hears of it.
func (p *Proxy) LoseAnswers(tb testing.TB) {
	tb.Helper()
	p.add(tb, "timeout", "downstream", map[string]int64{"timeout": 0})
}

// BlackHole drops everything in both directions and keeps connections open.
func (p *Proxy) BlackHole(tb testing.TB) {
	tb.Helper()
	p.add(tb, "timeout", "upstream", map[string]int64{"timeout": 0})
	p.add(tb, "timeout", "downstream", map[string]int64{"timeout": 0})
}

// HalfClose ends the answering half of every open connection: the client reads the end, and what it still sends arrives.
func (p *Proxy) HalfClose() { p.relay.halfClose() }

// Heal takes all faults away. Connections that have been a black hole are closed by it.
func (p *Proxy) Heal(tb testing.TB) {
	tb.Helper()
	if !p.heal(tb.Context()) {
		tb.Fatalf("the proxy to %s does not let its faults go", p.toxics.Upstream)
	}
}

func (p *Proxy) heal(ctx context.Context) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.toxics.Toxics.ResetToxics(ctx)
	}()
	select {
	case <-done:
		return true
	case <-time.After(healing):
		return false
	}
}

// add adds one of toxiproxy's toxics to a direction.
func (p *Proxy) add(tb testing.TB, toxic, direction string, attributes map[string]int64) {
	tb.Helper()
	b, err := json.Marshal(map[string]any{"type": toxic, "stream": direction, "attributes": attributes})
	if err == nil {
		_, err = p.toxics.Toxics.AddToxicJson(bytes.NewReader(b))
	}
	if err != nil {
		tb.Fatalf("adding %s to the proxy to %s: %v", toxic, p.toxics.Upstream, err)
	}
}
