package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestARecomputationIsComputedByTheWorkersOfATopic has a worker run both pipelines, of which the new one reads a topic more. The command that publishes the plan there is killed when a round is in the
// topic and not noted yet, and while it checks.
func TestARecomputationIsComputedByTheWorkersOfATopic(t *testing.T) {
	l := newLake(t)
	l.compute(t, past)
	const prefix = "reembed-topic"
	conf := l.config(t, prefix)
	b, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	first, second, _ := strings.Cut(strings.ReplaceAll(string(b), "roll_rows: 4", "roll_rows: 4, roll_age: 1s"), "- name: intents-2\n  topics: [refs]")
	write(t, conf, first+"- name: intents-2\n  topics: [refs, again]\n  start_at: last"+second)
	command := []string{"reembed", "--old", "intents", "--new", "intents-2", "--cut-over", "texts", "--config", conf}
	args := append(command[:len(command):len(command)], "--topic", "again")
	step := func(code int, want string, args ...string) {
		t.Helper()
		if got, out, stderr := call(backfiller, args...); got != code || !strings.Contains(out+stderr, want) {
			t.Fatalf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
		}
	}
	step(exitUsage, "intents reads topic refs, too, and would compute what is published there for intents-2", append(command[:len(command):len(command)], "--topic", "refs")...)
	step(exitUsage, "intents-2 does not read topic more", append(command[:len(command):len(command)], "--topic", "more")...)
	step(exitUsage, "--topic and --share", append(args[:len(args):len(args)], "--share", "0/2")...)
	step(1, "intents-2 has not begun with again/0: start the workers", append(args[:len(args):len(args)], "--no-stream", "--plan", "s3://out/unstreamed")...)
	for range 5 { // the same of several each time
		step(1, "intents-2 has not begun with refs/0", args...)
	}

	w := exec.CommandContext(t.Context(), os.Args[0], "run", "--config", conf)
	var stderr bytes.Buffer
	w.Env, w.Stderr = append(os.Environ(), asWorker+"=1"), &stderr
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := w.Wait(); err != nil {
			t.Errorf("the worker ended with %v\n%s", err, &stderr)
		}
	}()
	for tries := 0; !l.begun(t, "vecmill-intents-2", "refs", "again"); tries++ {
		if tries == 1200 {
			t.Fatal("the worker does not begin")
		}
		time.Sleep(50 * time.Millisecond)
	}
	step(1, "as --until says", append(args[:len(args):len(args)], "--until", "1ms")...)
	if n := l.published(t, "again"); n > 0 {
		t.Errorf("%d are published in no time", n)
	}
	free := l.kill(t, lost, 2, `PUT /out/`+prefix+`/rows/_plans/.*/publish-again\.json`, args...)
	free()
	free = l.kill(t, late, 1, `GET /out/.*prefix=`+prefix+`/dead`, args...)
	defer free()
	if n := len(l.rows(t, prefix, "intents-2")); n != haltObjects {
		t.Errorf("it was killed with %d rows", n)
	}
	free()
	step(1, "is published for the workers of a topic, which compute it; go on with --topic", command...)
	step(0, fmt.Sprintf("intents-2 has %d of %d planned references of intents, and 0 dead letters; 0 it had before, 0 offsets come from the stream", haltObjects, haltObjects), args...)
	if n := l.published(t, "again"); n != haltObjects {
		t.Errorf("%d records are in the topic, want %d", n, haltObjects)
	}
	l.recomputed(t, prefix, conf)
}
