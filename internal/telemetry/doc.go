// Package telemetry turns the totals that the rooms keep into OpenTelemetry metrics, carries traces to a collector, and
// serves /metrics, /livez, /readyz and the live page; profiles and the log's level on loopback addresses alone, on one of their own where the server's is another. Loopback addresses answer to their own names only (host.go).
//
// The hot path knows nothing of it: pipelines and engines count with atomics, and instruments read those counters when
// somebody collects. Metric names are vecmill_<noun>_<unit>[_total]; labels are the pipeline and enumerations, so their
// number is bounded. /metrics has the Go runtime's and the process's own vitals beside them (go_goroutines, process_open_fds,
// process_resident_memory_bytes and their like), without a label.
package telemetry
