package wire

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/progress"
	"vecmill/internal/status"
	"vecmill/schemas"
)

// An account is written whenever a tenth of its time has gone by since it was, within bounds: that is what of a run that is killed nobody knows.
const (
	accountLeast = time.Second
	accountMost  = 30 * time.Second
	accountGrow  = 10
)

// Account is what a run has taken of its machine, kept beside its plan: of a plan that is computed in several runs, as after a kill, they are added up. It is for one run; a nil one keeps nothing.
type Account struct {
	place    plan.Place
	name     string
	about    *plan.Plan
	took     plan.Took
	machines map[string]string // by pipeline
	log      *slog.Logger
	failed   bool // it has told that it cannot be written
}

// OpenAccount begins the account of a run of a plan or a share of it; nil if the plan says nothing that it could be held against.
func OpenAccount(ctx context.Context, c *config.Config, at string, p *plan.Plan, share plan.Share, began time.Time, log *slog.Logger) (*Account, error) {
	if len(PromiseOf(p).Expected) == 0 {
		return nil, nil
	}
	place, err := planPlace(ctx, &stores{cfg: c}, at)
	if err != nil {
		return nil, err
	}
	a := &Account{place: place, name: plan.TookName(place, share.Partition()), about: p, machines: map[string]string{}, log: log}
	a.took = plan.Took{Plan: p.Name, Partition: share.Partition(), Began: began.UTC()}
	for i := range c.Pipelines {
		a.machines[c.Pipelines[i].Name] = deviceName(&c.Pipelines[i], os.DirFS("/"))
	}
	return a, nil
}

// Keep writes the account from time to time until stop is called, which does not wait for a place that is away. A place that does not take it does not end the run: what is missing is said once.
func (a *Account) Keep(ctx context.Context, now func() status.Status) (stop func()) {
	if a == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(min(max(time.Since(a.took.Began)/accountGrow, accountLeast), accountMost)):
				a.save(ctx, now())
			}
		}
	})
	return func() {
		cancel()
		keeping.Wait()
	}
}

// save writes what the run has taken until now. Of one that finds nothing left to compute there is nothing to tell.
func (a *Account) save(ctx context.Context, s status.Status) {
	a.took.Seconds, a.took.CPU = s.Now.Sub(a.took.Began).Seconds(), s.CPU
	a.took.Pipelines = map[string]plan.Stretch{}
	left := false
	for i := range s.Pipelines {
		if l := s.Pipelines[i].List; l != nil && l.Total >= 0 {
			name := s.Pipelines[i].Name
			a.took.Pipelines[name] = plan.Stretch{First: l.Start, Next: max(l.Start, l.Durable), Machine: a.machines[name]}
			left = left || l.Start < l.Total
		}
	}
	if !left {
		return
	}
	if err := a.took.Save(ctx, a.place, a.name); err != nil && ctx.Err() == nil && !a.failed {
		a.failed = true
		a.log.Warn("what this run takes is not kept beside its plan: after another run the sum lacks it", "err", err)
	}
}

// Close tells the last of the run, and holds all runs of the plan, or of the share, against it; nil if they have made nothing durable.
func (a *Account) Close(ctx context.Context, s status.Status) (*progress.Against, error) {
	if a == nil {
		return nil, nil
	}
	a.save(ctx, s)
	all, err := plan.TookPart(ctx, a.place, a.about, a.took.Partition)
	if err != nil {
		return nil, err
	}
	return against(a.about, all), nil
}

// AgainstRuns holds all runs of a plan, of whatever share, against it; nil if there is nothing to hold.
func AgainstRuns(ctx context.Context, c *config.Config, at string, p *plan.Plan) (*progress.Against, error) {
	if len(PromiseOf(p).Expected) == 0 {
		return nil, nil
	}
	place, err := planPlace(ctx, &stores{cfg: c}, at)
	if err != nil {
		return nil, err
	}
	all, err := plan.TookAll(ctx, place, p)
	if err != nil {
		return nil, err
	}
	return against(p, all), nil
}

// against adds runs up. What is planned is for one machine that starts once, and for the references that these runs made durable, by their number: of a plan whose shares differ in length, each is held against the mean.
func against(p *plan.Plan, all []plan.Took) *progress.Against {
	out := &progress.Against{References: p.Items, Of: p.Items, Machines: 1, Counted: progress.OfRuns, Runs: len(all)}
	var plannedCPU, tookCPU float64
	for i := range all {
		out.Took += all[i].Seconds
		tookCPU += all[i].CPU
	}
	for _, e := range PromiseOf(p).Expected {
		spans, ran := map[int][]schemas.Span{}, false // by partition
		for i := range all {
			s, ok := all[i].Pipelines[e.Pipeline]
			ran = ran || ok
			spans[all[i].Partition] = append(spans[all[i].Partition], schemas.Span{First: s.First, Next: s.Next})
			if e.Machine != "" && s.Machine != "" && e.Machine != s.Machine {
				out.Measured, out.Ran = e.Machine, s.Machine
			}
		}
		if !ran { // by other pipelines of the plan alone
			continue
		}
		n := int64(0)
		for _, told := range spans {
			n += covered(told)
		}
		out.References = min(out.References, n)
		if e.Wall == nil {
			out.Untold = append(out.Untold, e.Pipeline)
			continue
		}
		wall, cpu := e.OfOne(float64(n) / float64(p.Items))
		out.Planned += wall
		plannedCPU += cpu
		out.Stated = out.Stated || e.Stated != nil
	}
	if out.References == 0 || out.Planned <= 0 {
		return nil
	}
	if !out.Stated {
		out.PlannedCPU, out.TookCPU = &plannedCPU, &tookCPU
	}
	out.Ratios()
	return out
}

// covered is how many references lie in spans, of which some may lie over others: two runs of one share at once have told of the same ones.
func covered(spans []schemas.Span) (n int64) {
	slices.SortFunc(spans, func(a, b schemas.Span) int { return cmp.Compare(a.First, b.First) })
	end := int64(0)
	for _, s := range spans {
		n += max(0, s.Next-max(s.First, end))
		end = max(end, s.Next)
	}
	return n
}

// againstFleet holds what workers have done of a plan that was published to a topic against it: the time from the beginning of the publishing on, for the machines that were planned. How many there were, of which kind, and what else they did, nobody has told.
func againstFleet(c *config.Config, p *plan.Plan, topic string, done int64, took time.Duration, counted progress.Counted) *progress.Against {
	out := &progress.Against{References: min(done, p.Items), Of: p.Items, Took: took.Seconds(), Counted: counted}
	if out.References <= 0 || took <= 0 {
		return nil
	}
	for _, e := range PromiseOf(p).Expected {
		reads := func(line config.Pipeline) bool { return line.Name == e.Pipeline && slices.Contains(line.Topics, topic) }
		if !slices.ContainsFunc(c.Pipelines, reads) {
			continue
		}
		if e.Wall == nil {
			out.Untold = append(out.Untold, e.Pipeline)
			continue
		}
		out.Planned += e.OfAll(float64(out.References) / float64(p.Items))
		out.Machines = max(e.Machines, 1)
		out.Stated = out.Stated || e.Stated != nil
	}
	if out.Planned <= 0 {
		return nil
	}
	out.Ratios()
	return out
}
