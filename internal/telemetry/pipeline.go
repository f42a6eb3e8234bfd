package telemetry

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"vecmill/embed"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// Reading is what a pipeline and its engine say of themselves at one moment.
type Reading struct {
	Stream  stream.Stats
	Embed   embed.Stats
	Outputs []sinks.MemberStats
	Step    float64 // seconds of audio that a step stands for; 0: of no audio
	Peak    float64 // floating-point operations a second that this machine is capable of; 0: not measured

	Cost    Cost           // of the process so far
	Slowest string         // the stage whose workers have been the busiest since the start; "" for none
	Workers []StageWorkers // of the stages that have any; empty until all pipelines are open
}

// StageWorkers is how many workers a stage has: its busy time over them is how busy it is.
type StageWorkers struct {
	Stage   string
	Workers int
}

// Cost is what a process has taken of its machine. What is nil is not known.
type Cost struct {
	DeviceSeconds    float64  // time since the start for each GPU that it holds
	PerMillion       *float64 // CPU hours for a million rows
	DevicePerMillion *float64 // GPU hours for a million rows
	PricePerMillion  *float64 // of the machine for the time of a million rows
	Used             *float64 // useful work over the float32 products that the processors could have computed
}

// LagCost is the lag in steps of the model, at the mean cost so far of a record that has its rows or another fate, durable or not. Records that cost nothing, such as
// other pipelines', count into the mean. Until the first has, which a slow model may take minutes for, it is the mean of the objects that were decoded.
func (r *Reading) LagCost() float64 {
	lag, cost, ended := float64(r.Stream.Lag), float64(r.Embed.Cost), r.Stream.Computed+r.Stream.Skipped
	for _, n := range r.Stream.Dead {
		ended += n
	}
	switch {
	case ended > 0:
		return lag * cost / float64(ended)
	case r.Embed.Objects > 0:
		return lag * (cost + float64(r.Embed.WaitingCost)) / float64(r.Embed.Objects)
	}
	return 0
}

// Kind is what an instrument's values are.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric is one instrument: its name, unit and meaning, and how it is read. docs list them from here.
type Metric struct {
	Name, Unit, Doc string
	Kind            Kind
	read            func(r *Reading) []point // nil: it is told, see Timers and Begin
}

type point struct {
	value float64
	label attribute.KeyValue // invalid: none
}

func one(v float64) []point { return []point{{value: v}} }

func count(f func(r *Reading) int64) func(*Reading) []point {
	return func(r *Reading) []point { return one(float64(f(r))) }
}

func busy(f func(r *Reading) time.Duration) func(*Reading) []point {
	return func(r *Reading) []point { return one(f(r).Seconds()) }
}

// Metrics lists every instrument of a pipeline.
func Metrics() []Metric { return append(append(observed(), timed()...), started()) }

// observed are the instruments that are read at every collection.
func observed() []Metric { return append(flow(), outputs()...) }

// flow are those of a pipeline as a whole.
func flow() []Metric {
	return []Metric{
		{"vecmill_records", "{record}", "records read from the source", Counter, count(func(r *Reading) int64 { return r.Stream.Records })},
		{"vecmill_records_computed", "{record}", "records that gave rows", Counter, count(func(r *Reading) int64 { return r.Stream.Computed })},
		{"vecmill_records_skipped", "{record}", "records that are for another pipeline, and tombstones", Counter, count(func(r *Reading) int64 { return r.Stream.Skipped })},
		{"vecmill_records_lost", "{record}", "offsets that the log's retention removed before they were read", Counter, count(func(r *Reading) int64 { return r.Stream.Lost })},
		{"vecmill_records_abandoned", "{record}", "records whose assignment ended before they were durable, so that their next owner reads them again; over vecmill_records it is the redo ratio, without what killed workers had in flight", Counter, count(func(r *Reading) int64 { return r.Stream.Abandoned })},
		{"vecmill_dead_letters", "{record}", "records that became dead letters, by reason", Counter, deadLetters},
		{"vecmill_rows", "{row}", "rows computed", Counter, count(func(r *Reading) int64 { return r.Stream.Rows })},
		{"vecmill_fetched_bytes", "By", "bytes of objects fetched", Counter, count(func(r *Reading) int64 { return r.Stream.FetchedBytes })},
		{"vecmill_commits", "{commit}", "successful commits of offsets", Counter, count(func(r *Reading) int64 { return r.Stream.Commits })},
		{"vecmill_assignments", "{assignment}", "assignments of partitions, and of none, where the group has more members than partitions", Counter, count(func(r *Reading) int64 { return r.Stream.Assignments })},
		{"vecmill_assignment_losses", "{assignment}", "assignments that were lost without a drain", Counter, count(func(r *Reading) int64 { return r.Stream.Losses })},
		{"vecmill_partitions_assigned", "{partition}", "partitions that the worker has now; 0 while it joins the group, drains, or has lost the brokers, and where the group has more members than partitions", Gauge, count(func(r *Reading) int64 { return int64(r.Stream.Partitions) })},
		{"vecmill_lag_records", "{record}", "offsets of the assigned partitions that have no durable row, letter or other fate yet; not there without a partition, whose lag nobody knows", Gauge, lag(func(r *Reading) float64 { return float64(r.Stream.Lag) })},
		{"vecmill_lag_cost", "{step}", "the lag in the model's steps (frames, tokens, patches): lag_records at the mean cost of a record so far, or of an object that was decoded until the first has its rows", Gauge, lag((*Reading).LagCost)},
		{"vecmill_commit_age_seconds", "s", "longest time that a partition with something read has had no durable progress; 0 when all that was read is durable", Gauge, busy(func(r *Reading) time.Duration { return r.Stream.Waiting })},
		{"vecmill_records_in_flight", "{record}", "records between being read and being the sink's", Gauge, count(func(r *Reading) int64 { return int64(r.Stream.InFlight) })},
		{"vecmill_memory_held_bytes", "By", "bytes reserved in the memory budget", Gauge, count(func(r *Reading) int64 { return r.Stream.Held })},
		{"vecmill_memory_budget_bytes", "By", "the memory budget", Gauge, count(func(r *Reading) int64 { return r.Stream.Budget })},
		{"vecmill_fetch_busy_seconds", "s", "time that fetchers were busy, waiting for memory excluded", Counter, busy(func(r *Reading) time.Duration { return r.Stream.Fetch - r.Stream.ReserveWait })},
		{"vecmill_fetch_wait_seconds", "s", "time that fetchers waited for memory", Counter, busy(func(r *Reading) time.Duration { return r.Stream.ReserveWait })},
		{"vecmill_fetch_queue_wait_seconds", "s", "time that references waited for a fetcher, from being taken in until one began, summed over references", Counter, func(r *Reading) []point { return one(r.Stream.FetchQueue) }},
		{"vecmill_references_waiting", "{reference}", "references taken in that no fetcher has begun", Gauge, count(func(r *Reading) int64 { return int64(r.Stream.Unfetched) })},
		{"vecmill_preprocess_busy_seconds", "s", "time that preprocess workers were busy", Counter, busy(func(r *Reading) time.Duration { return r.Embed.Preprocess })},
		{"vecmill_preprocess_wait_seconds", "s", "time that objects waited to be decoded, from being fetched until a worker began, summed over objects", Counter, func(r *Reading) []point { return one(r.Embed.PreprocessWait) }},
		{"vecmill_objects_waiting", "{object}", "fetched objects that no preprocess worker has begun", Gauge, count(func(r *Reading) int64 { return int64(r.Embed.Undecoded) })},
		{"vecmill_preprocess_workers", "{worker}", "objects that may be decoded at once while samples wait for a batch: as many as keep up with the sessions, or as configured", Gauge, count(func(r *Reading) int64 { return int64(r.Embed.Decoders) })},
		{"vecmill_sessions", "{session}", "batches that sessions compute at once, on all devices of the pipeline: sessions times callers, as configured or as measured; the rate of vecmill_infer_busy_seconds over them is how busy a worker is", Gauge, count(func(r *Reading) int64 { return int64(r.Embed.Sessions) })},
		{"vecmill_collate_busy_seconds", "s", "time that batches were being put together, for which there are as many workers as vecmill_sessions counts batches", Counter, busy(func(r *Reading) time.Duration { return r.Embed.Collate })},
		{"vecmill_infer_busy_seconds", "s", "time that sessions were busy", Counter, busy(func(r *Reading) time.Duration { return r.Embed.Infer })},
		{"vecmill_heads_busy_seconds", "s", "time that heads were busy", Counter, busy(func(r *Reading) time.Duration { return r.Embed.HeadsOn })},
		{"vecmill_holdback_wait_seconds", "s", "time that finished records waited for those before them in their partition, summed over records", Counter, func(r *Reading) []point { return one(r.Stream.HoldBack) }},
		{"vecmill_write_busy_seconds", "s", "time that outputs took to take over what they were handed, and were too full to; partitions write beside each other", Counter, busy(func(r *Reading) time.Duration { return r.Stream.Write })},
		{"vecmill_durable_wait_seconds", "s", "time from being handed to the outputs until being durable in all that are required, summed over records; files wait for roll_age or a full file", Counter, func(r *Reading) []point { return one(r.Stream.Durable) }},
		{"vecmill_samples", "{sample}", "samples made of objects", Counter, count(func(r *Reading) int64 { return r.Embed.Samples })},
		{"vecmill_samples_waiting", "{sample}", "samples that wait for a batch", Gauge, count(func(r *Reading) int64 { return int64(r.Embed.Waiting) })},
		{"vecmill_samples_waiting_cost", "{step}", "cost of the samples that wait for a batch, in the model's steps", Gauge, count(func(r *Reading) int64 { return int64(r.Embed.WaitingCost) })},
		{"vecmill_step_audio_seconds", "s", "seconds of audio that a step stands for: lag_cost, samples_waiting_cost and batch_cost times this are audio-seconds; not there of text and pictures", Gauge, func(r *Reading) []point { return positive(r.Step) }},
		{"vecmill_queue_wait_seconds", "s", "time that samples waited, from being made until their session began, summed over vecmill_samples", Counter, func(r *Reading) []point { return one(r.Embed.Queue) }},
		{"vecmill_batches", "{batch}", "batches run", Counter, count(func(r *Reading) int64 { return r.Embed.Batches })},
		{"vecmill_batch_cost", "{step}", "useful steps in batches (frames, tokens, patches)", Counter, count(func(r *Reading) int64 { return r.Embed.Cost })},
		{"vecmill_batch_padded_cost", "{step}", "steps computed, padding included", Counter, count(func(r *Reading) int64 { return r.Embed.Padded })},
		{"vecmill_batch_fixed_seconds", "s", "what the cost model of a device (label device: cpu, or a GPU's number) has learnt that a batch takes whatever is in it; 0 before the first", Gauge, learnt(func(d *embed.DeviceCosts) float64 { return d.Costs.Fixed })},
		{"vecmill_batch_step_seconds", "s", "and that a step of an item adds to it on that device, attention left out", Gauge, learnt(func(d *embed.DeviceCosts) float64 { return d.Costs.Step })},
		{"vecmill_batch_prediction_error_ratio", "1", "mean relative error of a device's cost model in its latest predictions of what a batch takes", Gauge, learnt(func(d *embed.DeviceCosts) float64 { return d.Miss })},
		{"vecmill_flops", "{flop}", "floating-point operations of useful work: matrix products and convolutions of each sample alone, without padding, all of the last layer included where heads need its first token alone; their rate over vecmill_peak_flops is the model FLOPs utilisation, in float32 products", Counter, func(r *Reading) []point { return one(r.Embed.FLOPs) }},
		{"vecmill_peak_flops", "{flop_per_second}", "what all processors together get out of matrix products in float32, measured at the start, or the part of it that a CPU limit leaves; 0 if it was not measured", Gauge, func(r *Reading) []point { return one(r.Peak) }},
		{"vecmill_flops_utilisation_ratio", "1", "useful work of all pipelines over the float32 products that the processors could have computed since the start, so that int8 may make it more than 1; not there if their peak was not measured, or a pipeline is on a GPU", Gauge, func(r *Reading) []point { return some(r.Cost.Used) }},
		{"vecmill_device_seconds", "s", "time since the start for each GPU that the process holds, busy or not", Counter, func(r *Reading) []point { return one(r.Cost.DeviceSeconds) }},
		{"vecmill_cpu_hours_per_million_rows", "{hour}", "CPU time of the process since its start, by the rows of all its pipelines; not there before the first row", Gauge, func(r *Reading) []point { return some(r.Cost.PerMillion) }},
		{"vecmill_device_hours_per_million_rows", "{hour}", "the same of device_seconds; not there without a GPU", Gauge, func(r *Reading) []point { return some(r.Cost.DevicePerMillion) }},
		{"vecmill_price_per_million_rows", "{currency}", "what the machine has cost since the start at runtime.price_per_hour, by the rows of all pipelines; not there if that is 0", Gauge, func(r *Reading) []point { return some(r.Cost.PricePerMillion) }},
		{"vecmill_stage_workers", "{worker}", "workers of a stage (label stage: fetch, preprocess, batch, infer, heads, write), as the live page has them; the rate of its busy seconds, of batch vecmill_collate_busy_seconds, over them is how busy it is", Gauge, workers},
		{"vecmill_bottleneck", "{stage}", "1 for the stage (label stage) whose workers have been the busiest since the start; not there while all of them are idle", Gauge, bottleneck},
		{"vecmill_reused", "{object}", "objects that got the results of another one with their content (reuse_results)", Counter, count(func(r *Reading) int64 { return r.Embed.Reused })},
		{"vecmill_batch_bisections", "{batch}", "failing batches that were taken apart", Counter, count(func(r *Reading) int64 { return r.Embed.Bisections })},
	}
}

// some is nothing where nothing is known.
func some(v *float64) []point {
	if v == nil {
		return nil
	}
	return one(*v)
}

// lag is told of partitions that are assigned: without one, 0 would say that all is done.
func lag(f func(r *Reading) float64) func(*Reading) []point {
	return func(r *Reading) []point {
		if r.Stream.Partitions == 0 {
			return nil
		}
		return one(f(r))
	}
}

// positive is a value that is told where there is one.
func positive(v float64) []point {
	if v <= 0 {
		return nil
	}
	return one(v)
}

// learnt is of each of an engine's devices, which are as many as the configuration names.
func learnt(f func(*embed.DeviceCosts) float64) func(*Reading) []point {
	return func(r *Reading) []point {
		var ps []point
		for i := range r.Embed.Devices {
			d := &r.Embed.Devices[i]
			ps = append(ps, point{f(d), attribute.String("device", d.Device)})
		}
		return ps
	}
}

// workers are of each stage that has any, of which there are as many as status names.
func workers(r *Reading) []point {
	var ps []point
	for _, s := range r.Workers {
		ps = append(ps, point{float64(s.Workers), attribute.String("stage", s.Stage)})
	}
	return ps
}

func bottleneck(r *Reading) []point {
	if r.Slowest == "" {
		return nil
	}
	return []point{{1, attribute.String("stage", r.Slowest)}}
}

func deadLetters(r *Reading) []point {
	var ps []point
	for _, reason := range schemas.Reasons() {
		ps = append(ps, point{float64(r.Stream.Dead[reason]), attribute.String("reason", string(reason))})
	}
	return ps
}

// Observe registers the instruments of one pipeline; read is called at every collection.
func Observe(m metric.Meter, pipeline string, read func() Reading) error {
	name := attribute.String("pipeline", pipeline)
	all := observed()
	instruments := make([]metric.Float64Observable, len(all))
	observables := make([]metric.Observable, len(all))
	for i, x := range all {
		var err error
		if x.Kind == Gauge {
			instruments[i], err = m.Float64ObservableGauge(x.Name, metric.WithUnit(x.Unit), metric.WithDescription(x.Doc))
		} else {
			instruments[i], err = m.Float64ObservableCounter(x.Name, metric.WithUnit(x.Unit), metric.WithDescription(x.Doc))
		}
		if err != nil {
			return fmt.Errorf("metric %s: %w", x.Name, err)
		}
		observables[i] = instruments[i]
	}
	_, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		r := read()
		for i := range all {
			for _, p := range all[i].read(&r) {
				labels := []attribute.KeyValue{name}
				if p.label.Valid() {
					labels = append(labels, p.label)
				}
				o.ObserveFloat64(instruments[i], p.value, metric.WithAttributes(labels...))
			}
		}
		return nil
	}, observables...)
	if err != nil {
		return fmt.Errorf("registering the metrics of pipeline %s: %w", pipeline, err)
	}
	return nil
}
