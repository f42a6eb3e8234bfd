package progress

import (
	"maps"
	"slices"
	"time"

	"vecmill/internal/status"
	"vecmill/schemas"
)

// window is the time that rates and busy shares are taken over: long enough that a batch more or less does not make the expected end jump.
const window = 30 * time.Second

// Report is a run at one moment: one line of backfill run --json.
type Report struct {
	Event     string     `json:"event"` // progress, or end for the last one
	Time      time.Time  `json:"time"`
	Seconds   float64    `json:"seconds"` // since the run began
	Phase     string     `json:"phase"`   // loading, running, paused, draining, ended
	Pipelines []Pipeline `json:"pipelines"`

	// Only of the end.
	Finished *bool    `json:"finished,omitempty"`     // every reference is durable
	Against  *Against `json:"against_plan,omitempty"` // null: the plan says no time, or nothing is durable
	Cost     *Cost    `json:"cost,omitempty"`
	Memory   int64    `json:"peak_memory_bytes,omitempty"`     // of this process; 0: the system does not tell
	Planned  int64    `json:"expected_memory_bytes,omitempty"` // by the plan
	Continue string   `json:"continue,omitempty"`              // the command that goes on
}

// Cost is what a run took of the machine.
type Cost struct {
	CPUSeconds       float64  `json:"cpu_seconds"`                   // of all processors, loading included
	DeviceSeconds    float64  `json:"device_seconds"`                // the run's time for each GPU that it held, busy or not; 0: it held none
	PerMillion       *float64 `json:"cpu_hours_per_million_rows"`    // null: there are no rows
	DevicePerMillion *float64 `json:"device_hours_per_million_rows"` // null: nor are there GPUs
	PricePerMillion  *float64 `json:"price_per_million_rows"`        // of the machine for the run's time; null: its price is not told
	FLOPs            float64  `json:"flops"`                         // of useful work
	Peak             float64  `json:"peak_flops"`                    // of float32 products, a second; 0: not measured
	Used             *float64 `json:"flops_utilisation"`             // FLOPs over the float32 products that the machine could have computed in all of the run's time, which int8 may pass; null: not known
}

// Pipeline is one pipeline's way through the list.
type Pipeline struct {
	Name    string                   `json:"pipeline"`
	Total   int64                    `json:"total"`       // references in the list; -1: it is not open yet
	Done    int64                    `json:"done"`        // settled by this run and by those before it
	Durable int64                    `json:"durable"`     // of these, in every required output: the next run begins here
	Records int64                    `json:"references"`  // read by this run
	Rows    int64                    `json:"rows"`        // of this run
	Skipped int64                    `json:"skipped"`     // of this run
	Dead    map[schemas.Reason]int64 `json:"dead"`        // letters of this run by class
	Rate    float64                  `json:"rate"`        // references a second
	Left    *float64                 `json:"eta_seconds"` // null: not known yet
	Padding float64                  `json:"padding_ratio"`
	Stages  []Stage                  `json:"stages"`            // those that have workers, in the order of flow
	Slowest string                   `json:"slowest,omitempty"` // the stage whose workers are the busiest
}

// Stage is how busy a stage is, and how fast.
type Stage struct {
	Name string  `json:"name"`
	Busy float64 `json:"busy"` // share of its workers' time, 0 to 1
	Rate float64 `json:"rate"` // of what comes through it, a second
	Unit string  `json:"unit"` // of that: bytes, objects, steps, rows, commits
}

// idle is the share of busy time below which no stage is called the slowest.
const idle = 0.05

// Meter remembers what it needs of the past. It is for one goroutine.
type Meter struct {
	began time.Time
	seen  []status.Status       // the last window's, the oldest first
	first map[int]status.Status // by pipeline: the first that it was open in
}

// NewMeter begins a run.
func NewMeter(began time.Time) *Meter { return &Meter{began: began, first: map[int]status.Status{}} }

// Began is when the run did.
func (m *Meter) Began() time.Time { return m.began }

// Add takes the worker at a moment, and reports on the time since the beginning of the window.
func (m *Meter) Add(s status.Status) Report {
	for len(m.seen) > 1 && s.Now.Sub(m.seen[0].Now) > window {
		m.seen = m.seen[1:]
	}
	return m.report(s)
}

// report is on the time since the first of those seen.
func (m *Meter) report(s status.Status) Report {
	m.seen = append(m.seen, s)
	r := Report{Event: "progress", Time: s.Now, Seconds: s.Now.Sub(m.began).Seconds(), Phase: s.Phase, Pipelines: []Pipeline{}}
	for i := range s.Pipelines {
		if _, known := m.first[i]; !known && open(&s.Pipelines[i]) {
			m.first[i] = s
		}
		r.Pipelines = append(r.Pipelines, m.pipeline(i))
	}
	return r
}

// open says whether a pipeline can do anything: one with a list cannot before that is read.
func open(p *status.Pipeline) bool { return p.List == nil || p.List.Total > 0 }

// End is the report on a run that has ended: what is done is what is durable, what was given up counts no more, and rates and busy shares are of all of the run.
func (m *Meter) End(s status.Status) Report {
	m.seen = slices.SortedFunc(maps.Values(m.first), func(a, b status.Status) int { return a.Now.Compare(b.Now) })
	r := m.report(s)
	r.Event, r.Phase = "end", "ended"
	finished := true
	for i := range r.Pipelines {
		p := &r.Pipelines[i]
		p.Done, p.Left = p.Durable, nil
		finished = finished && p.Durable == p.Total
	}
	r.Finished, r.Cost = &finished, r.cost(&s)
	return r
}

// Between is the end of a run that stood so when it began to work, and so at its end. A list that was not open when work began has the places of the end: it was not read before.
func Between(began time.Time, first, last status.Status) Report {
	m := NewMeter(began)
	first.Pipelines = slices.Clone(first.Pipelines)
	for i := range first.Pipelines {
		if p := &first.Pipelines[i]; !open(p) && i < len(last.Pipelines) && last.Pipelines[i].List != nil {
			l := *last.Pipelines[i].List
			l.Durable = l.Start
			p.List = &l
		}
	}
	m.Add(first)
	return m.End(last)
}

func (r *Report) cost(s *status.Status) *Cost {
	c := &Cost{CPUSeconds: s.CPU, DeviceSeconds: r.Seconds * float64(s.Devices), Peak: s.Peak}
	rows := int64(0)
	for i := range s.Pipelines {
		c.FLOPs += s.Pipelines[i].FLOPs
		rows += s.Pipelines[i].Rows
	}
	if rows > 0 {
		million := 1e6 / float64(rows) / 3600
		cpu, devices, price := c.CPUSeconds*million, c.DeviceSeconds*million, r.Seconds*s.Price*million
		c.PerMillion = &cpu
		if s.Devices > 0 {
			c.DevicePerMillion = &devices
		}
		if s.Price > 0 {
			c.PricePerMillion = &price
		}
	}
	if c.FLOPs > 0 && s.Peak > 0 && r.Seconds > 0 {
		used := c.FLOPs / s.Peak / r.Seconds
		c.Used = &used
	}
	return c
}

func (m *Meter) pipeline(i int) Pipeline {
	last := &m.seen[len(m.seen)-1]
	now := &last.Pipelines[i]
	p := Pipeline{Name: now.Name, Total: -1, Done: done(now), Records: now.Records, Rows: now.Rows, Skipped: now.Skipped, Dead: map[schemas.Reason]int64{}, Stages: []Stage{}}
	if now.List != nil {
		p.Total, p.Durable = now.List.Total, now.List.Durable
	}
	if now.Cost > 0 {
		p.Padding = float64(now.PaddedCost) / float64(now.Cost)
	}
	for _, d := range now.Dead {
		p.Dead[d.Reason] = d.Count
	}
	before, took := m.before(i)
	if before == nil {
		return p
	}
	if p.Rate = max(0, float64(done(now)-done(before))/took); p.Rate > 0 && p.Total > 0 {
		left := float64(p.Total-p.Done) / p.Rate
		p.Left = &left
	}
	busiest := idle
	for k, s := range now.Stages {
		if s.Workers == 0 {
			continue
		}
		busy := min(1, max(0, s.Busy-before.Stages[k].Busy)/took/float64(s.Workers))
		rate := max(0, float64(s.Done-before.Stages[k].Done)) / took
		p.Stages = append(p.Stages, Stage{s.Name, busy, rate, s.Unit})
		if busy > busiest {
			busiest, p.Slowest = busy, s.Name
		}
	}
	return p
}

// before is the pipeline at the first moment of those seen at which it was open, and the seconds since; nil if that is now.
func (m *Meter) before(i int) (*status.Pipeline, float64) {
	last := &m.seen[len(m.seen)-1]
	for k := range m.seen[:len(m.seen)-1] {
		s := &m.seen[k]
		if took := last.Now.Sub(s.Now).Seconds(); i < len(s.Pipelines) && open(&s.Pipelines[i]) && took > 0 {
			return &s.Pipelines[i], took
		}
	}
	return nil, 0
}

// done counts what was durable when the run began, and what the sinks have taken since: an output becomes durable in steps of files, and a display that stands still for
// minutes says nothing.
func done(p *status.Pipeline) int64 {
	if p.List == nil {
		return 0
	}
	inFlight := int64(0)
	for _, s := range p.Stages {
		if s.Name == "read" {
			inFlight = s.Queue
		}
	}
	return max(p.List.Start+p.Records-inFlight, p.List.Durable)
}
