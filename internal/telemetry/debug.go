package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
)

// loopback says whether only this machine, or this pod, reaches a listener.
func loopback(l net.Listener) bool {
	at, ok := l.Addr().(*net.TCPAddr)
	return ok && at.IP.IsLoopback()
}

// listenLoopback listens on an address and port that only this machine reaches; on another it never does.
func listenLoopback(ctx context.Context, address string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	if !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("%s is no loopback address", address)
	}
	return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
}

// debug serves profiles, which tell much and cost something to take, and the log's level.
func debug(m *http.ServeMux, level *slog.LevelVar) {
	m.HandleFunc("GET /debug/pprof/", pprof.Index)
	m.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	m.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	m.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	if level != nil {
		m.HandleFunc("GET /log/level", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, level.Level()) })
		m.HandleFunc("PUT /log/level", func(w http.ResponseWriter, r *http.Request) { setLevel(level, w, r) })
	}
}

// setLevel changes the level of the log to the one in the request's body. Browsers ask before they send a PUT to another site, and are told nothing.
func setLevel(level *slog.LevelVar, w http.ResponseWriter, r *http.Request) {
	said, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64))
	if err == nil {
		err = level.UnmarshalText(bytes.TrimSpace(said))
	}
	if err != nil {
		http.Error(w, "give debug, info, warn or error as the body", http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, level.Level())
}
