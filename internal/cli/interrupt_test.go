package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vecmill/internal/demo"
	"vecmill/internal/progress"
	"vecmill/internal/status"
	"vecmill/internal/wire"
)

// asBackfill holds the arguments, a line each, of the child of TestAnInterruptedRunSaysWhatIsLeftAndHowToGoOn.
const asBackfill = "VECMILL_TEST_BACKFILL"

// TestAsBackfill is that child: the program.
func TestAsBackfill(t *testing.T) {
	if args := os.Getenv(asBackfill); args != "" {
		os.Exit(Backfill("v1.2.3", strings.Split(args, "\n"), os.Stdout, os.Stderr))
	}
}

// TestAnInterruptedRunSaysWhatIsLeftAndHowToGoOn pauses a run in a process of its own, has it go on, and sends it SIGINT. What it says is durable is what an audit finds, and the command that it prints goes on
// there.
func TestAnInterruptedRunSaysWhatIsLeftAndHowToGoOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's here") // the command must be quoted
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	const n = 1_000_000 // more than any machine computes meanwhile
	var refs strings.Builder
	refs.WriteString("not a reference\n")
	const gone = `{"v":1,"id":"gone","inline":"/w=="}` // no text
	refs.WriteString(gone + "\n")
	for i := range n {
		fmt.Fprintf(&refs, `{"v":1,"id":"s%d","inline_text":"Will it rain in city %d tomorrow?"}`+"\n", i, i)
	}
	manifest, conf := filepath.Join(dir, "refs.jsonl"), filepath.Join(dir, "vecmill.yaml")
	write(t, manifest, refs.String())
	served := fmt.Sprintf("127.77.%d.%d:9464", os.Getpid()>>8&0xff, os.Getpid()&0xff) // nobody else's
	write(t, conf, strings.Replace(intents(dir, `
  max_in_flight: 64
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s", roll_rows: 64}}]
  dead_letters: {url: "%s"}
`, fileURL(dir, "out"), fileURL(dir, "dead")), `listen: ""`, `listen: "`+served+`"`, 1))

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAsBackfill$")
	child.Env = append(os.Environ(), asBackfill+"="+strings.Join([]string{"run", "--json", "--config", conf, "--manifest", manifest}, "\n"))
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var last progress.Report
	paused, told, still, replay := false, false, int64(-1), ""
	send := func(s os.Signal) {
		if err := child.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		last = progress.Report{}
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatalf("standard output has %q: %v", lines.Text(), err)
		}
		switch {
		case len(last.Pipelines) != 1 || told:
		case !paused && last.Pipelines[0].Done > 64:
			paused = true
			send(syscall.SIGUSR1)
		case last.Phase == "paused" && (still < 0 || last.Pipelines[0].Done != still):
			still = last.Pipelines[0].Done // what was read before is being finished
		case last.Phase == "paused":
			replay = replayOf(t, served)
			send(syscall.SIGUSR2)
		case still > 0 && last.Pipelines[0].Done > still && last.Pipelines[0].Rate > 0: // it has gone on
			told = true
			if p := last.Pipelines[0]; last.Event != "progress" || p.Total != n+2 || p.Left == nil {
				t.Errorf("under way: %+v", last)
			}
			send(os.Interrupt)
		}
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).ExitStatus() != 1 || !strings.Contains(stderr.String(), "interrupted") {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if len(last.Pipelines) != 1 || last.Event != "end" || last.Finished == nil || *last.Finished {
		t.Fatalf("the last line: %+v", last)
	}
	p := last.Pipelines[0]
	if p.Durable < 1 || p.Durable >= p.Total || p.Dead["schema"] != 1 {
		t.Errorf("the end: %+v", p)
	}
	words, err := exec.Command("sh", "-c", "set -- "+last.Continue+`; printf '%s\n' "$@"`).Output()
	if want := strings.Join([]string{os.Args[0], "run", "--config", conf, "--json", "--manifest", manifest}, "\n") + "\n"; err != nil || string(words) != want {
		t.Errorf("to go on: %q, want %q, %v", words, want, err)
	}
	words, err = exec.Command("sh", "-c", "set -- "+replay+`; basename "$1"; shift; printf '%s\n' "$@"`).Output()
	words, named := bytes.CutPrefix(words, []byte("worker\n"))
	if want := strings.Join([]string{"dlq", "replay", "--config", conf, "--pipeline", "intents", "--manifest", "letters.jsonl"}, "\n") + "\n"; err != nil || !named || string(words) != want {
		t.Errorf("to replay: %q, want %q, %v", words, want, err)
	}
	t.Chdir(dir)
	code, replayed, complaint := call(worker, append(strings.Fields(strings.ReplaceAll(string(words), conf, "vecmill.yaml")), "--reason", "decode")...)
	if list, err := os.ReadFile("letters.jsonl"); code != 0 || err != nil || string(list) != gone+"\n" {
		t.Errorf("the command of the page: exit %d, %s%s; its list has %q, %v", code, replayed, complaint, list, err)
	}
	code, audited, _ := call(backfiller, "audit", "--config", conf)
	var report struct {
		Next int64 `json:"next_offset"`
	}
	if err := json.Unmarshal([]byte(audited), &report); err != nil || code != 0 || report.Next != p.Durable {
		t.Errorf("audit: exit %d, %v, %d, want %d are durable\n%s", code, err, report.Next, p.Durable, audited)
	}
}

// replayOf is the command that a page shows to replay letters.
func replayOf(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get("http://" + address + "/status.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var st status.Status
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil || len(st.Pipelines) != 1 {
		t.Fatalf("%+v, %v", st, err)
	}
	return st.Pipelines[0].Replay
}

// TestARunStopsWhenItsTimeIsUpAndGoesOnAtItsRate has more to read at the rate than fits into the time.
func TestARunStopsWhenItsTimeIsUpAndGoesOnAtItsRate(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	var refs strings.Builder
	const n = 120
	for i := range n {
		fmt.Fprintf(&refs, `{"v":1,"id":"s%d","inline_text":"Will it rain in city %d tomorrow?"}`+"\n", i, i)
	}
	manifest, conf := filepath.Join(dir, "refs.jsonl"), filepath.Join(dir, "vecmill.yaml")
	write(t, manifest, refs.String())
	write(t, conf, intents(dir, `
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s"}}]
`, fileURL(dir, "out")))
	run := []string{"run", "--config", conf, "--manifest", manifest, "--max-rate", "40/s"}
	code, out, stderr := call(backfiller, append(run, "--until", "1500ms")...)
	again := fmt.Sprintf("go on with: %s run --config %s --max-rate 40/s --manifest %s\n", shellWords(os.Args[0]), conf, manifest)
	if code != 1 || !strings.Contains(stderr, "as --until says; what is durable is kept") || !strings.Contains(out, again) {
		t.Errorf("exit %d, want 1, a sentence and %q\n%s%s", code, again, out, stderr)
	}
	sum, err := wire.SumManifest(t.Context(), nil, manifest, wire.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	name := "refs-" + sum
	status := func() (w written) {
		code, out, stderr := call(backfiller, "status", "--config", conf, "--manifest", manifest, "--json")
		if err := json.Unmarshal([]byte(out), &w); err != nil || code != 0 || w.Manifest != name || w.Total != n || w.Missing != 0 {
			t.Errorf("status: exit %d, %v\n%s%s", code, err, out, stderr)
		}
		return w
	}
	if w := status(); w.Finished || w.Next >= n || w.Computed != w.Next {
		t.Errorf("after the first run: %+v", w)
	}
	if code, out, stderr := call(backfiller, run...); code != 0 || strings.Contains(out, "go on") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
	if w := status(); !w.Finished || w.Next != n || w.Left != nil || w.Last == nil {
		t.Errorf("after the second run: %+v", w)
	}
	if code, out, _ := call(backfiller, "status", "--config", conf); code != 0 || !strings.Contains(out, fmt.Sprintf("intents: manifest %s in %s: %d written\n  %d with rows, 0 dead letters", name, fileURL(dir, "out"), n, n)) {
		t.Errorf("status without a list: exit %d\n%s", code, out)
	}
	if code, out, stderr := call(backfiller, "status", "--config", conf, "--name", "other"); code != 0 || !strings.Contains(out, "manifest other") || !strings.Contains(out, ": 0 written\n") {
		t.Errorf("status of a list that was not begun: exit %d\n%s%s", code, out, stderr)
	}
	write(t, manifest, "{}\n")
	if code, out, stderr := call(backfiller, "status", "--config", conf, "--manifest", manifest, "--name", name); code != 0 || !strings.Contains(out, "it shrank") {
		t.Errorf("status of a list that shrank: exit %d\n%s%s", code, out, stderr)
	}
	if code, _, stderr := call(backfiller, append(run, "--name", name)...); code != 1 || !strings.Contains(stderr, fmt.Sprintf("has more of %q already: the list shrank", name)) {
		t.Errorf("a run of a list that shrank: exit %d\n%s", code, stderr)
	}
	if code, out, _ := call(backfiller, "audit", "--config", conf); code != 0 || !strings.Contains(out, fmt.Sprintf(`"rows":%d,`, n)) {
		t.Errorf("audit: exit %d\n%s", code, out)
	}
}

// intents is a configuration with the one pipeline intents, of the models in dir. rest is the pipeline's other settings, of which these are the values.
func intents(dir, rest string, values ...any) string {
	return fmt.Sprintf(`
log: {level: error}
telemetry: {listen: ""}
runtime: {cache_dir: %q}
pipelines:
- name: intents
  model: {path: %q}`, filepath.Join(dir, "cache"), filepath.Join(dir, "models", "text-intent")) + fmt.Sprintf(rest, values...)
}

func fileURL(dir, name string) string {
	return "file://" + filepath.ToSlash(filepath.Join(dir, name))
}
