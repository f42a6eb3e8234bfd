package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// also writes a configuration that says something else, too, and gives where it lies.
func also(t *testing.T, conf string, edit func(text string) string) string {
	t.Helper()
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	to := strings.TrimSuffix(conf, ".yaml") + "-also.yaml"
	write(t, to, edit(string(text)))
	return to
}

// TestAPlanIsFinishedWhereABestEffortOutputLacksSome has one fail in the only run: nothing brings in what it lacks.
func TestAPlanIsFinishedWhereABestEffortOutputLacksSome(t *testing.T) {
	l := newLake(t)
	spare := filepath.Join(l.dir, "spare")
	conf := also(t, l.config(t, "spare"), func(text string) string {
		return strings.Replace(text, "roll_rows: 4}}]", `roll_rows: 4}}, {parquet: {url: "file://`+spare+`"}, best_effort: true}]`, 1)
	})
	step := func(code int, want string, args ...string) string {
		t.Helper()
		got, out, stderr := call(backfiller, append(args, "--config", conf)...)
		if got != code || !strings.Contains(out+stderr, want) {
			t.Fatalf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
		}
		return out + stderr
	}
	const at = "s3://out/plan"
	audit := []string{"audit", "--plan", at, "--kafka=false"}
	step(0, "24 of 24 references", "plan", "--source", "s3://box/texts/", "--out", at, "--try", "0", "--name", "all")
	step(1, "plan all is not finished: s3://out/spare/rows of pipeline intents has 0 of 24", audit...)
	inTheWay := filepath.Join(spare, "intents")
	write(t, inTheWay, "in the place of the pipeline's directory")
	step(0, "24 references, 24 rows", "run", "--plan", at)
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	step(0, "0 references, 0 rows", "run", "--plan", at)
	if out := step(0, "plan all: file://"+spare+" of pipeline intents has 0 of 24", audit...); !strings.Contains(out, "it is best_effort, and need not have all") {
		t.Errorf("%s", out)
	}
	step(0, "it is best_effort, and may lack some of it for good", "status", "--plan", at)
	step(0, `"best_effort":true`, "status", "--plan", at, "--json")
}

// TestAPlanIsOwedByThePipelinesThatItWasMadeFor looks at a plan of one of two pipelines with the configuration of both.
func TestAPlanIsOwedByThePipelinesThatItWasMadeFor(t *testing.T) {
	l := newLake(t)
	conf := l.config(t, "alone")
	both := also(t, conf, func(text string) string {
		_, one, _ := strings.Cut(text, "pipelines:\n")
		return text + strings.NewReplacer("name: intents", "name: others", "/alone/", "/others/").Replace(one)
	})
	const at = "s3://out/plan"
	step := func(code int, want, conf string, args ...string) string {
		t.Helper()
		got, out, stderr := call(backfiller, append(args, "--config", conf)...)
		if got != code || !strings.Contains(out+stderr, want) {
			t.Fatalf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
		}
		return out
	}
	step(0, "24 of 24 references", conf, "plan", "--source", "s3://box/texts/", "--out", at, "--try", "0")
	step(0, "24 references, 24 rows", conf, "run", "--plan", at)
	step(0, "", both, "audit", "--plan", at, "--kafka=false")
	if out := step(0, "intents: manifest", both, "status", "--plan", at); strings.Contains(out, "others") {
		t.Errorf("another pipeline's outputs are told:\n%s", out)
	}
	const shared = "s3://out/shared"
	step(0, "24 of 24 references", both, "plan", "--source", "s3://box/texts/", "--again", "--out", shared, "--try", "0")
	for _, args := range [][]string{{"run"}, {"status"}, {"audit", "--kafka=false"}} {
		got, out, stderr := call(backfiller, append(args, "--plan", shared, "--config", conf)...)
		if got != 0 || !strings.Contains(stderr, "is for pipelines, too, that the configuration does not have, of which nothing is computed or told here: others\n") {
			t.Errorf("%q: exit %d\n%s%s", args, got, out, stderr)
		}
	}
	step(1, "is not finished", both, "audit", "--plan", shared, "--kafka=false")
	stranger := also(t, conf, func(text string) string { return strings.Replace(text, "name: intents", "name: stranger", 1) })
	step(1, "was made for pipelines that the configuration does not have: intents", stranger, "status", "--plan", at)
	step(1, "was made for pipelines that the configuration does not have: intents", stranger, "audit", "--plan", at, "--kafka=false")
}
