package kafkasource

import (
	"context"
	"net"
	"sync"
	"time"
)

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// conns dials and remembers what is open, so that Run can close all of it when it returns: kafka-go's transport keeps a cancelled
// request's connection until the broker answers, and a black-holed broker never does.
type conns struct {
	dialNext dialFunc
	mu       struct {
		sync.Mutex
		open   map[*conn]struct{}
		closed bool
	}
}

type conn struct {
	net.Conn
	owner *conns
	once  sync.Once
	err   error
}

func newConns(dial dialFunc) *conns {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	c := &conns{dialNext: dial}
	c.mu.open = map[*conn]struct{}{}
	return c
}

func (c *conns) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := c.dialNext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	nc := &conn{Conn: raw, owner: c}
	if !c.add(nc) {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	return nc, nil
}

func (c *conns) add(nc *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return false
	}
	c.mu.open[nc] = struct{}{}
	return true
}

// Close closes the connection and forgets it.
func (nc *conn) Close() error {
	nc.once.Do(func() {
		nc.owner.mu.Lock()
		delete(nc.owner.mu.open, nc)
		nc.owner.mu.Unlock()
		nc.err = nc.Conn.Close()
	})
	return nc.err
}

// closeAll closes what is open and lets nothing be opened afterwards.
func (c *conns) closeAll() {
	c.mu.Lock()
	c.mu.closed = true
	open := make([]*conn, 0, len(c.mu.open))
	for nc := range c.mu.open {
		open = append(open, nc)
	}
	c.mu.Unlock()
	for _, nc := range open {
		_ = nc.Close() // the sockets are ours alone; nothing is left to lose on them
	}
}
