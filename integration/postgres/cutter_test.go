//go:build integration

package postgres

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// cutter passes connections on to the server and cuts some of them at COMMIT: by turns before the server has seen it, and after the server has answered
// and before the client has heard. Every third commit goes through.
type cutter struct {
	upstream string
	listener net.Listener
	wg       sync.WaitGroup
	mu       struct {
		sync.Mutex
		commits int
		off     bool
		conns   []net.Conn
	}
}

func startCutter(t testing.TB, upstream string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{upstream: upstream, listener: l}
	c.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.pass(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // nobody listens any more
		c.mu.Lock()
		for _, conn := range c.mu.conns {
			_ = conn.Close() // the test is over
		}
		c.mu.Unlock()
		c.wg.Wait()
	})
	return c
}

func (c *cutter) addr() string { return c.listener.Addr().String() }

// pass copies both ways until one side ends.
func (c *cutter) pass(client net.Conn) {
	server, err := net.Dial("tcp", c.upstream)
	if err != nil {
		_ = client.Close() // the client finds out
		return
	}
	c.mu.Lock()
	c.mu.conns = append(c.mu.conns, client, server)
	c.mu.Unlock()
	var deaf sync.Mutex // held once answers are kept from the client
	c.wg.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if !deaf.TryLock() || err != nil {
				_ = client.Close() // the fault, or the end
				_ = server.Close()
				return
			}
			_, _ = client.Write(buf[:n]) // a client that is gone ends the other direction
			deaf.Unlock()
		}
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			break
		}
		if bytes.Contains(buf[:n], []byte("Q\x00\x00\x00\x0bcommit\x00")) {
			switch c.turn() {
			case 1:
				_ = server.Close() // before the server has seen it
			case 2:
				deaf.Lock() // the answer to what follows is lost
			}
		}
		if _, err := server.Write(buf[:n]); err != nil {
			break
		}
	}
	_ = client.Close()
	_ = server.Close()
}

func (c *cutter) turn() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.off {
		return 0
	}
	c.mu.commits++
	return c.mu.commits % 3
}

// spare lets everything through, or ends that.
func (c *cutter) spare(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.off = on
}

// stop lets everything through, and gives the number of commits that were seen.
func (c *cutter) stop() int {
	c.spare(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.commits
}
