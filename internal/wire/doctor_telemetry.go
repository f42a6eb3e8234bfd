package wire

import (
	"context"
	"net"
	"strings"
	"time"

	"vecmill/internal/config"
	"vecmill/internal/telemetry"
)

// collectorTime bounds what a collector is waited for: whoever wants a worker to start does not want to wait for traces.
const collectorTime = 15 * time.Second

// profiles compares the worker's two addresses. Neither is listened on, since a worker may run beside this.
func (d *doctor) profiles() {
	t := &d.c.Telemetry
	host, port, err := net.SplitHostPort(t.Listen)
	_, own, err2 := net.SplitHostPort(t.DebugListen)
	at := net.ParseIP(host)
	if err != nil || err2 != nil || port != own || port == "0" || host != "" && (at == nil || !at.IsUnspecified()) {
		return
	}
	if t.DebugListen == config.DefaultDebugListen {
		d.say("telemetry", Doubt, "telemetry.listen has port %s on all addresses, so that telemetry.debug_listen (%s) is left out: neither profiles can be taken nor the log's level be changed; set telemetry.debug_listen to another port", port, t.DebugListen)
		return
	}
	d.say("telemetry", Trouble, "telemetry.listen (%s) and telemetry.debug_listen (%s) are one port; choose another for one of them, or leave telemetry.debug_listen empty", t.Listen, t.DebugListen)
}

// collector asks whether traces and metrics would be taken. Without one a worker keeps every promise, so it is a doubt.
func (d *doctor) collector(ctx context.Context) {
	const check = "telemetry"
	endpoint := d.c.Telemetry.OTLPEndpoint
	if endpoint == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, collectorTime)
	defer cancel()
	if err := telemetry.Ask(ctx, endpoint); err != nil {
		d.say(check, Doubt, "telemetry.otlp_endpoint: %v; until that is mended traces and metrics of OTLP are lost, and nothing else: see that it is the base URL of a collector with OTLP over HTTP (by custom on port 4318; 4317 is gRPC's), that this machine may reach it, and that OTEL_EXPORTER_OTLP_HEADERS has what it asks for", cut(err.Error()))
		return
	}
	d.say(check, Sound, "%s takes traces and metrics", endpoint)
}

// cut is as much of what a server said as a line has room for, which may be a page.
func cut(text string) string {
	const room = 300
	if text = oneLine(text); len(text) > room {
		return strings.ToValidUTF8(text[:room], "") + "..."
	}
	return text
}
