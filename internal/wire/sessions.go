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

// More sessions of fewer threads have the weights of products each, and batches of their own in the arena, so they must be worth it.
const (
	sessionGain   = 1.1                    // of a doubling, or it is not taken
	sessionRound  = 400 * time.Millisecond // of measuring one way
	sessionRounds = 5                      // in turns, so that other work on the machine falls on both; the median counts
	sessionsMost  = 8
)

// split is a way to divide the cores, and what it was measured to be worth.
type split struct {
	Sessions int     `json:"sessions"`
	Threads  int     `json:"threads"`
	Rate     float64 `json:"steps_per_second"`
}

// splits is what was measured of a model on a machine: the last is the best that was worth it.
type splits struct {
	Tried  []split   `json:"tried"`
	Chosen split     `json:"chosen"`
	At     time.Time `json:"at"`
}

// threadsOf is how many threads each of so many sessions gets.
func threadsOf(p *config.Pipeline, sessions int) int {
	if p.Model.Threads > 0 {
		return p.Model.Threads
	}
	return max(1, runtime.GOMAXPROCS(0)/sessions)
}

// sessionsOf is how many sessions a pipeline has on a device, and why: as configured, or as measured of this graph on a machine like this (worker doctor), or one.
func sessionsOf(c *config.Config, p *config.Pipeline, cache string, g *model.Graph) (n int, why string) {
	switch {
	case p.Model.Sessions > 0:
		return p.Model.Sessions, "configured"
	case p.Model.OnGPU():
		return 1, "one on a GPU"
	case p.Model.Threads > 0:
		return 1, "threads are configured"
	}
	if key := splitKey(c, cache, g); key != "" {
		if known, ok := measured(cache).Sessions[key]; ok {
			return min(max(known.Chosen.Sessions, 1), runtime.GOMAXPROCS(0)), "measured"
		}
	}
	return 1, "not measured"
}

// splitKey names a graph with the library and the kind of machine that compute it; "" where the library is not known. A graph of ours is named by its directory in the cache, wherever that is mounted; a ready-made one lies
// outside and has its path.
func splitKey(c *config.Config, cache string, g *model.Graph) string {
	_, version, err := ortsession.LibraryAt(c.Runtime.Library)
	if err != nil {
		return ""
	}
	name := g.Path
	if in, err := filepath.Rel(cache, g.Path); err == nil && filepath.IsLocal(in) {
		name = filepath.Dir(in)
	}
	return fmt.Sprintf("%s, ONNX Runtime %s, %d of %s", name, version, runtime.GOMAXPROCS(0), processor())
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

// choose doubles the sessions for as long as the doubling is worth it. compare measures two ways in turns.
func choose(cores int, compare func(a, b split) (split, split, error)) (s splits, err error) {
	best := split{Sessions: 1, Threads: max(cores, 1)}
	for n := 2; n <= min(cores, sessionsMost); n *= 2 {
		now, more, err := compare(best, split{Sessions: n, Threads: cores / n})
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
	inputs, steps, err := usualBatch(ctx, p, m)
	if err != nil {
		return splits{}, err
	}
	return choose(runtime.GOMAXPROCS(0), func(a, b split) (split, split, error) {
		ways := []*split{&a, &b}
		var open, take [2][]embed.Session // take: as ones of padded batches, which usualBatch's is
		defer func() {
			for _, s := range slices.Concat(open[0], open[1]) {
				_ = s.Close() // of sessions that have run nothing since
			}
		}()
		for i, w := range ways {
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
				take[i] = append(take[i], run)
			}
		}
		var rates [2][]float64
		for round := range sessionRounds + 1 {
			for i := range ways {
				runs, took, err := busy(ctx, take[i], inputs)
				if err != nil {
					return a, b, err
				}
				if round > 0 { // the first runs of a session are slower
					rates[i] = append(rates[i], float64(runs*steps)/took.Seconds())
				}
			}
		}
		for i, w := range ways {
			slices.Sort(rates[i])
			w.Rate = rates[i][len(rates[i])/2]
		}
		return a, b, nil
	})
}

// busy keeps sessions busy for a round.
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

// usualBatch is a batch as full as the configuration has it, of one object again and again: a recording of a few seconds, a text of some tens of tokens, a picture.
func usualBatch(ctx context.Context, p *config.Pipeline, m *loadedModel) (inputs []embed.Tensor, steps int, err error) {
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
	limits := batchConfig(p.Batch, m.spec.Modality)
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
	packing, err := packingOf(p.Batch, m.spec, batchConfig(p.Batch, m.spec.Modality))
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
	if p.Model.Sessions > 0 || p.Model.Threads > 0 || runtime.GOMAXPROCS(0) == 1 {
		d.say(check, Sound, "%d of %d threads, as configured", len(m.sessions), threadsOf(p, len(m.sessions)))
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
			told = append(told, fmt.Sprintf("%d of %d threads %.0f steps a second, %d of %d threads %.0f", t.Sessions, t.Threads, t.Rate, s.Tried[i+1].Sessions, s.Tried[i+1].Threads, s.Tried[i+1].Rate))
		}
	}
	cache, err := cacheDir(d.c)
	if err == nil {
		err = s.keep(d.c, cache, m.graph)
	}
	if err != nil {
		d.say(check, Doubt, "%s: %d would be best, but %v", strings.Join(told, "; "), s.Chosen.Sessions, err)
		return
	}
	d.say(check, Sound, "%s: a worker starts with %d (each has memory of its own, so a doubling must gain a tenth)", strings.Join(told, "; "), s.Chosen.Sessions)
}
