package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strconv"
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

// mostSeconds is how long a profile may be taken, which costs something meanwhile.
const mostSeconds = 300

// debug serves profiles, which tell much and cost something to take, and the log's level. Neither is for pages of other web sites.
func debug(m *http.ServeMux, level *slog.LevelVar) {
	m.HandleFunc("GET /debug/pprof/", ownSite(bounded(pprof.Index)))
	m.HandleFunc("GET /debug/pprof/profile", ownSite(bounded(pprof.Profile)))
	m.HandleFunc("GET /debug/pprof/trace", ownSite(bounded(pprof.Trace)))
	m.HandleFunc("GET /debug/pprof/symbol", ownSite(pprof.Symbol))
	if level != nil {
		m.HandleFunc("GET /log/level", ownSite(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, level.Level()) }))
		m.HandleFunc("PUT /log/level", ownSite(func(w http.ResponseWriter, r *http.Request) { setLevel(level, w, r) }))
	}
}

// bounded refuses to take a profile for longer than mostSeconds.
func bounded(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// What is no number is left to h, which takes its own default.
		if seconds, err := strconv.ParseFloat(r.FormValue("seconds"), 64); err == nil && (seconds > mostSeconds || math.IsNaN(seconds)) {
			http.Error(w, fmt.Sprintf("seconds is %d at most", mostSeconds), http.StatusBadRequest)
			return
		}
		h(w, r)
	}
}

// setLevel changes the level of the log to the one in the request's body.
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
