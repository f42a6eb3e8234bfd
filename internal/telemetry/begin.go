package telemetry

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// started is the instrument that is there before all others. The process's own process_start_time_seconds knows no pipeline and does not go over OTLP.
func started() Metric {
	return Metric{"vecmill_start_time_seconds", "s", "when the process began, in seconds since 1970; unlike all others it is there before models are loaded, so that it tells a worker that starts from none, and one that ends again and again from one that stays", Gauge, nil}
}

// Begin registers what is told of a pipeline from the start of its process on, before it can be observed.
func Begin(m metric.Meter, pipeline string, at time.Time) error {
	x := started()
	gauge, err := m.Float64ObservableGauge(x.Name, metric.WithUnit(x.Unit), metric.WithDescription(x.Doc))
	if err != nil {
		return fmt.Errorf("metric %s: %w", x.Name, err)
	}
	name, seconds := metric.WithAttributes(attribute.String("pipeline", pipeline)), float64(at.UnixMilli())/1000
	if _, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveFloat64(gauge, seconds, name)
		return nil
	}, gauge); err != nil {
		return fmt.Errorf("registering the first metric of pipeline %s: %w", pipeline, err)
	}
	return nil
}
