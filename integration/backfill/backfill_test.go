//go:build integration

package backfill

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/internal/progress"
	"vecmill/schemas"
	"vecmill/sinks/parquetfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// setting is a number from the environment.
func setting(t *testing.T, name string, or int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// lake is a store with objects, and how they are computed.
type lake struct {
	*fixture.Site
	c       *config.Config
	objects int
}

// at most so many objects are put at once.
const putters = 8

func newLake(t *testing.T, objects int) *lake {
	t.Helper()
	site := fixture.On(t, nil, harness.StartS3(t))
	p := site.Pipeline(t, "intents", schemas.Text, "unused")
	p.Heads = p.Heads[:1]
	p.Outputs[0].Parquet.RollRows = max(16, objects/200)
	l := &lake{Site: site, c: site.Config(p), objects: objects}
	l.c.Log.Level = "warn"
	var g errgroup.Group
	g.SetLimit(putters)
	for i := range objects {
		g.Go(func() error {
			l.put(t, i, fmt.Sprintf("Will it rain in city %d tomorrow?", i))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return l
}

func name(i int) string { return fmt.Sprintf("texts/%03d/%06d ü.txt", i%1000, i) }

func (l *lake) put(t *testing.T, i int, text string) { l.Put(t, name(i), []byte(text)) }

// command runs a command of backfill to its end.
func (l *lake) command(t *testing.T, step string, args ...string) string {
	t.Helper()
	code, out := l.Backfill(t, step, l.c, args...)
	if code != 0 {
		t.Fatalf("%s: exit code %d\n%s", step, code, out)
	}
	return out
}

func (l *lake) plan(t *testing.T, name string) (planned struct{ Items, Known, Seen int }) {
	t.Helper()
	out := l.command(t, "plan-"+name, "plan", "--source", "s3://"+fixture.Bucket+"/in/texts/", "--out", planAt(name), "--try", "0", "--json")
	if err := lastJSON(out, &planned); err != nil {
		t.Fatalf("the plan says %s: %v", out, err)
	}
	return planned
}

func planAt(name string) string { return "s3://" + fixture.Bucket + "/plans/" + name }

// lastJSON reads the last line of a log that is an object.
func lastJSON(out string, into any) error {
	last := ""
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "{") && strings.HasSuffix(line, "}\n") {
			last = line
		}
	}
	return json.Unmarshal([]byte(last), into)
}

// status is what another process sees of the run.
func (l *lake) status(t *testing.T, step string) (w struct {
	Written, Total, Missing, Computed, Dead int
	Finished                                bool
},
) {
	t.Helper()
	out := l.command(t, step, "status", "--plan", planAt("all"), "--json")
	if err := lastJSON(out, &w); err != nil {
		t.Fatalf("the status says %s: %v", out, err)
	}
	if w.Total != l.objects || w.Missing != 0 {
		t.Fatalf("the status says %+v", w)
	}
	return w
}

// TestABackfillIsExactlyOnceThroughKills is all of it.
func TestABackfillIsExactlyOnceThroughKills(t *testing.T) {
	objects, kills := setting(t, "VECMILL_BACKFILL_OBJECTS", 400), setting(t, "VECMILL_BACKFILL_KILLS", 5)
	seed := uint64(setting(t, "VECMILL_BACKFILL_SEED", 1))
	r := rand.New(rand.NewPCG(seed, 8))
	l := newLake(t, objects)
	if p := l.plan(t, "all"); p.Items != objects || p.Known != 0 {
		t.Fatalf("the plan has %+v", p)
	}
	changed, gone := objects-1, objects-2
	l.put(t, changed, "Is it warm?") // behind the plan; the other one is removed behind the first kill
	for k := range kills {
		written, killed := l.killed(t, k, objects*(k+1)/(kills+1)/2, max(10, objects/kills/3), r)
		if !killed { // the machine was too slow to end it in time
			if k < kills/2 {
				t.Errorf("only %d of %d kills came before the end", k, kills)
			}
			break
		}
		if k == 0 {
			l.S3.Remove(t, fixture.Bucket, "in/"+name(gone))
		}
		w := l.status(t, fmt.Sprint("status-", k))
		if w.Written < written || w.Finished && w.Dead != 2 {
			t.Errorf("behind kill %d the outputs have %d, and had %d", k, w.Written, written)
		}
	}
	out := l.command(t, "run-last", "run", "--plan", planAt("all"))
	if w := l.status(t, "status-last"); !w.Finished || w.Computed != objects-2 || w.Dead != 2 {
		t.Errorf("at the end the status says %+v\n%s", w, out)
	}
	all, code := l.AuditCommand(t, "audit", l.c)
	if code != 0 || len(all) != 1 || all[0].Next != int64(objects) || all[0].Computed != int64(objects-2) || all[0].Dead != 2 || !all[0].OK() {
		t.Errorf("the audit has exit code %d: %+v", code, all)
	}
	l.count(t, changed, gone)
	if p := l.plan(t, "again"); p.Items != 1 || p.Known != objects-2 || p.Seen != objects-1 {
		t.Errorf("the next plan has %+v", p)
	}
}

// killed runs a backfill at a rate until it has done more than so many references of the list, and kills it a moment later. It gives what was durable then, and
// whether the run had not finished before.
func (l *lake) killed(t *testing.T, k, until, rate int, r *rand.Rand) (durable int, killed bool) {
	t.Helper()
	step := fmt.Sprint("run-", k)
	file := fixture.WriteConfig(t, filepath.Join(t.TempDir(), step+".yaml"), l.c)
	run := harness.Start(t, harness.Command{
		Name: step, Path: harness.BackfillBinary(t), Args: []string{"run", "--json", "--max-rate", fmt.Sprintf("%d/s", rate), "--plan", planAt("all"), "--config", file},
		Env: fixture.S3Env(), Dir: filepath.Dir(file), Log: filepath.Join(filepath.Dir(file), step+".log"),
	})
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var last progress.Report
		if lastJSON(run.Log(), &last) == nil && len(last.Pipelines) == 1 && last.Pipelines[0].Done > int64(until) {
			durable = int(last.Pipelines[0].Durable)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("run %d has not come to reference %d; the end of its log:\n%s", k, until, run.LogTail(20))
		}
		select {
		case <-run.Exited():
			if code := run.Wait(t, time.Minute).ExitCode(); code != 0 {
				t.Fatalf("run %d ended by itself with exit code %d; the end of its log:\n%s", k, code, run.LogTail(20))
			}
			return 0, false
		default:
		}
	}
	time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond) // anywhere in a file's life
	run.Kill(t)
	return durable, run.Wait(t, time.Minute).ExitCode() != 0
}

// count reads every row: each object has one, but for the two that were not as planned.
func (l *lake) count(t *testing.T, changed, gone int) {
	t.Helper()
	rows := map[string]int{}
	if err := filepath.WalkDir(l.S3.Download(t, fixture.Bucket, fixture.OutputPrefix), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".parquet" {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		some, err := parquetfile.Read(t.Context(), body)
		for i := range some {
			rows[some[i].URI]++
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for i := range l.objects {
		want := 1
		if i == changed || i == gone {
			want = 0
		}
		if got := rows["s3://"+fixture.Bucket+"/in/"+name(i)]; got != want {
			t.Errorf("object %d has %d rows, want %d", i, got, want)
		}
	}
	if len(rows) != l.objects-2 {
		t.Errorf("there are rows of %d objects", len(rows))
	}
	letters := l.Letters(t, "intents", "manifest:all")
	for at, letter := range letters {
		if letter.Reason != schemas.ReasonFetchMissing {
			t.Errorf("the letter of %v is of class %s", at, letter.Reason)
		}
	}
	if len(letters) != 2 {
		t.Errorf("%d letters", len(letters))
	}
}
