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
	"vecmill/integration/harness"
	"vecmill/internal/progress"
)

// through is what the status says of a plan that was published.
type through struct {
	Topic                                              string
	Published, Records, Total, Written, Computed, Dead int
	Finished                                           bool
}

func (l *lake) through(t *testing.T, step string) (w through) {
	t.Helper()
	c := *l.c
	c.Kafka.Brokers = []string{"127.0.0.1:1"} // it is asked from elsewhere: the store alone must do
	p := l.StartBackfill(t, step, &c, "status", "--plan", planAt("all"), "--json")
	if code := p.Wait(t, time.Minute).ExitCode(); code != 0 {
		if !strings.Contains(p.Log(), "nothing of any manifest yet") {
			t.Fatalf("%s: exit code %d\n%s", step, code, p.Log())
		}
		return w
	}
	if err := lastJSON(p.Log(), &w); err != nil {
		t.Fatalf("the status says %s: %v", p.Log(), err)
	}
	return w
}

// awaitThrough asks until the answer is good.
func (l *lake) awaitThrough(t *testing.T, step string, good func(through) bool, running ...*harness.Process) through {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		w := l.through(t, step)
		if good(w) {
			return w
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: the status still says %+v", step, w)
		}
		for _, p := range running {
			select {
			case <-p.Exited():
				t.Fatalf("%s: a process ended by itself; the end of its log:\n%s", step, p.LogTail(20))
			default:
			}
		}
	}
}

// TestAFleetComputesAPlanOnceThroughAKill publishes a plan to a topic that two workers read. The publisher is told to stop in the middle, one worker is killed (in the long version others that come for it, too), and what is left goes on: every reference is in the topic
// once, and in the output once. An audit that is made meanwhile finds no fault.
func TestAFleetComputesAPlanOnceThroughAKill(t *testing.T) {
	objects, kills := 1500*times(t), setting(t, "VECMILL_BACKFILL_KILLS", 1)
	site := fixture.Open(t)
	site.Kafka.CreateTopic(t, "refs", 4)
	l := newLakeAt(t, site, objects)
	if p := l.plan(t, "all"); p.Items != objects {
		t.Fatalf("the plan has %+v", p)
	}
	l.S3.Remove(t, fixture.Bucket, "in/"+name(7))
	publish := []string{"run", "--plan", planAt("all"), "--topic", "refs", "--max-rate", fmt.Sprintf("%d/s", 100*times(t)), "--max-lag", "200", "--json"}
	publisher := l.StartBackfill(t, "publisher", l.c, publish...)
	killed, survivor := site.StartWorker(t, "killed-0", l.c), site.StartWorker(t, "survivor", l.c)

	l.awaitThrough(t, "status-begun", func(w through) bool { return w.Written > objects/8 }, publisher, killed, survivor)
	var end struct {
		Published int
		Continue  string
	}
	if code := publisher.Terminate(t, time.Minute).ExitCode(); code != 1 || lastJSON(publisher.Log(), &end) != nil || end.Published >= objects || !strings.Contains(end.Continue, "--topic refs") {
		t.Fatalf("told to stop, the publisher ends with exit code %d: %+v\n%s", code, end, publisher.LogTail(5))
	}
	if w := l.through(t, "status-stopped"); w.Published < end.Published || w.Records != w.Published || w.Total != objects || w.Finished {
		t.Errorf("with %d references published, the status says %+v", end.Published, w)
	}
	l.awaitAssigned(t, killed, survivor)
	publisher = l.StartBackfill(t, "publisher-again", l.c, publish...)
	examined := l.StartBackfill(t, "audit-meanwhile", l.c, "audit")
	for k := range kills { // in steps of more than the lag, so that the one before has been replaced
		l.awaitThrough(t, fmt.Sprint("status-more-", k), func(w through) bool { return w.Written > max(end.Published, objects/3)+objects*3/5*k/kills }, killed, survivor)
		killed.Kill(t)
		if w := l.through(t, fmt.Sprint("status-killed-", k)); w.Finished || w.Written >= objects {
			t.Fatalf("the worker was killed when all was done: %+v", w)
		}
		if k < kills-1 {
			killed = site.StartWorker(t, fmt.Sprint("killed-", k+1), l.c)
		}
	}
	if code := examined.Wait(t, 5*time.Minute).ExitCode(); code != 0 || strings.Count(examined.Log(), `"topic":"refs"`) != 4 {
		t.Errorf("the audit of what is at work has exit code %d: %s", code, examined.Log())
	}
	w := l.awaitThrough(t, "status-end", func(w through) bool { return w.Finished }, survivor)
	if w != (through{Topic: "refs", Published: objects, Records: objects, Total: objects, Written: objects, Computed: objects - 1, Dead: 1, Finished: true}) {
		t.Errorf("at the end the status says %+v", w)
	}
	if code := publisher.Wait(t, time.Minute).ExitCode(); code != 0 {
		t.Errorf("the second publisher ends with exit code %d\n%s", code, publisher.LogTail(10))
	}
	l.AwaitCommitted(t, "refs", []string{"intents"}, time.Minute, survivor)
	fixture.Stop(t, survivor)
	l.checkFleet(t)
}

// TestAFleetComputesEachContentOnce has objects with few contents, and two workers that keep results: copies come to the worker that computes the first of them.
func TestAFleetComputesEachContentOnce(t *testing.T) {
	const objects, contents = 240, 30
	site := fixture.Open(t)
	site.Kafka.CreateTopic(t, "refs", 4)
	l := newLakeAt(t, site, objects)
	for i := range objects {
		l.put(t, i, text(i%contents))
	}
	l.c.Pipelines[0].ReuseResults = 16 << 20
	one, other := site.StartWorker(t, "one", l.c), site.StartWorker(t, "other", l.c)
	l.awaitAssigned(t, one, other)
	l.plan(t, "all", "--rate", "text=10/s", "--machines", "2")
	l.command(t, "publish", "run", "--plan", planAt("all"), "--topic", "refs")
	l.AwaitCommitted(t, "refs", []string{"intents"}, 2*time.Minute, one, other)
	l.heldThrough(t, 2)
	fixture.Stop(t, one)
	fixture.Stop(t, other)
	rows, computed, parts := l.rowsOf(t, "intents"), map[string]int{}, map[int]bool{}
	for i := range rows {
		if parts[rows[i].Partition] = true; rows[i].Timings.Infer > 0 {
			computed[rows[i].ContentHash]++
		}
	}
	if len(rows) != objects || len(computed) != contents || len(parts) != 4 {
		t.Errorf("%d rows of %d contents in %d partitions", len(rows), len(computed), len(parts))
	}
	for hash, n := range computed {
		if n != 1 {
			t.Errorf("content %s is computed %d times", hash, n)
		}
	}
}

// heldThrough wants what workers have computed of a plan held against the time of its machines, once it is all written.
func (l *lake) heldThrough(t *testing.T, machines int) {
	t.Helper()
	a := l.against(t)
	if planned := float64(l.objects) / 10 / float64(machines); a.References != int64(l.objects) || a.Machines != machines || math.Abs(a.Planned-planned) > 1e-6 || a.Took <= 0 || a.Counted != progress.ToWritten || !a.Stated || a.Runs != 0 {
		t.Errorf("the status says %+v", a)
	}
}

// TestASourceIsPublishedByOneCommandThroughKills gives one command again and again, and kills it while it lists or publishes. What the workers have computed is planned no more.
func TestASourceIsPublishedByOneCommandThroughKills(t *testing.T) {
	objects, kills := 160*times(t), setting(t, "VECMILL_BACKFILL_KILLS", 3)
	r := rand.New(rand.NewPCG(uint64(setting(t, "VECMILL_BACKFILL_SEED", 1)), 81))
	site := fixture.Open(t)
	site.Kafka.CreateTopic(t, "refs", 3)
	l := newLakeAt(t, site, objects)
	run := []string{"run", "--source", "s3://" + fixture.Bucket + "/in/texts/", "--topic", "refs", "--max-rate", "100/s"}
	killed := 0
	for k := range kills {
		p := l.StartBackfill(t, fmt.Sprint("publish-", k), l.c, run...)
		select {
		case <-p.Exited():
		case <-time.After(time.Duration(20+r.IntN(1200)) * time.Millisecond):
			p.Kill(t)
		}
		if p.Wait(t, time.Minute).ExitCode() != 0 {
			killed++
		}
	}
	if killed < killsWanted(kills, objects) {
		t.Errorf("only %d of %d kills came before the end, want %d", killed, kills, killsWanted(kills, objects))
	}
	if out := l.command(t, "publish-last", run...); !strings.Contains(out, fmt.Sprintf("%d of %d references are in the topic", objects, objects)) {
		t.Errorf("the last command says\n%s", out)
	}
	if out := l.command(t, "publish-again", run...); !strings.Contains(out, "0 of them by this run") {
		t.Errorf("when all is published, the same command says\n%s", out)
	}
	w := site.StartWorker(t, "worker", l.c)
	l.AwaitCommitted(t, "refs", []string{"intents"}, 2*time.Minute, w)
	fixture.Stop(t, w)
	rows := map[string]int{}
	for _, row := range l.rowsOf(t, "intents") {
		rows[row.URI]++
	}
	for i := range objects {
		if got := rows[uriOf(i)]; got != 1 {
			t.Errorf("object %d has %d rows", i, got)
		}
	}
	if out := l.command(t, "publish-anew", append(run, "--name", "anew")...); !strings.Contains(out, fmt.Sprintf("0 of %d references, %d are computed already", objects, objects)) {
		t.Errorf("planned anew, it says\n%s", out)
	}
}

// awaitAssigned returns when both workers have partitions.
func (l *lake) awaitAssigned(t *testing.T, workers ...*harness.Process) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if state, members := l.Kafka.Group(t, "intents"); state == "Stable" && members == len(workers) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the group never had %d members", len(workers))
		}
	}
}

// checkFleet wants every reference in the topic once, every offset in the output once, and a row of every object but the one that was removed.
func (l *lake) checkFleet(t *testing.T) {
	t.Helper()
	total := int64(0)
	for _, end := range l.Kafka.EndOffsets(t, "refs") {
		total += end
	}
	if total != int64(l.objects) {
		t.Errorf("the topic has %d records, want %d", total, l.objects)
	}
	out := l.Audit(t, "intents", "refs")
	rows := map[string]int{}
	for _, some := range out.Rows {
		for i := range some {
			rows[some[i].URI]++
		}
	}
	for i := range l.objects {
		want := 1
		if i == 7 {
			want = 0
		}
		if rows[uriOf(i)] != want {
			t.Errorf("object %d has %d rows, want %d", i, rows[uriOf(i)], want)
		}
	}
	if letters := l.letters(t, "refs"); len(letters) != 1 || !strings.Contains(letters[uriOf(7)], absent) || len(out.Dead) != 1 {
		t.Errorf("letters %v, dead %v", letters, out.Dead)
	}
	all, code := l.AuditCommand(t, "audit", l.c)
	next := int64(0)
	for i := range all {
		next += all[i].Next
		if !all[i].OK() || all[i].Log == nil {
			t.Errorf("the audit says %+v", all[i])
		}
	}
	if code != 0 || len(all) != 4 || next != int64(l.objects) {
		t.Errorf("the audit has exit code %d for %d partitions with %d offsets: %s", code, len(all), next, fmt.Sprint(all))
	}
}
