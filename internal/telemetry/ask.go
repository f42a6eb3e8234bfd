package telemetry

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// errNoCollector says that something answers well which does not speak OTLP.
var errNoCollector = errors.New("no collector answers so")

// Ask gives a collector traces and metrics of nothing, once, as Start's exporters would: with the headers, certificates and time-outs of the environment. The error is of the first signal that is not taken.
func Ask(ctx context.Context, endpoint string) error {
	// The exporters take any answer of success for a collector's. A client that looks at it has no certificates of the environment, so it is asked second, and about that alone.
	for _, client := range []*http.Client{nil, {Transport: speaksOTLP{http.DefaultTransport}}} {
		for _, signal := range []struct {
			path string
			give func(ctx context.Context, at string, client *http.Client) error
		}{{tracesPath, giveTraces}, {metricsPath, giveMetrics}} {
			at, err := url.JoinPath(endpoint, signal.path)
			if err == nil {
				err = signal.give(ctx, at, client)
			}
			if err != nil && (client == nil || errors.Is(err, errNoCollector)) {
				return fmt.Errorf("%s: %w", signal.path, err)
			}
		}
	}
	return nil
}

// giveTraces posts no traces. client may be nil.
func giveTraces(ctx context.Context, at string, client *http.Client) error {
	options := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(at), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{})}
	if client != nil {
		options = append(options, otlptracehttp.WithHTTPClient(client))
	}
	c := otlptracehttp.NewClient(options...)
	if err := c.Start(ctx); err != nil {
		return err
	}
	return errors.Join(c.UploadTraces(ctx, nil), c.Stop(context.WithoutCancel(ctx)))
}

// giveMetrics posts no metrics. client may be nil.
func giveMetrics(ctx context.Context, at string, client *http.Client) error {
	options := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpointURL(at), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{})}
	if client != nil {
		options = append(options, otlpmetrichttp.WithHTTPClient(client))
	}
	c, err := otlpmetrichttp.New(ctx, options...)
	if err != nil {
		return err
	}
	return errors.Join(c.Export(ctx, &metricdata.ResourceMetrics{Resource: resource.Empty()}), c.Shutdown(context.WithoutCancel(ctx)))
}

// speaksOTLP fails where success is told with a body that no exporter reads, as by a server of pages.
type speaksOTLP struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s speaksOTLP) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := s.RoundTripper.RoundTrip(r)
	if err != nil || res.StatusCode/100 != 2 || res.ContentLength == 0 {
		return res, err
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")) // "" is none
	if slices.Contains([]string{"application/x-protobuf", "application/json", ""}, kind) {
		return res, nil
	}
	_ = res.Body.Close() // unread
	return nil, fmt.Errorf("%w: %s with %s", errNoCollector, res.Status, kind)
}
