package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// DefaultListen is telemetry.listen unless told otherwise. Where it is taken, the run of a list goes on without it.
const DefaultListen = "127.0.0.1:9464"

// DefaultDebugListen is telemetry.debug_listen unless told otherwise. Where it is taken, a worker goes on without it.
const DefaultDebugListen = "127.0.0.1:9465"

// Telemetry says where metrics and traces go.
type Telemetry struct {
	Listen       string   `yaml:"listen" doc:"address of the live page, /metrics (Prometheus), /livez and /readyz, and on a loopback address /debug/pprof and /log/level; empty turns it off, and so does, for the run of a list with the default, a worker that has it"`
	Hosts        []string `yaml:"hosts" doc:"names that requests may ask for besides localhost and addresses, without ports; with none, those that come to a loopback address may ask for no other name, and those that come to another address for any. Name yours where a container's port is published on its machine's 127.0.0.1: a web site could have a name of its own lead there, and read the page"`
	DebugListen  string   `yaml:"debug_listen" doc:"loopback address of /debug/pprof and /log/level where listen is an address that others reach; empty turns it off, and the default is left out where its port is taken"`
	Recent       bool     `yaml:"recent" doc:"the live page shows a few recent items of each pipeline with their objects and results, and the last dead letters' messages: everybody who can reach listen sees them"`
	OTLPEndpoint string   `yaml:"otlp_endpoint" doc:"base URL of an OTLP/HTTP collector, such as http://collector:4318: traces go to v1/traces below it, metrics to v1/metrics; empty turns it off"`
	TraceRatio   float64  `yaml:"trace_ratio" doc:"share of records that are traced, 0 to 1"`
}

func (t *Telemetry) validate(f *faults) {
	if _, port, err := net.SplitHostPort(t.Listen); t.Listen != "" {
		if _, none := net.LookupPort("tcp", port); err != nil || none != nil || port == "" {
			f.add("telemetry.listen", "%q is no address and port, such as 127.0.0.1:9464, or :9464 for all addresses", t.Listen)
		}
	}
	for i, h := range t.Hosts {
		if h == "" || strings.ContainsAny(h, ":/* ") {
			f.add(fmt.Sprintf("telemetry.hosts[%d]", i), "%q is no name alone, such as worker; leave protocol and port out", h)
		}
	}
	if t.TraceRatio < 0 || t.TraceRatio > 1 {
		f.add("telemetry.trace_ratio", "%v is not between 0 and 1", t.TraceRatio)
	}
	if at, err := netip.ParseAddrPort(t.DebugListen); t.DebugListen != "" && (err != nil || !at.Addr().IsLoopback()) {
		f.add("telemetry.debug_listen", "%q is no loopback address and port, such as 127.0.0.1:9465; whoever reaches it may take profiles", t.DebugListen)
	}
	if t.OTLPEndpoint == "" {
		return
	}
	const at = "telemetry.otlp_endpoint"
	u, err := url.Parse(t.OTLPEndpoint)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		f.add(at, "is not http://host:port or https://host:port") // the exporters would take their own default for it, and may hold a password
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		f.add(at, "has more than host and path, which would not be sent; headers are read from OTEL_EXPORTER_OTLP_HEADERS")
	case strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/v1/traces"), strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/v1/metrics"):
		f.add(at, "%q is the address of one signal; give the collector's own, to which v1/traces and v1/metrics are added", t.OTLPEndpoint)
	}
}
