package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports are drawn below Linux's ephemeral range (from 32768), or an outgoing connection could take a server's port
// while the server is down between Kill and Restart.
const (
	firstPort = 20000
	lastPort  = 31999
)

// FreePort is a loopback port on which nothing listens now, nor will by chance while a server that had it is down.
func FreePort(tb testing.TB) int {
	tb.Helper()
	return freePorts(tb, 1)[0]
}

// freePorts is n different loopback ports on which nothing listens now.
func freePorts(tb testing.TB, n int) []int {
	tb.Helper()
	var ports []int
	var held []net.Listener // until all are found, so that they differ
	defer func() {
		for _, l := range held {
			_ = l.Close() // it carried no data
		}
	}()
	for range 1000 {
		if len(ports) == n {
			return ports
		}
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		held = append(held, l)
		ports = append(ports, port)
	}
	tb.Fatalf("no %d free ports between %d and %d", n, firstPort, lastPort)
	return nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
