package wire

import (
	"context"
	"strings"
	"time"

	"vecmill/internal/telemetry"
)

// collectorTime bounds what a collector is waited for: whoever wants a worker to start does not want to wait for traces.
const collectorTime = 15 * time.Second

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
