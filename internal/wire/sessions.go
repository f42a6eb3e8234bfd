package wire

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
)

// More sessions of fewer threads have the weights of products each, so they must be worth it. Callers of one session have them once.
const (
	sessionGain   = 1.1                    // of a doubling, or it is not taken
	callersTie    = 0.03                   // callers that are no worse than this, by either clock, are taken: beside other work they cost less, and nothing else runs while the doctor measures
	sessionRound  = 400 * time.Millisecond // of measuring one way
	sessionRounds = 5                      // in turns, so that other work on the machine falls on both; the median counts
	sessionsMost  = 8
	callersMost   = 4                // of a session where nothing was measured: each has a batch in the arena, and those of more cores have not been tried
	callersTried  = 8                // by the doctor, for the same reason
	sessionTime   = 12 * time.Second // for measuring two ways, of the time that a check has; two rounds count at least
)

// split is a way to divide the cores, and what it was measured to be worth.
type split struct {
	Sessions int     `json:"sessions"`
	Threads  int     `json:"threads"` // of each session
	Callers  int     `json:"callers"` // batches that each session computes at once; 0 in what was kept before there were several
	Rate     float64 `json:"steps_per_second"`
	CPU      float64 `json:"cpu_seconds_per_step"`
}

// allThreads gives one batch after the other all cores.
func allThreads(cores int) split { return split{Sessions: 1, Threads: max(cores, 1), Callers: 1} }

// allCallers gives each of as many batches as there are cores one of them, in one session.
func allCallers(cores int) split { return split{Sessions: 1, Threads: 1, Callers: max(cores, 1)} }

func (s split) String() string {
	text := fmt.Sprintf("%d of %d threads", s.Sessions, s.Threads)
	if s.Callers > 1 {
		text += fmt.Sprintf(" with %d callers", s.Callers)
	}
	return text
}

// is says whether both divide the cores alike, whatever that is worth.
func (s split) is(other split) bool {
	return s.Sessions == other.Sessions && s.Threads == other.Threads && s.Callers == other.Callers
}

// splits is what was measured of a model on a machine: the last is the best that was worth it.
type splits struct {
	Tried  []split   `json:"tried"`
	Chosen split     `json:"chosen"`
	At     time.Time `json:"at"`
}

// divisionOf is how a pipeline divides the cores among batches on a device, and why: as configured, or as measured of this graph on a machine like this (worker doctor), or by the number of cores.
func divisionOf(c *config.Config, p *config.Pipeline, cache string, g *model.Graph) (s split, why string) {
	cores := runtime.GOMAXPROCS(0)
	switch m := &p.Model; {
	case m.Sessions > 0, m.Callers > 0:
		return configured(m, cores), "configured"
	case m.OnGPU():
		return configured(m, cores), "one on a GPU"
	case m.Threads > 0:
		return configured(m, cores), "threads are configured"
	case p.Batch.Latency > 0: // a batch of one core takes longer, whoever waits for it
		return allThreads(cores), "batch.latency"
	}
	if key := splitKey(c, cache, g); key != "" {
		if known, ok := measured(cache).Sessions[key]; ok && known.Chosen.Callers > 0 {
			return known.Chosen.within(cores), "measured"
		}
	}
	if cores > callersMost {
		return allThreads(cores), "not measured"
	}
	return allCallers(cores), "not measured"
}

// configured is the division that the configuration gives; what it leaves open is filled so that the cores have work.
func configured(m *config.Model, cores int) split {
	s := split{Sessions: max(m.Sessions, 1), Threads: m.Threads, Callers: max(m.Callers, 1)}
	switch {
	case s.Threads > 0:
	case s.Callers > 1:
		s.Threads = 1
	default:
		s.Threads = max(1, cores/s.Sessions)
	}
	return s
}

// within is what was kept of a division, whatever somebody has made of the file.
func (s split) within(cores int) split {
	s.Sessions, s.Callers = min(max(s.Sessions, 1), cores), min(max(s.Callers, 1), cores)
	s.Threads = max(1, cores/(s.Sessions*s.Callers))
	return s
}

// splitKey names a graph with the library and the kind of machine that compute it; "" where the library is not known.
func splitKey(c *config.Config, cache string, g *model.Graph) string {
	_, version, err := ortsession.LibraryAt(c.Runtime.Library)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s, ONNX Runtime %s, %d of %s", graphName(cache, g), version, runtime.GOMAXPROCS(0), processor())
}

// graphName tells the forms of a graph apart, which one digest may have. A graph of ours is named by its directory in the cache, wherever that is mounted; a ready-made one lies outside and has its path.
func graphName(cache string, g *model.Graph) string {
	if in, err := filepath.Rel(cache, g.Path); err == nil && filepath.IsLocal(in) {
		return filepath.Dir(in)
	}
	return g.Path
}

// keep adds what was measured of a graph.
func (s splits) keep(c *config.Config, cache string, g *model.Graph) error {
	key := splitKey(c, cache, g)
	if key == "" {
		return errors.New("the version of ONNX Runtime is not known")
	}
	s.At = time.Now().UTC().Truncate(time.Second)
	return keepMeasured(cache, func(all *measurements) { all.Sessions[key] = s })
}

// choose takes callers of one session, on up to so many cores, if they are as good as a session of all threads, and doubles the sessions for as long as the doubling is worth it. compare measures two ways in turns.
func choose(cores int, compare func(a, b split) (split, split, error)) (s splits, err error) {
	best := allThreads(cores)
	if cores > 1 && cores <= callersTried {
		one, many, err := compare(best, allCallers(cores))
		if err != nil {
			return s, err
		}
		s.Tried = append(s.Tried, one, many)
		best = one
		if many.Rate >= (1-callersTie)*one.Rate && many.CPU <= (1+callersTie)*one.CPU {
			best = many
		}
	}
	for n := 2; n <= min(cores, sessionsMost); n *= 2 {
		now, more, err := compare(best, split{Sessions: n, Threads: cores / n, Callers: 1})
		if errors.Is(err, context.DeadlineExceeded) && len(s.Tried) > 0 { // the time was enough for the first ways
			break
		}
		if err != nil {
			return s, err
		}
		s.Tried = append(s.Tried, now, more)
		best = now
		if more.Rate < sessionGain*now.Rate {
			break
		}
		best = more
	}
	s.Chosen = best
	return s, nil
}

// measureSessions finds out how to divide the cores for a model: with batches as they are made of objects of one usual size.
func measureSessions(ctx context.Context, c *config.Config, p *config.Pipeline, m *loadedModel) (splits, error) {
	return choose(runtime.GOMAXPROCS(0), func(a, b split) (split, split, error) {
		ways := []*split{&a, &b}
		var inputs [2][]embed.Tensor
		var steps [2]int
		var open, take [2][]embed.Session // take: by caller, as ones of padded batches, which usualBatch's are
		defer func() {
			for _, s := range slices.Concat(open[0], open[1]) {
				_ = s.Close() // of sessions that have run nothing since
			}
		}()
		for i, w := range ways {
			var err error
			if inputs[i], steps[i], err = usualBatch(ctx, p, m, w.Threads); err != nil {
				return a, b, err
			}
			for range w.Sessions {
				s, err := ortsession.Open(ctx, m.narrow, ortsession.Options{Threads: w.Threads, Library: c.Runtime.Library})
				if err != nil {
					return a, b, err
				}
				open[i] = append(open[i], s)
				run, err := padded(p, m, s)
				if err != nil {
					return a, b, err
				}
				take[i] = append(take[i], slices.Repeat([]embed.Session{run}, w.Callers)...)
			}
		}
		var rates, cpus [2][]float64
		began := time.Now()
		for round := range sessionRounds + 1 {
			if round > 2 && time.Since(began) > sessionTime {
				break
			}
			for i := range ways {
				before := processTime()
				runs, took, err := busy(ctx, take[i], inputs[i])
				if err != nil {
					return a, b, err
				}
				if round > 0 { // the first runs of a session are slower
					done := float64(runs * steps[i])
					rates[i], cpus[i] = append(rates[i], done/took.Seconds()), append(cpus[i], (processTime()-before).Seconds()/done)
				}
			}
		}
		for i, w := range ways {
			w.Rate, w.CPU = median(rates[i]), median(cpus[i])
		}
		return a, b, nil
	})
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// busy keeps sessions busy for a round, each by one caller.
func busy(ctx context.Context, sessions []embed.Session, inputs []embed.Tensor) (runs int, took time.Duration, err error) {
	began := time.Now()
	counts, faults := make([]int, len(sessions)), make([]error, len(sessions))
	var wg sync.WaitGroup
	for i, s := range sessions {
		wg.Go(func() {
			for counts[i] == 0 || time.Since(began) < sessionRound {
				if _, faults[i] = s.Run(ctx, inputs); faults[i] != nil {
					return
				}
				counts[i]++
			}
		})
	}
	wg.Wait()
	for _, n := range counts {
		runs += n
	}
	return runs, time.Since(began), errors.Join(faults...)
}

// usualBatch is a batch as full as the configuration has it for sessions of so many threads, of one object again and again: a recording of a few seconds, a text of some tens of tokens, a picture.
func usualBatch(ctx context.Context, p *config.Pipeline, m *loadedModel, threads int) (inputs []embed.Tensor, steps int, err error) {
	items, err := trialItems(m)
	if err != nil {
		return nil, 0, err
	}
	item := items[len(items)-1]
	if m.spec.Modality == schemas.Audio {
		item.Blob = hum(4)
	}
	long := item
	if m.spec.Modality == schemas.Text {
		long.Blob = []byte(strings.Repeat(string(item.Blob)+" ", 6))
	}
	samples, err := m.pre.Preprocess(ctx, long.Ref, long.Blob)
	if err != nil { // too long for this model
		if samples, err = m.pre.Preprocess(ctx, item.Ref, item.Blob); err != nil {
			return nil, 0, err
		}
	}
	limits := batchConfig(p, m.spec.Modality, threads)
	one := samples[0]
	shapes := shapesOf(p, m.spec)
	packing, err := packingOf(p.Batch, m.spec, limits)
	if err != nil {
		return nil, 0, err
	}
	if packing != nil {
		shapes = embed.Shapes{} // rows have theirs
	}
	n := shapes.Fit(&one, limits.MaxCost, limits.MaxItems)
	if packing != nil {
		n = max(min(n, packing.Rows*((packing.Row+packing.Gap)/(one.Cost+packing.Gap))), 1)
	}
	inputs, err = shapes.Collate(slices.Repeat([]embed.Sample{one}, n))
	return inputs, n * one.Cost, err
}

// padded is a session that takes batches like usualBatch's, also where the graph is one of packed rows.
func padded(p *config.Pipeline, m *loadedModel, s embed.Session) (embed.Session, error) {
	packing, err := packingOf(p.Batch, m.spec, batchConfig(p, m.spec.Modality, 0))
	if err != nil || packing == nil {
		return s, err
	}
	return embed.Packed(s, m.spec, packing), nil
}

// sessions measures how to divide the cores, where the configuration leaves that open, and keeps it for the next start.
func (d *doctor) sessions(ctx context.Context, p *config.Pipeline, m *loadedModel) {
	check := "sessions " + p.Name
	if p.Model.OnGPU() {
		d.say(check, Sound, "%d on %d devices", len(m.sessions), len(m.devices))
		return
	}
	switch {
	case p.Model.Sessions > 0, p.Model.Threads > 0, p.Model.Callers > 0, runtime.GOMAXPROCS(0) == 1:
		d.say(check, Sound, "%v, as configured", m.division)
		return
	case p.Batch.Latency > 0:
		d.say(check, Sound, "%v: with batch.latency each batch has all cores", m.division)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	s, err := measureSessions(ctx, d.c, p, m)
	if err != nil {
		d.say(check, Doubt, "how many are best could not be measured: %v", err)
		return
	}
	var told []string
	for i, t := range s.Tried {
		if i%2 == 0 {
			told = append(told, fmt.Sprintf("%v, %v", worth{t}, worth{s.Tried[i+1]}))
		}
	}
	cache, err := cacheDir(d.c)
	if err == nil {
		err = s.keep(d.c, cache, m.graph)
	}
	if err != nil {
		d.say(check, Doubt, "%s: %v would be best, but %v", strings.Join(told, "; "), s.Chosen, err)
		return
	}
	d.say(check, Sound, "%s: a worker starts with %v (each session has memory of its own, so a doubling must gain a tenth)", strings.Join(told, "; "), s.Chosen)
}

// worth tells a division with what it was measured to be worth.
type worth struct{ split }

func (w worth) String() string {
	return fmt.Sprintf("%v %.0f steps a second at %.0f µs of CPU time each", w.split, w.Rate, 1e6*w.CPU)
}
