package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"vecmill/embed"
	taskheads "vecmill/embed/heads"
	"vecmill/schemas"
)

// effort is what the process took for something, by getrusage.
type effort struct {
	cpu       time.Duration // user and system, all threads
	faults    int64         // pages that were touched for the first time
	waits     int64         // times that a thread gave its processor away
	preempted int64         // times that it was taken away
}

// spent is what the process has taken so far.
func spent(b testing.TB) effort {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return effort{time.Duration(u.Utime.Nano() + u.Stime.Nano()), u.Minflt, u.Nvcsw, u.Nivcsw}
}

// since is what it has taken since it had taken e.
func (e effort) since(b testing.TB) effort {
	b.Helper()
	now := spent(b)
	return effort{now.cpu - e.cpu, now.faults - e.faults, now.waits - e.waits, now.preempted - e.preempted}
}

// String gives milliseconds, thousands of pages, and thousands of switches.
func (e effort) String() string {
	return fmt.Sprintf("%.0f ms, %.1fk pages, %.1fk waits, %.1fk preempted", 1e3*e.cpu.Seconds(), float64(e.faults)/1e3, float64(e.waits)/1e3, float64(e.preempted)/1e3)
}

// parts are what a pipeline is made of, on the same items: each but the last by itself, one after the other.
type parts struct {
	get        effort // objects, as minio-go's users do
	preprocess effort // decoding among it
	session    effort // that has run before
	fresh      effort // a session that has computed one batch
	heads      effort
	beside     effort // get and preprocess on one goroutine, session and heads on another
}

// must is the CPU time that no pipeline can do without, with one session or the other; with the store's client, or for objects that come by themselves.
func (p *parts) must(session effort, get bool) time.Duration {
	sum := p.preprocess.cpu + session.cpu + p.heads.cpu
	if get {
		sum += p.get.cpu
	}
	return sum
}

// String tells them all.
func (p *parts) String() string {
	var lines []string
	for _, l := range []struct {
		name string
		effort
	}{{"get", p.get}, {"preprocess", p.preprocess}, {"session", p.session}, {"fresh session", p.fresh}, {"heads", p.heads}, {"beside each other", p.beside}} {
		lines = append(lines, fmt.Sprintf("%s %v", l.name, l.effort))
	}
	return strings.Join(lines, " | ")
}

// parts takes every part once.
func (l *laid) parts(b *testing.B) (p parts) {
	b.Helper()
	head, err := taskheads.New(l.headConfig(), l.bare.spec, l.bare.graph)
	if err != nil {
		b.Fatal(err)
	}
	take := func(into *effort, do func(context.Context) error) {
		before := spent(b)
		if err := do(b.Context()); err != nil {
			b.Fatal(err)
		}
		*into = before.since(b)
	}
	bodies := make([][]byte, len(l.items))
	take(&p.get, func(ctx context.Context) error {
		return l.each(func(i int) (err error) { bodies[i], err = l.servers.get(ctx, l.items[i].name); return err })
	})
	take(&p.preprocess, func(ctx context.Context) error {
		return l.each(func(i int) error { return l.preprocess(ctx, bodies[i]) })
	})
	outs := make([]*embed.Output, len(l.bare.batches))
	take(&p.session, func(ctx context.Context) error {
		return l.bare.compute(ctx, func(i int, out *embed.Output) error { outs[i] = out; return nil })
	})
	take(&p.heads, func(context.Context) error {
		for i, out := range outs {
			if _, err := head.Apply(out, l.bare.samples[i]); err != nil {
				return err
			}
		}
		return nil
	})
	take(&p.beside, func(ctx context.Context) error {
		both, ctx := errgroup.WithContext(ctx)
		both.Go(func() error {
			return l.each(func(i int) error {
				body, err := l.servers.get(ctx, l.items[i].name)
				if err != nil {
					return err
				}
				return l.preprocess(ctx, body)
			})
		})
		both.Go(func() error {
			return l.bare.compute(ctx, func(i int, out *embed.Output) error {
				_, err := head.Apply(out, l.bare.samples[i])
				return err
			})
		})
		return both.Wait()
	})
	fresh := l.bare.again(b)
	take(&p.fresh, func(ctx context.Context) error {
		return fresh.compute(ctx, func(int, *embed.Output) error { return nil })
	})
	if err := fresh.session.Close(); err != nil { // now: its arena is large
		b.Fatal(err)
	}
	return p
}

// each is for all items.
func (l *laid) each(do func(i int) error) error {
	for i := range l.items {
		if err := do(i); err != nil {
			return fmt.Errorf("%s: %w", l.items[i].name, err)
		}
	}
	return nil
}

// preprocess makes the samples of an object, and gives their memory back as an engine does.
func (l *laid) preprocess(ctx context.Context, body []byte) error {
	samples, err := l.bare.pre.Preprocess(ctx, schemas.Ref{}, body)
	if r, ok := l.bare.pre.(embed.Recycler); ok {
		for i := range samples {
			r.Recycle(&samples[i])
		}
	}
	return err
}

// get is an object's bytes.
func (s *servers) get(ctx context.Context, name string) (_ []byte, err error) {
	object, err := s.client.GetObject(ctx, bucket, name, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = object.Close() }() // it has been read
	return io.ReadAll(object)
}

// again is x with a session of its own that has computed the smallest batch, as a worker's has at its start.
func (x *bare) again(b *testing.B) *bare {
	b.Helper()
	fresh := *x
	fresh.session = x.open(b)
	if _, err := fresh.session.Run(b.Context(), x.batches[0]); err != nil {
		b.Fatal(err)
	}
	return &fresh
}

// whole is a round with the parts before it, and notes what the pipeline is to them.
func (l *laid) whole(b *testing.B, topic string, seen *shares) {
	b.Helper()
	p := l.parts(b)
	session, pipeline := l.round(b, topic)
	report(b, l.setup, topic, pipeline, l.bare, session)
	b.Logf("  pipeline %v | %v", pipeline.effort, &p)
	p.session.cpu = session // of before and after the pipeline
	ratio := func(x, y time.Duration) float64 { return x.Seconds() / y.Seconds() }
	seen.add("bare/pipeline", ratio(session, pipeline.cpu))
	seen.add("pipeline/parts", ratio(pipeline.cpu, p.must(p.session, false)))
	seen.add("pipeline/parts-fresh", ratio(pipeline.cpu, p.must(p.fresh, false))) // as a pipeline's session is one
	seen.add("pipeline/parts+get", ratio(pipeline.cpu, p.must(p.session, true)))
	seen.add("pipeline/beside", ratio(pipeline.cpu, p.beside.cpu))
	seen.add("fresh/bare", ratio(p.fresh.cpu, session))
}

// shares are the numbers that a benchmark reports, in the order in which they came.
type shares []share

// TestThePartsHaveTheSessionThatIsMeant holds that a fresh session, which costs more, is not reckoned to the pipeline's own code.
func TestThePartsHaveTheSessionThatIsMeant(t *testing.T) {
	of := func(n int) effort { return effort{cpu: time.Duration(n)} }
	p := parts{get: of(1), preprocess: of(10), session: of(100), fresh: of(111), heads: of(1000)}
	for _, c := range []struct {
		session effort
		get     bool
		want    time.Duration
	}{{p.session, false, 1110}, {p.session, true, 1111}, {p.fresh, false, 1121}, {p.fresh, true, 1122}} {
		if got := p.must(c.session, c.get); got != c.want {
			t.Errorf("session %d, get %v: %d, want %d", c.session.cpu, c.get, got, c.want)
		}
	}
}

// share is one number in every round.
type share struct {
	name string
	seen []float64
}

func (s *shares) add(name string, v float64) {
	for i := range *s {
		if (*s)[i].name == name {
			(*s)[i].seen = append((*s)[i].seen, v)
			return
		}
	}
	*s = append(*s, share{name, []float64{v}})
}

// report gives medians, and with the first number the least and the most.
func (s shares) report(b *testing.B) {
	for i, n := range s {
		slices.Sort(n.seen)
		b.ReportMetric(n.seen[len(n.seen)/2], n.name)
		if i == 0 {
			b.ReportMetric(n.seen[0], "lowest")
			b.ReportMetric(n.seen[len(n.seen)-1], "highest")
		}
	}
}
