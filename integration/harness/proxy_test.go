package harness

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// echo is a server that answers every line with itself and remembers what it got.
type echo struct {
	listener net.Listener
	wg       sync.WaitGroup
	lines    chan string // 64: more than a test sends
}

func startEcho(t *testing.T) *echo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{listener: l, lines: make(chan string, 64)}
	e.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.wg.Go(func() {
				defer c.Close()
				for s := bufio.NewScanner(c); s.Scan(); {
					e.lines <- s.Text()
					_, _ = io.WriteString(c, s.Text()+"\n")
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		e.wg.Wait()
	})
	return e
}

// caller is a client that has said one line already and heard it back.
func caller(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if got, err := say(c, "hello", 10*time.Second); got != "hello\n" || err != nil {
		t.Fatalf("through a good wire: %q, %v", got, err)
	}
	return c
}

// say sends a line and reads what comes back until a line ends, the connection does, or patience runs out.
func say(c net.Conn, line string, patience time.Duration) (string, error) {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

func TestProxyMakesTheWireBad(t *testing.T) {
	for _, c := range []struct {
		name    string
		do      func(t *testing.T, p *Proxy)
		line    string // "there" if empty
		want    string
		err     error
		atLeast time.Duration
		arrives bool
	}{
		{name: "no fault lets everything through", do: func(*testing.T, *Proxy) {}, want: "there\n", arrives: true},
		{name: "latency delays the answer", do: func(t *testing.T, p *Proxy) { p.Latency(t, 300*time.Millisecond, 0) }, want: "there\n", atLeast: 300 * time.Millisecond, arrives: true},
		{name: "little bandwidth takes its time", do: func(t *testing.T, p *Proxy) { p.Bandwidth(t, 20) }, line: strings.Repeat("x", 8<<10), want: strings.Repeat("x", 8<<10) + "\n", atLeast: 300 * time.Millisecond, arrives: true},
		{name: "answers are cut off", do: func(t *testing.T, p *Proxy) { p.CutAnswers(t, 3) }, want: "the", err: io.EOF, arrives: true},
		{name: "answers are lost and requests are not", do: func(t *testing.T, p *Proxy) { p.LoseAnswers(t) }, err: os.ErrDeadlineExceeded, arrives: true},
		{name: "a black hole lets nothing through", do: func(t *testing.T, p *Proxy) { p.BlackHole(t) }, err: os.ErrDeadlineExceeded},
		{name: "a reset ends an open connection", do: func(t *testing.T, p *Proxy) { p.Reset(t) }, err: io.EOF},
		{name: "half-closed, the client reads the end and what it sends arrives", do: func(_ *testing.T, p *Proxy) { p.HalfClose() }, err: io.EOF, arrives: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := startEcho(t)
			p := StartProxy(t, server.listener.Addr().String())
			conn := caller(t, p)
			<-server.lines
			c.do(t, p)
			if c.line == "" {
				c.line = "there"
			}
			began := time.Now()
			got, err := say(conn, c.line, 2*time.Second)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("the client heard %.20q, %v; want %.20q, %v", got, err, c.want, c.err)
			}
			if took := time.Since(began); took < c.atLeast {
				t.Errorf("it took %v, want at least %v", took, c.atLeast)
			}
			select {
			case <-server.lines:
				if !c.arrives {
					t.Error("the server got what should not arrive")
				}
			case <-time.After(200 * time.Millisecond):
				if c.arrives {
					t.Error("the server got nothing")
				}
			}
			conn.Close()
			p.Heal(t)
			caller(t, p) // works again
		})
	}
}

func TestResetsReachNewConnectionsAsResets(t *testing.T) {
	server := startEcho(t)
	p := StartProxy(t, server.listener.Addr().String())
	p.Reset(t)
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := say(conn, "hello", 5*time.Second); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the client heard %v, want a reset", err)
	}
}
