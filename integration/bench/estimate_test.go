//go:build integration && linux

package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/backfill"
	"vecmill/internal/config"
	"vecmill/internal/progress"
	"vecmill/schemas"
)

const (
	offBound   = 0.15 // of what a run took
	othersMost = 0.1  // of the machine is somebody else's at most, where what is measured is the estimate's
)

// TestAPlansTimeIsWhatItsRunTakes plans and runs corpora whose lengths are distributed differently, and pictures, on the real programs and store, by other processes, with the cores divided as by default. CPU time and wall time of the median of three rounds must be within 15 % of what was planned: rounds in
// which the machine was ours count, and two good ones decide already. On a machine that has other work, where time is what is left of it, and less comes of CPU time, too, the median of all rounds, three or four, must have the CPU time right, and the wall time is told: it is off where all of two or more rounds in which the machine was ours have it so.
func TestAPlansTimeIsWhatItsRunTakes(t *testing.T) {
	site := fixture.On(t, nil, harness.StartS3(t))
	r := rand.New(rand.NewPCG(8, 15))
	wide := map[schemas.Modality]string{schemas.Text: checkpoint(t, demoModels(t), schemas.Text, 1), schemas.Image: checkpoint(t, demoModels(t), schemas.Image, 1)}
	var album []item
	for i := range 24 {
		album = append(album, picture(t, r, i))
	}
	for _, c := range []struct {
		name     string
		modality schemas.Modality
		items    int
		sample   int
		body     func() []byte
	}{
		{"log-normal, 24 words at the median", schemas.Text, 1200, 200, func() []byte { return sentence(r) }},
		{"uniform, 3 to 12 words", schemas.Text, 3600, 256, func() []byte { return []byte(words(r, 3+r.IntN(10))) }},
		{"heavy tail, some far beyond what the model reads", schemas.Text, 2400, 256, func() []byte {
			return []byte(words(r, min(int(8*math.Pow(r.Float64(), -1/1.2)), 20_000)))
		}},
		{"recordings, log-normal, 2 s at the median", schemas.Audio, 1000, 128, func() []byte {
			return fixture.WAV(16000, 1, 2, 2*int(16000*min(max(2*math.Exp(0.7*r.NormFloat64()), 0.2), 15)))
		}},
		{"pictures, of 320 x 240 to 1024 x 768", schemas.Image, 240, 96, func() []byte { return album[r.IntN(len(album))].body }},
	} {
		t.Run(c.name, func(t *testing.T) {
			name, _, _ := strings.Cut(c.name, ",")
			name = strings.ReplaceAll(name, " ", "-")
			var putting errgroup.Group
			putting.SetLimit(8)
			for i := range c.items {
				body := c.body()
				putting.Go(func() error {
					site.Put(t, fmt.Sprintf("%s/%05d", name, i), body)
					return nil
				})
			}
			_ = putting.Wait() // they fail the test themselves
			p := site.Pipeline(t, name, c.modality, "unused")
			p.Model.Threads, p.Model.Sessions = 0, 0 // the cores as a worker divides them by itself
			if dir := wide[c.modality]; dir != "" {  // the bundled models of texts and pictures are so small that their run is all start; that of audio would take minutes if it were of base width
				p.Model.Path, p.Model.Name = dir, "random"
				p.Heads = []config.Head{{Task: string(schemas.TaskEmbedding), Name: "embedding"}}
			}
			conf := site.Config(p)
			conf.Log.Level = "warn"
			var all estimates
			for len(all) < 4 && !all.decided() && !all.hopeless() {
				all = append(all, planAndRun(t, site, conf, fmt.Sprintf("%s-%d", name, len(all)), c.sample))
			}
			if fault := all.fault(); fault != "" {
				t.Error(fault)
			} else if !all.decided() {
				t.Logf("wall time not judged: others had more than %.0f %% of the machine in %d of %d rounds", 100*othersMost, len(all)-len(all.ours()), len(all))
			}
		})
	}
}

// estimated is what was planned of what a run took, and the part of the machine that was somebody else's meanwhile.
type estimated struct{ cpu, wall, others float64 }

type estimates []estimated

func within(planned float64) bool { return math.Abs(planned-1) <= offBound }

// ours are those rounds in which the machine was.
func (all estimates) ours() (some estimates) {
	for _, r := range all {
		if r.others <= othersMost {
			some = append(some, r)
		}
	}
	return some
}

// decided says whether a third quiet round would change nothing, or was there.
func (all estimates) decided() bool {
	n := 0
	for _, r := range all.ours() {
		if within(r.cpu) && within(r.wall) {
			n++
		}
	}
	return n >= 2 || len(all.ours()) >= 3
}

// hopeless says whether the machine has so much other work that more rounds would cost time and decide nothing.
func (all estimates) hopeless() bool { return len(all)-len(all.ours()) >= busyMost }

// busyMost is how many rounds there are at most where others work: of three one that is right by chance is not the median.
const busyMost = 3

// median is that of what was planned of what rounds took.
func (all estimates) median(of func(estimated) float64) float64 {
	var planned []float64
	for _, r := range all {
		planned = append(planned, of(r))
	}
	slices.Sort(planned)
	n := len(planned)
	return (planned[(n-1)/2] + planned[n/2]) / 2
}

// fault says what is wrong with the rounds; "": nothing.
func (all estimates) fault() string {
	ours := all.ours()
	if !all.decided() {
		if planned := all.median(func(r estimated) float64 { return r.cpu }); !within(planned) {
			return fmt.Sprintf("of the CPU time that runs took %.2f was planned, by the median where others work, want within %.0f %%: %+v", planned, 100*offBound, all)
		}
		if len(ours) >= 2 && !slices.ContainsFunc(ours, func(r estimated) bool { return within(r.wall) }) {
			return fmt.Sprintf("of the wall time that runs took %.2f was planned, by the median where nobody else works, and never what is within %.0f %%: %+v", ours.median(func(r estimated) float64 { return r.wall }), 100*offBound, all)
		}
		return ""
	}
	if len(ours) < 3 { // two good ones
		return ""
	}
	for name, of := range map[string]func(estimated) float64{"CPU time": func(r estimated) float64 { return r.cpu }, "wall time": func(r estimated) float64 { return r.wall }} {
		if planned := ours.median(of); !within(planned) {
			return fmt.Sprintf("of the %s that runs took %.2f was planned, by the median, want within %.0f %%: %+v", name, planned, 100*offBound, all)
		}
	}
	return ""
}

// TestAnEstimateThatIsOffFails has rounds as they come of good estimates and of others, on machines with and without other work.
func TestAnEstimateThatIsOffFails(t *testing.T) {
	of := func(others float64, planned ...float64) (all estimates) {
		for _, p := range planned {
			all = append(all, estimated{cpu: p, wall: p, others: others})
		}
		return all
	}
	slow, busy := estimated{cpu: 1, wall: 0.5, others: 0.02}, estimated{cpu: 1, wall: 1, others: 0.5}
	for _, c := range []struct {
		name           string
		rounds         estimates
		decided, fault bool
	}{
		{"right, twice", of(0, 1.02, 0.98), true, false},
		{"right, once", of(0, 1.02), false, false},
		{"right by the median", of(0, 1.02, 1.3, 0.9), true, false},
		{"a fifth too much", of(0, 1.22, 1.14, 1.2), true, true},
		{"a fifth too little", of(0, 0.8, 0.86, 0.78), true, true},
		{"the wall time alone is off", estimates{slow, slow, slow}, true, true},
		{"the wall time alone is off whenever nobody else works", estimates{slow, busy, slow, busy}, false, true},
		{"the wall time alone is off in the one round in which nobody else works", estimates{slow, busy, busy, busy}, false, false},
		{"right by the median where others work", of(0.5, 0.6, 1.4, 0.9), false, false},
		{"off where others work, but for once", of(0.5, 0.6, 0.7, 0.9), false, true},
		{"off where others work", of(0.5, 0.6, 1.4, 0.7), false, true},
		{"two quiet ones, one of them right", append(of(0.5, 0.6, 1.4), of(0, 1, 0.8)...), false, false},
		{"two quiet ones, one of them right by chance", append(of(0.5, 0.6, 0.7), of(0, 1, 0.7)...), false, true},
	} {
		if decided, fault := c.rounds.decided(), c.rounds.fault(); decided != c.decided || (fault != "") != c.fault {
			t.Errorf("%s: decided %t, fault %q", c.name, decided, fault)
		}
	}
}

// planAndRun plans a pipeline's objects, and runs the plan.
func planAndRun(t *testing.T, site *fixture.Site, c *config.Config, name string, sample int) estimated {
	t.Helper()
	before := processorsNow()
	at := "s3://" + fixture.Bucket + "/plans/" + name
	code, out := site.Backfill(t, "plan-"+name, c, "plan", "--source", "s3://"+fixture.Bucket+"/in/"+c.Pipelines[0].Name+"/", "--out", at, "--again", "--sample", strconv.Itoa(sample), "--try", "30s", "--json")
	var said struct{ Expected []backfill.Expectation }
	lastObject(t, out, &said)
	if code != 0 || len(said.Expected) != 1 {
		t.Fatalf("the plan has exit code %d and says %s", code, out)
	}
	var end progress.Report
	code, out = site.Backfill(t, "run-"+name, c, "run", "--plan", at, "--json")
	lastObject(t, out, &end)
	a, x := end.Against, said.Expected[0]
	if code != 0 || a == nil || a.CPURatio == nil || a.Runs != 1 || a.References != x.Items {
		t.Fatalf("the run has exit code %d and says %s", code, out)
	}
	r := estimated{cpu: 1 / *a.CPURatio, wall: 1 / a.Ratio, others: before.others(processorsNow())}
	t.Logf("CPU planned %.1f s (%.1f to %.1f), took %.1f: %.2f of it was planned; wall planned %.1f s (%.1f to %.1f), took %.1f: %.2f of it; others had %.0f %% of the machine",
		*a.PlannedCPU, x.CPU.Low, x.CPU.High, *a.TookCPU, r.cpu, a.Planned, x.Wall.Low, x.Wall.High, a.Took, r.wall, 100*r.others)
	return r
}

// lastObject reads the last line of a log that is a JSON object.
func lastObject(t *testing.T, out string, into any) {
	t.Helper()
	at := strings.LastIndex(out, "\n{")
	if err := json.NewDecoder(strings.NewReader(out[at+1:])).Decode(into); err != nil {
		t.Fatalf("no object in %s: %v", out, err)
	}
}
