package wire

import (
	"cmp"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/internal/page"
	"vecmill/internal/progress"
	"vecmill/internal/status"
	"vecmill/internal/telemetry"
	"vecmill/stream"
)

// shown is what the live page knows of a worker. Pipelines are there once all of them are open: what is still being made is not looked at.
type shown struct {
	version string
	replay  string // the command that replays dead letters, up to what it is told of the pipeline; "" if the configuration is in no file
	started time.Time
	peak    float64
	devices int                           // GPUs that pipelines compute on
	price   float64                       // of an hour
	phase   atomic.Value                  // string
	first   atomic.Pointer[status.Status] // when work began; nil before that
	lines   atomic.Pointer[[]shownLine]
}

type shownLine struct {
	*line
	about status.About
}

func (s *shown) begin(o *Options, c *config.Config) {
	s.version, s.started, s.devices, s.price = o.Version, time.Now(), len(usedGPUs(c)), c.Runtime.Price
	if o.File != "" {
		s.replay = cmp.Or(o.Program, "worker") + " dlq replay --config " + o.File
	}
	s.phase.Store("loading")
}

func (s *shown) page() http.Handler { return page.New(s.look, s.object) }

// working notes how the worker stands when it begins to work.
func (s *shown) working() {
	s.phase.Store("running")
	now := s.totals(false)
	s.first.Store(&now)
}

// run is what the worker has done since it began to work, as the end of a run reports it.
func (s *shown) run() progress.Report {
	now := s.totals(false)
	first := s.first.Load()
	if first == nil {
		first = &now
	}
	return progress.Between(s.started, *first, now)
}

// workers are those of each stage of a pipeline, for metrics; none until all pipelines are open.
func (s *shown) workers(pipeline int) (all []telemetry.StageWorkers) {
	lines := s.lines.Load()
	if lines == nil {
		return nil
	}
	l := &(*lines)[pipeline]
	for _, stage := range status.Of(l.about, l.pipe.Stats(), l.engine.Stats(), nil).Stages {
		if stage.Workers > 0 {
			all = append(all, telemetry.StageWorkers{Stage: stage.Name, Workers: stage.Workers})
		}
	}
	return all
}

// open shows the lines, which are those of c's pipelines in their order.
func (s *shown) open(c *config.Config, lines []*line) {
	all := make([]shownLine, len(lines))
	for i, l := range lines {
		all[i] = shownLine{l, s.aboutOf(&c.Pipelines[i], l)}
	}
	s.lines.Store(&all)
}

func (s *shown) aboutOf(p *config.Pipeline, l *line) status.About {
	m := l.model
	a := status.About{
		Name: p.Name, Modality: string(m.spec.Modality), Topics: p.Topics, Class: m.spec.Class, Model: m.name, Digest: m.digest, Precision: precisionName(m.precision), Preprocess: m.pre.Digest(),
		Fetchers: p.Fetchers, Preparers: p.Preprocessors, Sessions: len(m.sessions) * max(m.division.Callers, 1), Slots: p.MaxInFlight, Window: m.batch(p).Window,
	}
	if m.spec.ONNX != "" {
		a.Precision = "as exported"
	}
	if a.Preparers == 0 {
		a.Preparers = runtime.GOMAXPROCS(0)
	}
	if len(p.Priority) > 0 {
		a.Window *= 2 // one for records of the first topic, one for the others
	}
	if pre, ok := m.pre.(decoder); ok {
		a.Decoders = pre.Decoders()
	}
	if s.replay != "" {
		a.Replay = s.replay + " --pipeline " + p.Name
		if slices.ContainsFunc(p.Topics, func(t string) bool { return strings.HasPrefix(t, dlq.ManifestTopic) }) {
			a.Replay += " --manifest letters.jsonl" // there is no topic to put its lines back into
		}
	}
	for i := range p.Heads {
		a.Heads = append(a.Heads, fmt.Sprintf("%s (%s)", p.Heads[i].Name, p.Heads[i].Task))
	}
	for i := range p.Outputs {
		a.Outputs = append(a.Outputs, p.Outputs[i].Kind())
	}
	return a
}

// bounded is a source of a list that ends.
type bounded interface {
	Covered() (start, durable, total int64)
}

// Status is how the worker stands at this moment. It may be called from any goroutine, also when Run has returned.
func (w *Worker) Status() status.Status { return w.shown.look() }

func (s *shown) look() status.Status { return s.totals(true) }

// totals is a status, whole with places, outputs and recent items, which may be many.
func (s *shown) totals(whole bool) status.Status {
	st := status.Status{
		Version: s.version, Started: s.started, Now: time.Now(), Phase: s.phase.Load().(string), CPU: processTime().Seconds(), Peak: s.peak, Devices: s.devices, Price: s.price,
		Bounds: telemetry.Bounds(), Pipelines: []status.Pipeline{},
	}
	if lines := s.lines.Load(); lines != nil {
		for _, l := range *lines {
			var at []stream.Place
			if whole {
				at = l.pipe.Places()
			}
			p := status.Of(l.about, l.pipe.Stats(), l.engine.Stats(), at)
			if whole {
				p.Recent, p.Letters = l.recent.Last(l.about.Name)
				p.Private = l.recent == nil
				p.Written = status.Outputs(l.about.Outputs, l.sink.Stats())
				p.Faults, p.Took, p.Ran = l.faults.last(), l.timers.Record.Counts(), l.timers.Session.Counts()
			}
			if b, ok := l.source.(bounded); ok {
				p.List = &status.List{}
				p.List.Start, p.List.Durable, p.List.Total = b.Covered()
				p.LagKnown = p.LagKnown || p.List.Total >= 0 // what has been read to its end is not assigned any more
			}
			st.Pipelines = append(st.Pipelines, p)
		}
	}
	return st
}

func (s *shown) object(pipeline string, item page.Which) ([]byte, bool) {
	if lines := s.lines.Load(); lines != nil {
		for _, l := range *lines {
			if l.about.Name == pipeline {
				return l.recent.Object(item)
			}
		}
	}
	return nil, false
}
