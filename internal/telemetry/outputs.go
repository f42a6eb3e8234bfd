package telemetry

import (
	"go.opentelemetry.io/otel/attribute"

	"vecmill/sinks"
)

// outputs are the instruments of each output of a pipeline, which are as many as the configuration names.
func outputs() []Metric {
	return []Metric{
		{"vecmill_output_rows", "{row}", "rows that an output (label output: outputs[0] and so on, as in the configuration) has taken over", Counter, each(func(m *sinks.MemberStats) float64 { return float64(m.Rows) })},
		{"vecmill_output_rows_waiting", "{row}", "rows that an output was handed and that are not durable in it yet", Gauge, each(func(m *sinks.MemberStats) float64 { return float64(m.Waiting) })},
		{"vecmill_output_rows_dropped", "{row}", "rows that an output with best_effort was not given, since it was full or had failed; they are not in it", Counter, each(func(m *sinks.MemberStats) float64 { return float64(m.Dropped) })},
		{"vecmill_output_write_busy_seconds", "s", "time that an output took to take over what it was handed, and was too full to; partitions write beside each other, and each to one output after the other, so that vecmill_write_busy_seconds is the sum", Counter, each(func(m *sinks.MemberStats) float64 { return m.Write.Seconds() })},
		{"vecmill_output_durable_wait_seconds", "s", "time from being handed to an output until being durable in it, summed over rows; files wait for roll_age or a full file", Counter, each(func(m *sinks.MemberStats) float64 { return m.Durable })},
		{"vecmill_output_buffered_bytes", "By", "bytes of rows that an output holds in memory, estimated", Gauge, each(func(m *sinks.MemberStats) float64 { return float64(m.Held) })},
		{"vecmill_output_buffer_limit_bytes", "By", "the most that it may hold (max_buffered): an output that is full is slower than the model", Gauge, each(func(m *sinks.MemberStats) float64 { return float64(m.Limit) })},
	}
}

// each is a value of every output.
func each(f func(*sinks.MemberStats) float64) func(*Reading) []point {
	return func(r *Reading) []point {
		ps := make([]point, len(r.Outputs))
		for i := range r.Outputs {
			m := &r.Outputs[i]
			ps[i] = point{f(m), attribute.String("output", m.Name)}
		}
		return ps
	}
}
