package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/progress"
	"vecmill/internal/status"
)

// planOf is a plan of 1000 references that says what each pipeline takes.
func planOf(t *testing.T, said ...backfill.Expectation) *plan.Plan {
	t.Helper()
	about, err := json.Marshal(Promise{Expected: said})
	if err != nil {
		t.Fatal(err)
	}
	return &plan.Plan{Name: "x", Items: 1000, About: about}
}

// calls takes two machines 110 s, and their processors 420 s, of which each starts for 10 s.
var calls = backfill.Expectation{
	Pipeline: "calls", Machines: 2, Startup: 10, StartupCPU: 10, Machine: "2 of A", Wall: &backfill.Interval{Value: 110}, CPU: &backfill.Interval{Value: 420},
}

func TestRunsAreAddedUpAndHeldAgainstTheirPlan(t *testing.T) {
	run := func(seconds, cpu float64, stretches map[string]plan.Stretch) plan.Took {
		return plan.Took{Seconds: seconds, CPU: cpu, Pipelines: stretches}
	}
	of := func(first, next int64, machine string) map[string]plan.Stretch {
		return map[string]plan.Stretch{"calls": {First: first, Next: next, Machine: machine}}
	}
	images := calls
	images.Pipeline = "images"
	stated := calls
	stated.Stated, stated.Machine, stated.Startup, stated.Wall = &backfill.Rate{PerSecond: 5, Unit: backfill.Objects}, "", 0, &backfill.Interval{Value: 100}
	for _, c := range []struct {
		name          string
		said          []backfill.Expectation
		runs          []plan.Took
		refs          int64
		planned, took float64
		cpu           [2]float64 // 0: none
		another       string     // kind of machine
	}{
		{"one of all", []backfill.Expectation{calls}, []plan.Took{run(200, 500, of(0, 1000, "2 of A"))}, 1000, 210, 200, [2]float64{410, 500}, ""},
		{"two, of which the first was stopped", []backfill.Expectation{calls}, []plan.Took{run(50, 90, of(0, 250, "2 of A")), run(150, 300, of(250, 1000, "2 of A"))}, 1000, 210, 200, [2]float64{410, 390}, ""},
		{"a killed one, whose last 50 nobody knows", []backfill.Expectation{calls}, []plan.Took{run(50, 90, of(0, 200, "")), run(150, 300, of(250, 1000, ""))}, 950, 200, 200, [2]float64{390, 390}, ""},
		{"a share", []backfill.Expectation{calls}, []plan.Took{run(60, 100, of(0, 125, "2 of A"))}, 125, 35, 60, [2]float64{60, 100}, ""},
		{"two of one share at once", []backfill.Expectation{calls}, []plan.Took{run(200, 400, of(0, 1000, "")), run(200, 400, of(0, 900, ""))}, 1000, 210, 400, [2]float64{410, 800}, ""},
		{"a replaced one, whose stretch reaches into its successor's", []backfill.Expectation{calls}, []plan.Took{run(50, 90, of(200, 500, "")), run(50, 90, of(0, 300, ""))}, 500, 110, 100, [2]float64{210, 180}, ""},
		{"one share and another", []backfill.Expectation{calls}, []plan.Took{run(50, 90, of(0, 250, "")), {Partition: 1, Seconds: 50, CPU: 90, Pipelines: of(0, 250, "")}}, 500, 110, 100, [2]float64{210, 180}, ""},
		{"on another machine", []backfill.Expectation{calls}, []plan.Took{run(60, 100, of(0, 125, "8 of B"))}, 125, 35, 60, [2]float64{60, 100}, "8 of B"},
		{"of two pipelines", []backfill.Expectation{calls, images}, []plan.Took{run(300, 600, map[string]plan.Stretch{"calls": {Next: 1000}, "images": {Next: 500}})}, 500, 320, 300, [2]float64{620, 600}, ""},
		{"of one of two pipelines", []backfill.Expectation{calls, images}, []plan.Took{run(200, 500, of(0, 1000, "2 of A"))}, 1000, 210, 200, [2]float64{410, 500}, ""},
		{"by a stated rate", []backfill.Expectation{stated}, []plan.Took{run(150, 500, of(0, 1000, "2 of A"))}, 1000, 200, 150, [2]float64{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := against(planOf(t, c.said...), c.runs)
			if a == nil || a.References != c.refs || a.Of != 1000 || a.Machines != 1 || a.Runs != len(c.runs) || a.Planned != c.planned || a.Took != c.took || a.Ratio != c.took/c.planned || a.Ran != c.another || a.Stated != (c.cpu[0] == 0) {
				t.Fatalf("%+v", a)
			}
			if c.cpu[0] > 0 && (*a.PlannedCPU != c.cpu[0] || *a.TookCPU != c.cpu[1] || math.Abs(*a.CPURatio-c.cpu[1]/c.cpu[0]) > 1e-9) || c.cpu[0] == 0 && a.CPURatio != nil {
				t.Errorf("processors: planned %v, took %v, ratio %v", a.PlannedCPU, a.TookCPU, a.CPURatio)
			}
		})
	}
	for name, runs := range map[string][]plan.Took{"no run": nil, "nothing is durable": {run(50, 90, of(100, 100, ""))}, "another pipeline's": {run(50, 90, map[string]plan.Stretch{"texts": {Next: 1000}})}} {
		if a := against(planOf(t, calls), runs); a != nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
	refused := backfill.Expectation{Pipeline: "images", Machines: 2, Refused: "decode: cut off"}
	stretches := of(0, 1000, "2 of A")
	if a := against(planOf(t, calls, refused), []plan.Took{run(200, 500, stretches)}); a == nil || a.Planned != 210 || len(a.Untold) > 0 {
		t.Errorf("without the pipeline whose time is not known: %+v", a)
	}
	stretches["images"] = plan.Stretch{Next: 500}
	if a := against(planOf(t, calls, refused), []plan.Took{run(200, 500, stretches)}); a == nil || a.Planned != 210 || a.References != 500 || !slices.Equal(a.Untold, []string{"images"}) {
		t.Errorf("with the pipeline whose time is not known: %+v", a)
	}
	if a := against(planOf(t, refused), []plan.Took{run(200, 500, stretches)}); a != nil {
		t.Errorf("a plan whose time is not known: %+v", a)
	}
	if a := against(planOf(t), []plan.Took{run(50, 90, of(0, 1000, ""))}); a != nil {
		t.Errorf("a plan without an estimate: %+v", a)
	}
}

func TestAFleetIsHeldAgainstThePlanOfItsMachines(t *testing.T) {
	c := &config.Config{Pipelines: []config.Pipeline{{Name: "calls", Topics: []string{"refs"}}, {Name: "images", Topics: []string{"others"}}}}
	images := calls
	images.Pipeline = "images"
	refused := backfill.Expectation{Pipeline: "notes", Machines: 2, Refused: "decode: cut off"}
	c.Pipelines = append(c.Pipelines, config.Pipeline{Name: "notes", Topics: []string{"refs", "notes"}})
	p := planOf(t, calls, images, refused)
	for _, x := range []struct {
		topic   string
		done    int64
		took    time.Duration
		planned float64 // 0: there is nothing to hold
	}{
		{"refs", 1000, 95 * time.Second, 100},
		{"refs", 250, 95 * time.Second, 25},
		{"refs", 2000, 95 * time.Second, 100},
		{"refs", 0, 95 * time.Second, 0},
		{"refs", 1000, -time.Second, 0}, // by another clock
		{"unread", 1000, 95 * time.Second, 0},
		{"notes", 1000, 95 * time.Second, 0}, // whose time is not known
	} {
		a := againstFleet(c, p, x.topic, x.done, x.took, progress.ToWritten)
		if x.planned == 0 {
			if a != nil {
				t.Errorf("%+v: %+v", x, a)
			}
			continue
		}
		if a == nil || a.Planned != x.planned || a.Took != 95 || a.Machines != 2 || a.References != min(x.done, 1000) || a.Runs != 0 || a.CPURatio != nil || a.Counted != progress.ToWritten || !slices.Equal(a.Untold, []string{"notes"}) {
			t.Errorf("%+v: %+v", x, a)
		}
	}
}

// TestARunThatIsKilledHasToldWhatItTook kills a run, has another one go on, and another plan's account lie beside theirs. A run that finds nothing to do leaves no account.
func TestARunThatIsKilledHasToldWhatItTook(t *testing.T) {
	dir, p := t.TempDir(), planOf(t, calls)
	c := &config.Config{Pipelines: []config.Pipeline{{Name: "calls"}}}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		now := func(start int64, rate float64) func() status.Status {
			from := time.Now()
			return func() status.Status {
				took := time.Since(from).Seconds()
				return status.Status{Now: time.Now(), CPU: 2 * took, Pipelines: []status.Pipeline{{About: status.About{Name: "calls"}, List: &status.List{Start: start, Durable: min(1000, start+int64(rate*took)), Total: 1000}}}}
			}
		}
		open := func() *Account {
			a, err := OpenAccount(t.Context(), c, dir, p, plan.Share{}, time.Now(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		killed, state := open(), now(0, 5)
		stop := killed.Keep(t.Context(), state)
		time.Sleep(100*time.Second + time.Millisecond)
		stop() // it is killed: nothing is told any more
		told, err := plan.TookPart(t.Context(), killed.place, p, 0)
		if err != nil || len(told) != 1 || told[0].Seconds < 89 || told[0].Pipelines["calls"].Next != int64(5*told[0].Seconds) || told[0].CPU != 2*told[0].Seconds || !told[0].Began.Equal(began) {
			t.Fatalf("the killed run has told %+v, %v", told, err)
		}
		next, state := open(), now(500, 5)
		time.Sleep(100 * time.Second)
		a, err := next.Close(t.Context(), state())
		if err != nil || a == nil || a.Runs != 2 || a.Took != 100+told[0].Seconds || a.References != 500+told[0].Pipelines["calls"].Next {
			t.Fatalf("%+v, %v", a, err)
		}
		idle, state := open(), now(1000, 5)
		time.Sleep(time.Second)
		again, err := idle.Close(t.Context(), state())
		if err != nil || again == nil || again.Runs != 2 || again.Took != a.Took {
			t.Errorf("behind a run with nothing to do: %+v, %v", again, err)
		}
		all, err := AgainstRuns(t.Context(), c, dir, p)
		if err != nil || all == nil || *all.CPURatio != *a.CPURatio {
			t.Errorf("from elsewhere: %+v, %v", all, err)
		}
	})
	if names, err := filepath.Glob(filepath.Join(dir, "took-0-*.json")); err != nil || len(names) != 2 {
		t.Errorf("%v, %v", names, err)
	}
}

// unheard is a place that says nothing until whoever asks gives up.
type unheard struct{ plan.Store }

func (unheard) Put(ctx context.Context, _ string, _ []byte, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestARunEndsWhileThePlaceOfItsAccountIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		a := &Account{place: plan.Place{Store: unheard{}}, took: plan.Took{Began: time.Now()}, log: slog.New(slog.NewTextHandler(&said, nil))}
		stop := a.Keep(t.Context(), func() status.Status {
			return status.Status{Now: time.Now(), Pipelines: []status.Pipeline{{List: &status.List{Total: 5, Durable: 3}}}}
		})
		time.Sleep(time.Minute)
		ended := time.Now()
		if stop(); !time.Now().Equal(ended) || said.Len() > 0 {
			t.Errorf("it took %v, and says %q", time.Since(ended), said.String())
		}
	})
}

// TestARunWithoutAPlaceForItsAccountIsNoneTheWorse has a file come in place of the plan's directory: that is said, and once.
func TestARunWithoutAPlaceForItsAccountIsNoneTheWorse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plan")
	var said bytes.Buffer
	a, err := OpenAccount(t.Context(), &config.Config{}, dir, planOf(t, calls), plan.Share{}, time.Now(), slog.New(slog.NewTextHandler(&said, nil)))
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err == nil {
		err = os.WriteFile(dir, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := status.Status{Now: time.Now(), Pipelines: []status.Pipeline{{List: &status.List{Total: 5, Durable: 3}}}}
	a.save(t.Context(), s)
	if held, _ := a.Close(t.Context(), s); held != nil {
		t.Errorf("%+v", held)
	}
	if n := strings.Count(said.String(), "not kept beside its plan"); n != 1 {
		t.Errorf("it is said %d times: %s", n, said.String())
	}
	none, err := OpenAccount(t.Context(), &config.Config{}, dir, planOf(t), plan.Share{}, time.Now(), slog.New(slog.DiscardHandler))
	if err != nil || none != nil {
		t.Errorf("a plan without an estimate has an account: %v, %v", none, err)
	}
	none.Keep(t.Context(), nil)()
	if held, err := none.Close(t.Context(), status.Status{}); held != nil || err != nil {
		t.Errorf("%v, %v", held, err)
	}
}
