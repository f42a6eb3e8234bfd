package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/internal/demo"
)

// TestAPipelineIsComputedAgainCheckedAndCutOver writes the second pipeline as the command prints it, computes, and gives the command again with each of its ends.
func TestAPipelineIsComputedAgainCheckedAndCutOver(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	const n = 40
	texts, list := textFiles(t, dir, n)
	conf, model := filepath.Join(dir, "vecmill.yaml"), filepath.Join(dir, "models", "text-intent")
	first := fmt.Sprintf(`
log: {level: error}
telemetry: {listen: ""}
runtime: {cache_dir: %q}
fetch: {file_roots: [%q]}
pipelines:
- name: intents
  model: {path: %q}
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s", roll_rows: 8}}]
  dead_letters: {url: "%s"}
`, filepath.Join(dir, "cache"), texts, model, fileURL(dir, "rows"), fileURL(dir, "dead"))
	write(t, conf, first)
	step := func(code int, want string, args ...string) string {
		t.Helper()
		got, out, stderr := call(backfiller, append(args, "--config", conf)...)
		if got != code || !strings.Contains(out+stderr, want) {
			t.Fatalf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
		}
		return out
	}
	again := []string{"reembed", "--old", "intents", "--new", "intents-2"}
	step(0, "40 references, 40 rows", "run", "--manifest", list)
	step(exitUsage, "--new PIPELINE is missing", "reembed", "--old", "intents")
	step(exitUsage, "no pipeline intents-2", append(again, "--no-stream")...)
	added := step(0, "start_at: last", append(again, "--model", model)...)
	write(t, conf, first+added)
	step(1, "there is nothing to compute again", append(again, "--no-stream")...)
	write(t, conf, first+strings.Replace(added, "  model:\n", "  model:\n    precision: int8\n", 1))

	if err := os.Remove(filepath.Join(texts, "7")); err != nil {
		t.Fatal(err)
	}
	step(1, "stopped at", append(again, "--no-stream", "--max-rate", "20/s", "--until", "1200ms")...)
	out := step(1, "nothing was cut over", append(again, "--no-stream", "--cut-over", "now")...)
	if !strings.Contains(out, "intents-2 has 39 of 40 planned references of intents, and 1 dead letters; 0 it had before") || !strings.Contains(out, "--lacking 1 accepts them") {
		t.Errorf("one object is gone:\n%s", out)
	}
	out = step(0, "to do: files: readers go to", append(again, "--no-stream", "--lacking", "1")...)
	if !strings.Contains(out, "/rows/intents-2,") || !strings.Contains(out, "to do: workers: take pipeline intents out") {
		t.Errorf("the cut-over:\n%s", out)
	}
	pointer := filepath.Join(dir, "rows", "_current", "now.json")
	if _, err := os.Stat(pointer); err == nil {
		t.Error("it was cut over unasked")
	}
	step(0, `{"event":"verified","planned":40,"known":0,"computed":39,"dead":1,`, append(again, "--no-stream", "--lacking", "1", "--cut-over", "now", "--json")...)
	if b, err := os.ReadFile(pointer); err != nil || !strings.Contains(string(b), `"pipeline":"intents-2"`) {
		t.Errorf("%s, %v", b, err)
	}
	step(0, `"faults":0`, "audit")
	plans, err := filepath.Glob(filepath.Join(dir, "rows", "_plans", "*", "shares.json"))
	if err != nil || len(plans) != 1 {
		t.Fatalf("that the plan is computed as a whole is settled at %q, %v", plans, err)
	}
	step(0, `"faults":0`, "audit", "--plan", filepath.Dir(plans[0])) // which the old pipeline owes nothing
}

// TestARecomputationSaysHowToGoOn is about the command at the end.
func TestARecomputationSaysHowToGoOn(t *testing.T) {
	o := reembedOptions{run: runOptions{config: "c.yaml", plan: "s3://b/p", rate: "5/s", asJSON: true}, old: "a", now: "b", noStream: true, lacking: 3, cutOver: "n"}
	o.run.reembed = o.words()
	startedAs(t, "backfill")
	if got, want := o.run.again(), "backfill reembed --config c.yaml --old a --new b --plan s3://b/p --no-stream --lacking 3 --cut-over n --max-rate 5/s --json"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestAWaitForWorkersIsToldWhenItChanges asks as often as workers are looked at.
func TestAWaitForWorkersIsToldWhenItChanges(t *testing.T) {
	var out strings.Builder
	tell := (&reembedOptions{now: "b"}).tellBehind(&out)
	for _, behind := range []int64{7, 7, 7, 3, 3, 7} {
		tell(behind)
	}
	if got, want := out.String(), "b has 7 records to write yet\nb has 3 records to write yet\nb has 7 records to write yet\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// textFiles writes so many texts beneath dir, and a list of references to them.
func textFiles(t *testing.T, dir string, n int) (texts, list string) {
	t.Helper()
	texts, list = filepath.Join(dir, "texts"), filepath.Join(dir, "refs.jsonl")
	if err := os.Mkdir(texts, 0o755); err != nil {
		t.Fatal(err)
	}
	var refs strings.Builder
	for i := range n {
		file := filepath.Join(texts, fmt.Sprint(i))
		write(t, file, fmt.Sprintf("Will it rain in city %d tomorrow?", i))
		fmt.Fprintf(&refs, `{"v":1,"id":"s%d","uri":"file://%s"}`+"\n", i, file)
	}
	write(t, list, refs.String())
	return texts, list
}
