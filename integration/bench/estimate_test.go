//go:build integration

package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
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

// TestAPlansTimeIsWhatItsRunTakes plans and runs corpora whose lengths are distributed differently, on the real programs and store, by other processes. What must agree within 15 % is
// the CPU time, which other work beside the test changes least, at least once in three rounds; the wall time is the same work at the share of the machine that was there, and is told.
func TestAPlansTimeIsWhatItsRunTakes(t *testing.T) {
	const bound = 0.15
	site := fixture.On(t, nil, harness.StartS3(t))
	r := rand.New(rand.NewPCG(8, 15))
	dir := checkpoint(t, demoModels(t), schemas.Text, 1)
	for _, c := range []struct {
		name  string
		items int
		text  func() string
	}{
		{"log-normal, 24 words at the median", 800, func() string { return string(sentence(r)) }},
		{"uniform, 3 to 12 words", 2000, func() string { return words(r, 3+r.IntN(10)) }},
		{"heavy tail, some far beyond what the model reads", 2000, func() string { return words(r, min(int(8*math.Pow(r.Float64(), -1/1.2)), 20_000)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			name, _, _ := strings.Cut(c.name, ",")
			name = strings.ReplaceAll(name, " ", "-")
			var putting errgroup.Group
			putting.SetLimit(8)
			for i := range c.items {
				body := []byte(c.text())
				putting.Go(func() error {
					site.Put(t, fmt.Sprintf("%s/%05d.txt", name, i), body)
					return nil
				})
			}
			_ = putting.Wait() // they fail the test themselves
			p := site.Pipeline(t, name, schemas.Text, "unused")
			p.Model.Path, p.Model.Name, p.Model.Threads = dir, "random", threads()
			p.Heads = []config.Head{{Task: string(schemas.TaskEmbedding), Name: "embedding"}}
			conf := site.Config(p)
			conf.Log.Level = "warn"
			var off []float64
			for round := range 3 {
				planned, end := planAndRun(t, site, conf, fmt.Sprintf("%s-%d", name, round))
				cpu, wall := end.Cost.CPUSeconds/planned.CPU.Value, end.Seconds / *end.Expected
				t.Logf("CPU %.1f s, planned %.1f (%.1f to %.1f): %.2f of it; wall %.1f s, planned %.1f (%.1f to %.1f): %.2f of it",
					end.Cost.CPUSeconds, planned.CPU.Value, planned.CPU.Low, planned.CPU.High, cpu, end.Seconds, *end.Expected, planned.Wall.Low, planned.Wall.High, wall)
				off = append(off, cpu)
				if math.Abs(cpu-1) <= bound {
					return
				}
			}
			t.Errorf("the runs took %.2f of the CPU time that was planned, want at least one within %.0f %%", off, 100*bound)
		})
	}
}

// planAndRun gives what a plan of a pipeline's objects expects, and how its run ended.
func planAndRun(t *testing.T, site *fixture.Site, c *config.Config, name string) (backfill.Expectation, progress.Report) {
	t.Helper()
	at := "s3://" + fixture.Bucket + "/plans/" + name
	code, out := site.Backfill(t, "plan-"+name, c, "plan", "--source", "s3://"+fixture.Bucket+"/in/"+c.Pipelines[0].Name+"/", "--out", at, "--again", "--sample", "256", "--try", "30s", "--json")
	var said struct{ Expected []backfill.Expectation }
	lastObject(t, out, &said)
	if code != 0 || len(said.Expected) != 1 {
		t.Fatalf("the plan has exit code %d and says %s", code, out)
	}
	var end progress.Report
	code, out = site.Backfill(t, "run-"+name, c, "run", "--plan", at, "--json")
	lastObject(t, out, &end)
	if code != 0 || end.Expected == nil || end.Cost == nil {
		t.Fatalf("the run has exit code %d and says %s", code, out)
	}
	return said.Expected[0], end
}

// lastObject reads the last line of a log that is a JSON object.
func lastObject(t *testing.T, out string, into any) {
	t.Helper()
	at := strings.LastIndex(out, "\n{")
	if err := json.NewDecoder(strings.NewReader(out[at+1:])).Decode(into); err != nil {
		t.Fatalf("no object in %s: %v", out, err)
	}
}
