package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/internal/demo"
)

// TestARunStraightFromASourceFindsItsPlanAgain plans and runs by one command, stops it twice on its way, and gives it again until nothing is left: by then every row is there once. Another
// model is another plan.
func TestARunStraightFromASourceFindsItsPlanAgain(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	const n = 120
	var refs strings.Builder
	for i := range n {
		fmt.Fprintf(&refs, "s%d,Will it rain in city %d tomorrow?\n", i, i)
	}
	list, conf, rows := filepath.Join(dir, "said today.csv"), filepath.Join(dir, "vecmill.yaml"), filepath.Join(dir, "rows")
	write(t, list, "id,said\n"+refs.String())
	configure := func(output, heads string) {
		write(t, conf, intents(dir, `
  heads: [%s]
  outputs: [{%s}]
`, heads, output))
	}
	files, head := fmt.Sprintf(`parquet: {url: "%s"}`, fileURL(dir, "rows")), "{task: classification}"
	run := []string{"run", "--config", conf, "--source", list, "--column", "inline_text=said"}
	step := func(code int, want string, args ...string) string {
		t.Helper()
		got, out, stderr := call(backfiller, args...)
		if got != code || !strings.Contains(out+stderr, want) {
			t.Fatalf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
		}
		return out + stderr
	}
	configure(`jsonl: {path: "-"}`, head)
	step(1, "--plan DIR says where", run...)
	configure(files, head)
	out := step(1, "120 of 120 references, 0 are computed already", append(run, "--max-rate", "40/s", "--until", "1500ms")...)
	if again := fmt.Sprintf("go on with: %s run --config %s --max-rate 40/s --source '%s' --column inline_text=said\n", shellWords(os.Args[0]), conf, list); !strings.Contains(out, again) {
		t.Errorf("no %q in\n%s", again, out)
	}
	step(0, "is there already", run...)
	step(0, "0 references, 0 rows", run...)
	step(0, `"rows":120,`, "audit", "--config", conf)
	plans, err := filepath.Glob(filepath.Join(rows, "_plans", "said-today-*", "plan.json"))
	if err != nil || len(plans) != 1 {
		t.Fatalf("plans: %v, %v", plans, err)
	}
	step(0, "120 written of 120", "status", "--config", conf, "--plan", filepath.Dir(plans[0]))
	step(0, "0 of 120 references, 120 are computed already", append(run, "--name", "anew")...)
	step(1, "is of another source", append(run, "--name", "anew", "--again")...)
	configure(files, "{task: classification, name: all, function: sigmoid}")
	step(1, "was made for another model, preprocessing or heads than pipeline intents has now", "run", "--config", conf, "--plan", filepath.Dir(plans[0]))
	step(0, "120 references, 120 rows", run...)

	// A plan that was cut off is gone on with.
	at := filepath.Join(dir, "cut")
	step(0, "120 references, 120 rows", append(run, "--plan", at, "--again")...)
	if err := errors.Join(os.Remove(filepath.Join(at, "plan.json")), os.Remove(filepath.Join(at, "shares.json"))); err != nil {
		t.Fatal(err)
	}
	step(0, "the plan that was begun at "+at+" is finished: 120 of 120 references", append(run, "--plan", at, "--again")...)
	step(0, `"faults":0`, "audit", "--config", conf)
}

// TestAListIsReadFromItsBeginningWhereverTopicsAre has a pipeline of a worker that begins at the end of its topics.
func TestAListIsReadFromItsBeginningWhereverTopicsAre(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	list, conf := filepath.Join(dir, "refs.jsonl"), filepath.Join(dir, "vecmill.yaml")
	write(t, list, `{"v":1,"id":"a","inline_text":"Will it rain?"}`+"\n"+`{"v":1,"id":"b","inline_text":"Will it snow?"}`+"\n")
	write(t, conf, intents(dir, `
  start_at: last
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s"}}]
`, fileURL(dir, "rows")))
	if code, out, stderr := call(backfiller, "run", "--config", conf, "--manifest", list); code != 0 || !strings.Contains(out, "2 references, 2 rows") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
}

// TestAnotherListUnderTheSameNameIsComputed has files of one name and one length, and one that is edited: by default each content is a list of its own, whatever had been computed under the file's name. A plan that is made
// anew at its place is another one, too. What is computed of a text is known by its content, so plans are told to have all of it again.
func TestAnotherListUnderTheSameNameIsComputed(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	conf, at := filepath.Join(dir, "vecmill.yaml"), filepath.Join(dir, "plan")
	write(t, conf, intents(dir, `
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s"}}]
`, fileURL(dir, "rows")))
	list := func(day, rain string, more ...string) string {
		file := filepath.Join(dir, day, "refs.csv")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, file, strings.Join(append([]string{"id,inline_text", "a,Will it " + rain + "?", "b,Will it snow?"}, more...), "\n")+"\n")
		return file
	}
	step := func(want string, code int, args ...string) {
		t.Helper()
		args = append(args, "--config", conf)
		got, out, stderr := call(backfiller, args...)
		if got != code || !strings.Contains(out+stderr, want) {
			t.Fatalf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
		}
		if strings.Contains(out+stderr, "go on with: ") {
			t.Errorf("%q would only say it again:\n%s%s", args, out, stderr)
		}
	}
	first, second := list("day1", "rain"), list("day2", "hail")
	step("2 references, 2 rows", 0, "run", "--manifest", first)
	step("2 references, 2 rows", 0, "run", "--manifest", second)
	step("0 references, 0 rows", 0, "run", "--manifest", second)
	step("2 written of 2 (100.0 %)", 0, "status", "--manifest", first)
	list("day2", "thaw")
	step("0 written of 2 (0.0 %)", 0, "status", "--manifest", second)
	step("2 references, 2 rows", 0, "run", "--manifest", second)
	step("2 references, 2 rows", 0, "run", "--manifest", first, "--name", "promised")
	step(`of "promised" are of another reference than this list's`, 1, "run", "--manifest", second, "--name", "promised")
	step("0 references, 0 rows", 0, "run", "--manifest", first, "--name", "promised")
	list("day1", "rain", "c,Will it hail?")
	step("1 references, 1 rows", 0, "run", "--manifest", first, "--name", "promised")
	list("day1", "rain")

	for i, file := range []string{first, second} { // two plans of one name
		place := fmt.Sprint(at, "-weekly-", i)
		step("2 of 2 references", 0, "plan", "--source", file, "--again", "--try", "0", "--out", place, "--name", "weekly")
		step([]string{"2 references, 2 rows", `of "weekly" are of another reference than this list's`}[i], i, "run", "--plan", place)
	}

	step("2 of 2 references", 0, "plan", "--source", first, "--again", "--try", "0", "--out", at)
	step("2 references, 2 rows", 0, "run", "--plan", at)
	if err := os.RemoveAll(at); err != nil {
		t.Fatal(err)
	}
	step("2 of 2 references", 0, "plan", "--source", second, "--again", "--try", "0", "--out", at)
	step("2 references, 2 rows", 0, "run", "--plan", at)
	if err := errors.Join(os.Remove(filepath.Join(at, "plan.json")), os.Remove(filepath.Join(at, "shares.json"))); err != nil { // it was cut off behind its last list
		t.Fatal(err)
	}
	list("day2", "pour")
	step("was begun at "+at+": it is of --source "+second+" --again, and this one would be of --source "+first+" --column id=id --again; finish", 1, "plan", "--source", first, "--column", "id=id", "--again", "--try", "0", "--out", at)
	step("was begun at "+at+", and this one is named other; ", 1, "plan", "--source", second, "--again", "--try", "0", "--out", at, "--name", "other")
	step("was begun at "+at+": ", 1, "plan", "--source", second, "--again", "--try", "0", "--out", at)

	step("2 references, 2 rows", 0, "run", "--source", first, "--again")
	list("day1", "pour")
	step("was changed since the plan at ", 1, "run", "--source", first, "--again")
	step("2 references, 2 rows", 0, "run", "--source", first, "--name", "anew", "--again")
	list("day1", "rain")
	step("0 references, 0 rows", 0, "run", "--source", first, "--again")
	step("is there already", 0, "run", "--source", first, "--again")
	step(`"faults":0`, 0, "audit")
}
