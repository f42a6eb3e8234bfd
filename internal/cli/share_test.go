package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAPlanIsComputedInSharesOnce has three runs compute a plan, of which one is told to stop at each of some requests and gone on with. Who would number the references otherwise is refused, and the status is of all shares.
func TestAPlanIsComputedInSharesOnce(t *testing.T) {
	l := newLake(t)
	conf := l.config(t, "shares")
	const at, n = "s3://out/plan", 3
	step := func(code int, want string, args ...string) {
		t.Helper()
		if got, out, stderr := call(backfiller, append(args, "--config", conf)...); got != code || !strings.Contains(out+stderr, want) {
			t.Fatalf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
		}
	}
	share := func(i, n int) []string { return []string{"run", "--plan", at, "--share", fmt.Sprintf("%d/%d", i, n)} }
	step(0, "24 of 24 references", "plan", "--source", "s3://box/texts/", "--out", at, "--try", "0", "--rate", "text=5/s", "--machines", "3")
	for _, c := range []struct {
		args string
		want string
	}{
		{"--plan x --share 3/3", `--share: "3/3" is no share`},
		{"--manifest x --share 0/3", "--share goes with --plan"},
		{"--source x --share 0/3", "--share goes with --plan"},
		{"--plan x --topic refs --share 0/3", "--share goes with --plan"},
	} {
		step(exitUsage, c.want, append([]string{"run"}, strings.Fields(c.args)...)...)
	}
	step(0, "intents: 8 references, 8 rows", share(0, n)...)
	step(1, "was begun in 3 shares; go on with --share 0/3 to 2/3", share(1, 4)...)
	step(1, "was begun in 3 shares", "run", "--plan", at)
	step(0, "8 written of 24 (33.3 %)", "status", "--plan", at)
	for _, k := range []int{4, 8, 16, 24} {
		stopped, code, out := l.stop(t, k, append(share(1, n), "--config", conf)...)
		if code == 0 {
			break // all of it is there
		}
		if want := "go on with: " + shellWords(os.Args[0]) + " run --config " + conf + " --plan " + at + " --share 1/3\n"; !stopped || code != 1 || !strings.Contains(out, want) {
			t.Fatalf("told to stop at request %d: exit %d, want %q\n%s", k, code, want, out)
		}
	}
	step(0, "planned 1.6s for 8 of 24 references, took ", share(1, n)...)
	step(0, "16 written of 24 (66.7 %)", "status", "--plan", at)
	step(0, "runs of the plan: planned 3.2s for 16 of 24 references, took ", "status", "--plan", at)
	step(0, "intents: 8 references, 8 rows", share(2, n)...)
	step(0, "intents: 0 references, 0 rows", share(2, n)...)
	step(0, "planned 1.6s for 8 of 24 references, took ", share(2, n)...)
	step(0, `"against_plan":{"references":24,"of":24,"machines":1,"planned_seconds":4.`, "status", "--plan", at, "--json")
	for _, args := range [][]string{{"--plan", at}, {}} {
		step(0, "24 written", append([]string{"status"}, args...)...)
	}
	step(0, "finished", "status", "--plan", at)
	code, out, _ := call(backfiller, "audit", "--config", conf, "--kafka=false")
	if code != 0 || strings.Count(out, `"computed":8,`) != n || strings.Count(out, `"faults":0`) != n {
		t.Errorf("audit: exit %d\n%s", code, out)
	}
	step(0, "0 of 24 references; 24 are computed already", "plan", "--source", "s3://box/texts/", "--out", at+"-2", "--try", "0")

	list := filepath.Join(l.dir, "deletes.jsonl")
	write(t, list, `{"v":1,"id":"a","inline_text":"Will it rain?"}`+"\n"+`{"v":1,"id":"a","deleted":true}`+"\n")
	step(0, "2 of 2 references", "plan", "--source", list, "--out", at+"-4", "--try", "0")
	step(1, "has 1 references that delete others, and a deletion takes the rows of its own share alone; leave --share out", "run", "--plan", at+"-4", "--share", "0/2")
	step(0, "2 references, 1 rows", "run", "--plan", at+"-4")

	step(0, "24 of 24 references", "plan", "--source", "s3://box/texts/", "--out", at+"-3", "--try", "0", "--again")
	step(0, "24 references, 24 rows", "run", "--plan", at+"-3")
	step(1, "was begun as a whole; leave --share out", "run", "--plan", at+"-3", "--share", "0/2")
}

// TestAPlanIsComputedInOneWayAlone has runs of one plan as a whole, in shares and by way of a topic, of which the first has written nothing yet when the others come.
func TestAPlanIsComputedInOneWayAlone(t *testing.T) {
	l := newLake(t)
	conf := l.config(t, "ways")
	step := func(code int, want string, args ...string) {
		t.Helper()
		if got, out, stderr := call(backfiller, append(args, "--config", conf)...); got != code || !strings.Contains(out+stderr, want) {
			t.Errorf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
		}
	}
	plan := func(at string) string {
		t.Helper()
		step(0, "24 of 24 references", "plan", "--source", "s3://box/texts/", "--out", at, "--try", "0", "--again")
		return at
	}
	whole := []string{"run", "--plan", plan("s3://out/whole")}
	share, publish := append(whole[:3:3], "--share", "0/2"), append(whole[:3:3], "--topic", "refs")
	others := func() {
		t.Helper()
		step(1, "was begun as a whole; leave --share out", share...)
		step(1, "was begun by a run that computes it itself; leave --topic out", publish...)
		step(0, "0 written of 24 (0.0 %)", append([]string{"status"}, whole[1:]...)...)
	}
	reached, free := l.hold(1, "/box/texts/00")
	defer free()
	c, _, stderr := child(t, append(whole, "--config", conf)...)
	<-reached
	l.pass()
	others() // it runs
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // killed
	if l.published(t, "refs") > 0 {
		t.Errorf("it was published\n%s", stderr)
	}
	others()
	step(0, "24 references, 24 rows", whole...)

	topic := []string{"run", "--plan", plan("s3://out/topic"), "--topic", "refs"}
	step(0, "24 of 24 references are in the topic", topic...)
	step(1, "is published for the workers of a topic, which compute it", topic[:3:3]...)
	step(1, "is published for the workers of a topic, which compute it", append(topic[:3:3], "--share", "0/2")...)
	step(0, "0 of them by this run", topic...)

	if err := os.CopyFS(filepath.Join(l.dir, "b"), os.DirFS(plan(filepath.Join(l.dir, "a")))); err != nil {
		t.Fatal(err)
	}
	a, b := []string{"run", "--plan", filepath.Join(l.dir, "a")}, []string{"run", "--plan", filepath.Join(l.dir, "b")}
	step(0, "8 references, 8 rows", append(a, "--share", "1/3")...)
	step(1, "has share 1 of it; go on with --share", b...)
	step(0, "8 written of 24", "status", "--plan", b[2])
	step(1, "has some of it; leave --topic out", append(b, "--topic", "refs")...)
	if n := l.published(t, "refs"); n != 24 {
		t.Errorf("%d records are in the topic", n)
	}
	step(0, "8 references, 8 rows", append(b, "--share", "0/3")...)
}

// TestARunThatDoesNotBeginSettlesNothing, and one that was begun by mistake and had nothing to compute is undone as the refusal says.
func TestARunThatDoesNotBeginSettlesNothing(t *testing.T) {
	l := newLake(t)
	conf := l.config(t, "begun")
	at := filepath.Join(l.dir, "plan")
	step := func(code int, want, conf string, args ...string) {
		t.Helper()
		if got, out, stderr := call(backfiller, append(args, "--config", conf)...); got != code || !strings.Contains(out+stderr, want) {
			t.Fatalf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
		}
	}
	step(0, "24 of 24 references", conf, "plan", "--source", "s3://box/texts/", "--out", at, "--try", "0")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(l.dir, "wrong.yaml")
	write(t, wrong, strings.ReplaceAll(string(text), "text-intent", "text-empty"))
	if err := os.Mkdir(filepath.Join(l.dir, "models", "text-empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	run := []string{"run", "--plan", at}
	step(1, "text-empty", wrong, append(run, "--share", "0/80")...)
	settled := filepath.Join(at, "shares.json")
	if _, err := os.Stat(settled); !os.IsNotExist(err) {
		t.Errorf("a run without a model has settled how the plan is computed: %v", err)
	}
	step(0, "0 references, 0 rows", conf, append(run, "--share", "79/80")...)
	step(1, "so says "+settled+": if `status` shows nothing written and no run is under way, delete it", conf, run...)
	step(1, "so says "+settled, conf, append(run, "--topic", "refs")...)
	step(0, "0 written of 24", conf, "status", "--plan", at)
	if err := os.Remove(settled); err != nil {
		t.Fatal(err)
	}
	step(0, "24 references, 24 rows", conf, run...)
}
