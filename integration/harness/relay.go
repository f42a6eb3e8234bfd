package harness

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
)

// relay passes connections on to one address and can close the answering half of them, which toxiproxy cannot.
type relay struct {
	upstream string
	listener net.Listener
	wg       sync.WaitGroup
	mu       struct {
		sync.Mutex
		open    map[*relayed]struct{}
		stopped bool
	}
}

// relayed is one connection on both sides of the relay.
type relayed struct{ client, server *net.TCPConn }

func startRelay(tb testing.TB, upstream string) *relay {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("starting a relay to %s: %v", upstream, err)
	}
	r := &relay{upstream: upstream, listener: l}
	r.mu.open = map[*relayed]struct{}{}
	r.wg.Go(r.accept)
	return r
}

func (r *relay) addr() string { return r.listener.Addr().String() }

// accept serves until the listener is closed.
func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.wg.Go(func() { r.serve(client.(*net.TCPConn)) })
	}
}

// serve copies both ways until the server has ended its half, or the client the whole of it.
func (r *relay) serve(client *net.TCPConn) {
	defer func() { _ = client.Close() }() // what was to be passed on has been
	conn, err := net.Dial("tcp", r.upstream)
	if err != nil {
		return // as a refused connection: the client sees it closed
	}
	c := &relayed{client, conn.(*net.TCPConn)}
	defer func() { _ = c.server.Close() }()
	if !r.add(c) {
		return
	}
	defer r.remove(c)
	var asking sync.WaitGroup
	asking.Go(func() {
		_, _ = io.Copy(c.server, c.client) // a fault of the wire, which is what this is for
		_ = c.server.CloseWrite()
	})
	if _, err := io.Copy(c.client, c.server); errors.Is(err, syscall.ECONNRESET) {
		_ = c.client.SetLinger(0) // a reset stays one
	} else {
		// The server has ended its half, or nobody listens to it any more after a half close; what the client sends still arrives.
		_ = c.client.CloseWrite()
		_, _ = io.Copy(io.Discard, c.server)
	}
	_ = c.client.Close()
	asking.Wait()
}

// halfClose ends the answers of all open connections.
func (r *relay) halfClose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.mu.open {
		_ = c.client.CloseWrite() // it may have ended by itself
	}
}

func (r *relay) add(c *relayed) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.stopped {
		return false
	}
	r.mu.open[c] = struct{}{}
	return true
}

func (r *relay) remove(c *relayed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.mu.open, c)
}

// stop closes everything and waits for it.
func (r *relay) stop() {
	_ = r.listener.Close()
	r.mu.Lock()
	r.mu.stopped = true
	for c := range r.mu.open {
		_ = c.client.Close()
		_ = c.server.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}
