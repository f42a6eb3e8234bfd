// Package rpc is what sinks over gRPC have in common: the connection, and what its errors mean.
package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// Address is where http://host:port or https://host:port leads, and whether by TLS. port is taken if there is none.
func Address(rawURL, port string) (host, atPort string, secure bool, err error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return "", "", false, errors.New("url: not http://host:port or https://host:port") // it may hold a password
	}
	if p := u.Port(); p != "" {
		port = p
	}
	return u.Hostname(), port, u.Scheme == "https", nil
}

// Reconnect notices soon that a server is back; between tries deliver waits.
func Reconnect() grpc.DialOption {
	wait := backoff.DefaultConfig
	wait.MaxDelay = 2 * time.Second
	return grpc.WithConnectParams(grpc.ConnectParams{Backoff: wait, MinConnectTimeout: 5 * time.Second})
}

// Dial makes a connection, which opens with the first request, and gives the address as people know it.
func Dial(rawURL, port string, t *tls.Config) (conn *grpc.ClientConn, address string, err error) {
	host, port, secure, err := Address(rawURL, port)
	if err != nil {
		return nil, "", err
	}
	way := insecure.NewCredentials()
	if secure {
		if t == nil {
			t = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		way = credentials.NewTLS(t)
	}
	address = net.JoinHostPort(host, port)
	conn, err = grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(way), Reconnect())
	return conn, address, err
}

// Reach opens a connection that Dial has made: with TLS where it is told, and to somebody who speaks HTTP/2. A server that is there is asked nothing.
func Reach(ctx context.Context, conn *grpc.ClientConn) error {
	conn.Connect()
	for {
		switch state := conn.GetState(); state {
		case connectivity.Ready:
			return nil
		case connectivity.TransientFailure:
			// Only a request is told why, and there is nobody to send it to. The standard service for such questions, should that have changed meanwhile.
			_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
			switch status.Code(err) {
			case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
				return err
			}
			return nil // who answers is there
		default:
			if !conn.WaitForStateChange(ctx, state) {
				return ctx.Err()
			}
		}
	}
}

// Refused says whether a server will never take what was sent, for its own sake: a value that it does not like, a message that is too long for it or for what
// stands before it.
func Refused(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.OutOfRange:
		return true
	case codes.ResourceExhausted:
		return strings.Contains(err.Error(), "message larger than max")
	default:
		return false
	}
}

// Lasting says whether a server will answer so again, whatever is sent.
func Lasting(err error) bool {
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.Unimplemented, codes.FailedPrecondition:
		return true
	default:
		return false
	}
}
