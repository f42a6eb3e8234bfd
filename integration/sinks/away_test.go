//go:build integration

package sinks

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire is the way to a server, on which answers can get lost. (The proxy of the harness leaves goroutines behind, which the conformance suite looks for.)
type wire struct {
	listener net.Listener
	server   string
	lossy    atomic.Bool // a connection ends with its next answer
	wg       sync.WaitGroup
}

// startWire starts a way to a server at an http:// address; it ends with the test.
func startWire(t *testing.T, url string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, server: strings.TrimPrefix(url, "http://")}
	w.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // closed
			}
			w.wg.Go(func() { w.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.wg.Wait()
	})
	return w
}

func (w *wire) url() string { return "http://" + w.listener.Addr().String() }

func (w *wire) serve(client net.Conn) {
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		_ = client.Close()
		return
	}
	var asking sync.WaitGroup
	asking.Go(func() {
		_, _ = io.Copy(server, client) // until one of them ends
		_ = server.Close()
	})
	buf := make([]byte, 32<<10)
	for {
		n, err := server.Read(buf)
		if err != nil || w.lossy.Load() {
			break
		}
		if _, err := client.Write(buf[:n]); err != nil {
			break
		}
	}
	_, _ = client.Close(), server.Close()
	asking.Wait()
}

// away is a fixture's Break: for as long as so many requests may take, what is asked for happens, and its answer is lost.
func (w *wire) away(n int) {
	w.lossy.Store(true)
	time.AfterFunc(time.Duration(n)*40*time.Millisecond, func() { w.lossy.Store(false) })
}
