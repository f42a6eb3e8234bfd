//go:build integration

package backfill

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/internal/progress"
)

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

// course is what happens to objects of a lake behind its plan. A dead letter's words are expected of those that are not computed.
type course struct {
	changed, changedLate string // another text is put in place of it before the run, and while it is at work
	gone, goneLate       string // it is removed before the run, and while it is at work
	same                 string // its own text is put again
}

// another and absent are what letters must say of objects that have changed, and that are gone.
const (
	another = "another ETag"
	absent  = "does not exist"
)

func (c *course) letters() map[string]string {
	return map[string]string{c.changed: another, c.changedLate: another, c.gone: absent, c.goneLate: absent}
}

// course chooses the objects from the end of the plan's list, which no run reaches before they are changed.
func (l *lake) course(t *testing.T) *course {
	t.Helper()
	uris := l.order(t, "all")
	planned := map[string]bool{}
	for _, uri := range uris {
		planned[uri] = true
	}
	for i := range l.objects {
		if !planned[uriOf(i)] {
			t.Errorf("the plan lacks %s", uriOf(i))
		}
	}
	if len(planned) != l.objects || len(uris) != l.objects {
		t.Errorf("the plan has %d references to %d objects, want %d", len(uris), len(planned), l.objects)
	}
	late := uris[len(uris)*9/10:]
	return &course{late[0], late[len(late)/3], late[len(late)/2], late[len(late)*2/3], late[len(late)-1]}
}

func (l *lake) before(t *testing.T, c *course) {
	t.Helper()
	l.over(t, c.changed, "Is it warm?")
	l.over(t, c.same, l.text(t, c.same))
	l.S3.Remove(t, fixture.Bucket, key(c.gone))
	l.Put(t, "texts/new.txt", []byte("Is it cold?"))
}

func (l *lake) meanwhile(t *testing.T, c *course) {
	t.Helper()
	l.over(t, c.changedLate, "Is it dry?")
	l.S3.Remove(t, fixture.Bucket, key(c.goneLate))
}

func key(uri string) string { return strings.TrimPrefix(uri, "s3://"+fixture.Bucket+"/") }

func (l *lake) over(t *testing.T, uri, text string) {
	t.Helper()
	l.S3.Put(t, fixture.Bucket, key(uri), []byte(text))
}

func (l *lake) text(t *testing.T, uri string) string {
	t.Helper()
	return string(l.S3.Get(t, fixture.Bucket, key(uri)))
}

// TestABackfillIsExactlyOnceThroughKills is all of it.
func TestABackfillIsExactlyOnceThroughKills(t *testing.T) {
	objects, kills := setting(t, "VECMILL_BACKFILL_OBJECTS", 400), max(3, setting(t, "VECMILL_BACKFILL_KILLS", 5))
	seed := uint64(setting(t, "VECMILL_BACKFILL_SEED", 1))
	r := rand.New(rand.NewPCG(seed, 8))
	l := newLake(t, objects)
	if p := l.plan(t, "all", "--rate", "text=100/s"); p.Items != objects || p.Known != 0 { // what the runs take is held against it
		t.Fatalf("the plan has %+v", p)
	}
	c := l.course(t)
	l.before(t, c)
	dead := len(c.letters())
	runs := 1
	for k := range kills {
		meanwhile := func() {}
		if k == (kills-2)/2 {
			meanwhile = func() { l.meanwhile(t, c) }
		}
		until, rate := killAt(objects, k, kills)
		written, killed := l.killed(t, k, until, rate, r, meanwhile)
		if !killed { // the machine was too slow to end it in time
			t.Logf("only %d of %d kills came before the end", k, kills)
			if k < kills-1 {
				t.Error("more than one kill is lacking")
			}
			break
		}
		runs++
		w := l.status(t, fmt.Sprint("status-", k))
		if w.Written < written || w.Finished && w.Dead != dead {
			t.Errorf("behind kill %d the outputs have %d, and had %d", k, w.Written, written)
		}
	}
	out := l.command(t, "run-last", "run", "--plan", planAt("all"))
	if w := l.status(t, "status-last"); !w.Finished || w.Computed != objects-dead || w.Dead != dead {
		t.Errorf("at the end the status says %+v\n%s", w, out)
	}
	l.held(t, runs)
	all, code := l.AuditCommand(t, "audit", l.c)
	if code != 0 || len(all) != 1 || all[0].Next != int64(objects) || all[0].Computed != int64(objects-dead) || all[0].Dead != int64(dead) || !all[0].OK() {
		t.Errorf("the audit has exit code %d: %+v", code, all)
	}
	l.count(t, c)
	if p := l.plan(t, "again"); p.Items != 3 || p.Known != objects-dead || p.Seen != objects-1 { // two that changed, and a new one
		t.Errorf("the next plan has %+v", p)
	}
}

// against is what the status holds against the plan.
func (l *lake) against(t *testing.T) *progress.Against {
	t.Helper()
	var w struct {
		Against *progress.Against `json:"against_plan"`
	}
	if err := lastJSON(l.command(t, "status-held", "status", "--plan", planAt("all"), "--json"), &w); err != nil || w.Against == nil {
		t.Fatalf("the status holds nothing against the plan: %v", err)
	}
	t.Log(w.Against.Words())
	return w.Against
}

// held wants all runs held against their plan: those that were killed are counted up to their last word.
func (l *lake) held(t *testing.T, runs int) {
	t.Helper()
	a := l.against(t)
	if a.Runs > runs || a.Runs < 2 || a.References > int64(l.objects) || a.References < int64(l.objects)/4 || a.Took <= 0 || math.Abs(a.Planned-float64(a.References)/100) > 1e-6 || !a.Stated || a.CPURatio != nil {
		t.Errorf("of %d runs the status says %+v", runs, a)
	}
}

// killAt says at which reference of the list kill k comes, and at what rate its run goes there: the last two kills come when hardly anything is left, of which a run tells once a second.
func killAt(objects, k, kills int) (until, rate int) {
	switch kills - k {
	case 1:
		return objects * 97 / 100, max(4, objects/100)
	case 2:
		return objects * 955 / 1000, max(10, objects/40)
	}
	return objects * 8 / 10 * (k + 1) / (kills - 2), max(10, objects/kills/3)
}

// killed runs a backfill at a rate until it has done more than so many references of the list, and kills it a moment later. It gives what was durable then, and
// whether the run had not finished before.
func (l *lake) killed(t *testing.T, k, until, rate int, r *rand.Rand, meanwhile func()) (durable int, killed bool) {
	t.Helper()
	step := fmt.Sprint("run-", k)
	run := l.StartBackfill(t, step, l.c, "run", "--json", "--max-rate", fmt.Sprintf("%d/s", rate), "--plan", planAt("all"))
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
	meanwhile()
	time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond) // anywhere in a file's life
	run.Kill(t)
	return durable, run.Wait(t, time.Minute).ExitCode() != 0
}

// count reads every row and every letter: each object of the plan has one of them, and what it is follows from the course.
func (l *lake) count(t *testing.T, c *course) {
	t.Helper()
	rows, want := map[string]int{}, c.letters()
	all := l.rows(t)
	for i := range all {
		rows[all[i].URI]++
	}
	for i := range l.objects {
		n := 1
		if want[uriOf(i)] != "" {
			n = 0
		}
		if got := rows[uriOf(i)]; got != n {
			t.Errorf("object %d has %d rows, want %d", i, got, n)
		}
	}
	if len(rows) != l.objects-len(want) {
		t.Errorf("there are rows of %d objects", len(rows))
	}
	letters := l.letters(t, "manifest:all")
	for uri, words := range want {
		if got := letters[uri]; !strings.HasPrefix(got, "fetch-missing: ") || !strings.Contains(got, words) {
			t.Errorf("the letter of %s says %q, want fetch-missing and %q", uri, got, words)
		}
	}
	if len(letters) != len(want) {
		t.Errorf("%d letters, want %d: %v", len(letters), len(want), letters)
	}
}
