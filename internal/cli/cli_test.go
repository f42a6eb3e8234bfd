package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/internal/config"
	"vecmill/internal/demo"
)

func call(program func(string, []string, *bytes.Buffer, *bytes.Buffer) int, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = program("v1.2.3", args, &out, &err)
	return code, out.String(), err.String()
}

func worker(v string, args []string, out, err *bytes.Buffer) int { return Worker(v, args, out, err) }

func backfiller(v string, args []string, out, err *bytes.Buffer) int {
	return Backfill(v, args, out, err)
}

func TestFaultsOfTheCommandLineHaveAStatusOfTheirOwnAndSayWhat(t *testing.T) {
	for _, c := range []struct {
		name    string
		program func(string, []string, *bytes.Buffer, *bytes.Buffer) int
		args    []string
		want    string
	}{
		{"an unknown command", worker, []string{"fly"}, `there is no command "fly"`},
		{"no configuration", worker, []string{"run"}, "--config FILE is missing"},
		{"a configuration that is not there", worker, []string{"run", "--config", "/nowhere.yaml"}, "no such file"},
		{"an unknown flag", worker, []string{"run", "--confg", "x"}, "-confg"},
		{"too much", worker, []string{"run", "x"}, `unexpected argument "x"`},
		{"too much for a reference", worker, []string{"config", "reference", "x"}, `unexpected argument "x"`},
		{"too much for a version", worker, []string{"version", "x"}, `unexpected argument "x"`},
		{"half a config command", worker, []string{"config"}, "reference or check"},
		{"no manifest", backfiller, []string{"run", "--config", "x"}, "--manifest LIST is missing"},
		{"a bucket as manifest", backfiller, []string{"run", "--config", "x", "--manifest", "s3://b/p/manifest.json"}, "--source s3://b/p/manifest.json"},
		{"a list and a source", backfiller, []string{"run", "--config", "x", "--manifest", "x", "--source", "y"}, "give one of them"},
		{"keys of a list", backfiller, []string{"run", "--config", "x", "--manifest", "x", "--include", "*.wav"}, "--include, --tar and --again go with --source"},
		{"a list in a bucket as manifest", backfiller, []string{"run", "--config", "x", "--manifest", "s3://b/p/refs.jsonl"}, "no such file"},
		{"a list in a bucket as source", backfiller, []string{"run", "--config", "x", "--source", "s3://b/p/refs.jsonl"}, "no such file"},
		{"a packed list in a bucket", backfiller, []string{"plan", "--source", "s3://b/Refs.CSV.gz", "--out", "x"}, "unpack it, and give --source s3://b/Refs.CSV"},
		{"a packed manifest", backfiller, []string{"run", "--manifest", "refs.jsonl.zst"}, "unpack it, and give --manifest refs.jsonl"},
		{"many lists as a manifest", backfiller, []string{"run", "--manifest", "s3://b/lists/"}, "a manifest is one list"},
		{"a table in a bucket", backfiller, []string{"plan", "--config", "x", "--source", "s3://b/refs.parquet", "--out", "x", "--column", "uri=path"}, "no such file"},
		{"a key like a list's, which is said to be none", backfiller, []string{"run", "--config", "x", "--source", "s3://b/refs.jsonl", "--include", "*"}, "no such file"},
		{"a folder like a list's", backfiller, []string{"run", "--config", "x", "--source", "s3://b/refs.jsonl/"}, "no such file"},
		{"columns of keys to run", backfiller, []string{"run", "--source", "s3://b/p", "--column", "uri=path", "--include", "*.csv"}, "--column goes with lists"},
		{"columns of shards", backfiller, []string{"plan", "--source", "s3://b/p", "--out", "x", "--column", "uri=path", "--tar"}, "--column goes with lists"},
		{"columns of an inventory", backfiller, []string{"plan", "--source", "s3://b/p/manifest.json", "--out", "x", "--column", "uri=path"}, "--column goes with lists"},
		{"a table of several files in a bucket", backfiller, []string{"plan", "--config", "x", "--source", "s3://b/p", "--out", "x", "--column", "uri"}, "no such file"},
		{"shards of a file", backfiller, []string{"plan", "--source", "x.tar", "--out", "x", "--tar"}, "--tar goes with --source s3://"},
		{"a rate that is none", backfiller, []string{"run", "--manifest", "x", "--max-rate", "fast"}, "--max-rate \"fast\" is not"},
		{"a time that is none", backfiller, []string{"run", "--manifest", "x", "--until", "soon"}, "--until \"soon\" is neither"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := call(c.program, c.args...)
			if code != exitUsage || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
				t.Fatalf("exit %d: %s\nwant %d and one sentence with %q", code, stderr, exitUsage, c.want)
			}
		})
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range []struct {
		program func(string, []string, *bytes.Buffer, *bytes.Buffer) int
		args    string
		want    string
	}{
		{worker, "run --help", "-config"},
		{worker, "simulate -h", "-scenario"},
		{worker, "demo --help", "-out"},
		{worker, "config --help", "reference | check"},
		{worker, "config check --help", "-config"},
		{worker, "dlq --help", "list | show LETTER | replay"},
		{worker, "dlq replay --help", "-dry-run"},
		{backfiller, "audit --help", "-letters"},
		{backfiller, "run --help", "-manifest"},
	} {
		code, out, stderr := call(c.program, strings.Fields(c.args)...)
		if code != 0 || stderr != "" || !strings.Contains(out, "Usage:") || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d, %q\n%s", c.args, code, stderr, out)
		}
	}
}

func TestFlagsMayStandAnywhere(t *testing.T) {
	for _, c := range []struct{ args, rest, x string }{
		{"a b", "a b", ""},
		{"-x 1 a", "a", "1"},
		{"a -x 1 b", "a b", "1"},
		{"a b --x=2", "a b", "2"},
		{"a -- -x 1", "a -x 1", ""},
	} {
		f := (&env{err: new(bytes.Buffer)}).flags("t")
		x := f.String("x", "", "")
		rest, err := parseMixed(f, strings.Fields(c.args))
		if err != nil || strings.Join(rest, " ") != c.rest || *x != c.x {
			t.Errorf("%s: rest %v, x %q, %v", c.args, rest, *x, err)
		}
	}
}

func TestHelpListsEveryCommand(t *testing.T) {
	code, out, _ := call(worker)
	for _, want := range []string{"worker run --config FILE", "worker demo", "worker config"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Fatalf("exit %d, no %q in\n%s", code, want, out)
		}
	}
	if code, out, _ := call(worker, "version"); code != 0 || out != "v1.2.3\n" {
		t.Fatalf("exit %d, %q", code, out)
	}
}

// TestAPlanIsRunAndComparedWithItself plans a file of inline sentences, runs the plan, and runs it again.
func TestAPlanIsRunAndComparedWithItself(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	var refs strings.Builder
	for i := range 100 {
		fmt.Fprintf(&refs, `{"v":1,"id":"s%d","inline_text":"Will it rain in city %d tomorrow?"}`+"\n", i, i)
	}
	refs.WriteString("not a reference\n")
	write(t, filepath.Join(dir, "refs.jsonl"), refs.String())
	empty := filepath.Join(dir, "empty.csv")
	write(t, empty, "uri\n")
	conf, out := filepath.Join(dir, "vecmill.yaml"), filepath.Join(dir, "plan")
	write(t, conf, intents(dir, `
  heads: [{task: classification}]
  outputs: [{parquet: {url: "file://%s"}}]
  dead_letters: {url: "file://%s"}
`, filepath.Join(dir, "out"), filepath.Join(dir, "dead")))
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{
			[]string{"plan", "--config", conf, "--source", filepath.Join(dir, "refs.jsonl"), "--out", out, "--try", "50ms", "--price", "2", "--machines", "3"},
			0,
			[]string{"101 of 101 references; 0 are computed already", "time", "on 3 machines", "price", shellWords(os.Args[0]) + " run --config " + conf + " --plan " + out},
		},
		{[]string{"plan", "--config", conf, "--source", filepath.Join(dir, "refs.jsonl"), "--out", out}, 0, []string{"there already", "101 of 101 references", "1 line is no reference", shellWords(os.Args[0]) + " run --config " + conf}},
		{[]string{"plan", "--config", conf, "--source", empty, "--out", out}, 1, []string{"the plan at " + out + " is of another source: --source " + filepath.Join(dir, "refs.jsonl") + "; give"}},
		{[]string{"run", "--config", conf, "--plan", out}, 0, []string{"101 references, 100 rows, 0 skipped, 1 dead letters", "\nplanned ", " of it; CPU time planned "}},
		{[]string{"run", "--config", conf, "--plan", out}, 0, []string{"0 references, 0 rows", "\n  all 101 are settled already: with rows, as dead letters, or passed over\n", "\nplanned "}},
		{[]string{"run", "--config", conf, "--plan", filepath.Join(dir, "none")}, 1, []string{"no complete plan"}},
		{[]string{"run", "--config", conf, "--plan", out, "--manifest", "x"}, exitUsage, []string{"give one of them"}},
		{[]string{"audit", "--config", conf}, 0, []string{`"faults":0`}},
		{[]string{"run", "--config", conf, "--manifest", filepath.Join(dir, "none.csv")}, 1, []string{"the manifest: open ", "no such file"}},
		{[]string{"plan", "--config", conf, "--source", os.DevNull, "--out", out + "2"}, 1, []string{"not a regular file"}},
		{[]string{"plan", "--config", conf, "--source", empty, "--out", out + "2"}, 0, []string{"0 of 0 references", "the source has nothing"}},
		{[]string{"run", "--config", conf, "--plan", filepath.Dir(out)}, 1, []string{"there is no complete plan at " + filepath.Dir(out) + ": run backfill plan"}},
		{[]string{"run", "--config", conf, "--plan", out + "2"}, 0, []string{"0 references", "the list is empty"}},
		{[]string{"status", "--config", conf, "--plan", out + "2"}, 0, []string{"0 written of 0", "\n  finished\n"}},
		{
			[]string{"plan", "--config", conf, "--source", filepath.Join(dir, "refs.jsonl"), "--out", out + "3", "--again", "--try", "0", "--rate", "audio=5s/s,text=0.01/s", "--machines", "2", "--cpus", "4", "--price", "3.6"},
			0,
			[]string{
				"(100 headers looked at, 0 objects computed)", "1h23m20s (1h23m20s to 1h23m20s), on 2 machines of 0.01 objects a second each, as stated", "11.11 hours (11.11 to 11.11) for which they are held",
				"10.00 (10.00 to 10.00)", "not known: nothing was computed",
			},
		},
		{[]string{"run", "--config", conf, "--plan", out + "3", "--until", "1ns"}, 1, []string{"stopped at ", "as --until says", "go on with: " + shellWords(os.Args[0]) + " run --config " + conf + " --plan " + out + "3\n"}},
		{[]string{"run", "--config", conf, "--source", filepath.Join(dir, "refs.jsonl"), "--plan", out + "5", "--until", "1ns"}, 1, []string{"stopped at ", "as --until says", "go on with: " + shellWords(os.Args[0]) + " run"}},
		{[]string{"audit", "--config", conf, "--plan", out + "3"}, 1, []string{`"faults":0`, " is not finished: ", " has 0 of 101; 0 are missing in between, 0 are lost"}},
		{[]string{"run", "--config", conf, "--plan", out + "3"}, 0, []string{"\nplanned 2h46m40s, took ", ": 0.00 of it; planned by a stated rate\n"}},
		{[]string{"audit", "--config", conf, "--plan", out + "3"}, 0, []string{`"faults":0`}},
		{[]string{"audit", "--config", conf, "--plan", filepath.Join(dir, "none")}, 1, []string{"no complete plan"}},
		{[]string{"status", "--config", conf, "--plan", out + "3"}, 0, []string{"runs of the plan: planned 2h46m40s, took "}},
		{[]string{"plan", "--config", conf, "--source", "x", "--out", "x", "--rate", "text=fast"}, exitUsage, []string{`"text=fast" is no rate: text=1200/s`}},
		{[]string{"plan", "--config", conf, "--source", "x", "--out", "x", "--rate", "others=5/s"}, exitUsage, []string{"--rate others: it is neither a pipeline"}},
		{[]string{"plan", "--config", conf, "--source", "x", "--out", "x", "--gpus", "5"}, exitUsage, []string{"go with --rate"}},
		{[]string{"plan", "--config", conf, "--source", filepath.Join(dir, "refs.jsonl"), "--out", out + "4", "--again", "--rate", "intents=5s/s"}, 1, []string{"pipeline intents: its rate is stated in seconds of audio, and it reads text"}},
		{[]string{"plan", "--config", conf, "--source", filepath.Join(dir, "refs.jsonl"), "--out", out + "4", "--again", "--rate", "audio=5s/s", "--try", "0"}, 1, []string{"pipeline intents: no rate is stated for it"}},
	} {
		code, stdout, stderr := call(backfiller, c.args...)
		for _, want := range c.want {
			if code != c.code || !strings.Contains(stdout+stderr, want) {
				t.Errorf("%q: exit %d, want %d and %q\n%s%s", c.args, code, c.code, want, stdout, stderr)
			}
		}
	}
	elsewhere := filepath.Join(dir, "elsewhere.yaml")
	write(t, elsewhere, intents(dir, `
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s"}}]
`, fileURL(dir, "other")))
	if code, stdout, stderr := call(backfiller, "status", "--config", elsewhere, "--plan", out+"3"); code != 0 || !strings.Contains(stdout, "0 written of 101") || strings.Contains(stdout, "runs of the plan") {
		t.Errorf("runs that wrote nothing here are told: exit %d\n%s%s", code, stdout, stderr)
	}
}

// TestABackfillIsExactlyOnceAndAudited runs a manifest of inline sentences through the bundled text model into a directory, twice: the
// second run computes nothing. Then a file is lost, and the audit names the offsets.
func TestABackfillIsExactlyOnceAndAudited(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	var manifest strings.Builder
	for i := range 40 {
		fmt.Fprintf(&manifest, `{"v":1,"id":"s%d","inline_text":"Will it rain in city %d tomorrow?"}`+"\n", i, i)
	}
	manifest.WriteString("not a reference\n")
	write(t, filepath.Join(dir, "refs.jsonl"), manifest.String())
	conf := filepath.Join(dir, "vecmill.yaml")
	write(t, conf, intents(dir, `
  max_in_flight: 8
  heads: [{task: classification}, {task: embedding}]
  outputs: [{parquet: {url: "file://%s", roll_rows: 8}}]
  dead_letters: {url: "file://%s"}
`, filepath.Join(dir, "out"), filepath.Join(dir, "dead")))

	run := []string{"run", "--config", conf, "--manifest", filepath.Join(dir, "refs.jsonl")}
	if code, out, stderr := call(backfiller, run...); code != 0 || !strings.Contains(out, "41 references, 80 rows, 0 skipped, 1 dead letters") {
		t.Fatalf("exit %d\n%s%s", code, out, stderr)
	}
	if code, out, stderr := call(backfiller, run...); code != 0 || !strings.Contains(out, "0 references, 0 rows") {
		t.Fatalf("the second run: exit %d\n%s%s", code, out, stderr)
	}
	code, out, stderr := call(backfiller, "audit", "--config", conf)
	var report struct {
		Next     int64 `json:"next_offset"`
		Rows     int
		Computed int
		Dead     int
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
		t.Fatalf("audit: exit %d, %v\n%s%s", code, err, out, stderr)
	}
	if report.Next != 41 || report.Rows != 80 || report.Computed != 40 || report.Dead != 1 {
		t.Fatalf("audit says %+v", report)
	}
	if !strings.Contains(stderr, "41 offsets of 1 sources: 40 with rows (80 rows), 1 dead letters, 0 skipped, 0 lost; no offences\n") {
		t.Fatalf("audit says to people: %s", stderr)
	}

	files, err := filepath.Glob(filepath.Join(dir, "out", "intents", "*", "0", "*.parquet"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	if code, out, stderr := call(backfiller, "audit", "--config", conf); code != 1 || !strings.Contains(out, "no file covers offsets") || !strings.Contains(stderr, "OFFENCES: 1\n") {
		t.Fatalf("a lost file: exit %d\n%s%s", code, out, stderr)
	}
}

// TestAListIsRunBesideAWorkerWithItsFile: the page's usual address is the worker's. One that the file names is wanted.
func TestAListIsRunBesideAWorkerWithItsFile(t *testing.T) {
	dir := t.TempDir()
	conf, list := filepath.Join(dir, "worker.yaml"), filepath.Join(dir, "refs.jsonl")
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", config.DefaultListen)
	if err == nil { // else something else has it, which is the same
		defer l.Close()
	}
	text := intents(dir, `
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s"}}]
`, fileURL(dir, "rows"))
	write(t, conf, strings.Replace(text, `telemetry: {listen: ""}`, "", 1))
	write(t, list, `{"v":1,"id":"a","inline_text":"Will it rain?"}`+"\n")
	run := []string{"run", "--config", conf, "--manifest", list}
	if code, out, stderr := call(backfiller, run...); code != 0 || !strings.Contains(out, "1 rows, ") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
	other, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	write(t, conf, strings.Replace(text, `listen: ""`, fmt.Sprintf("listen: %q", other.Addr().String()), 1))
	if code, _, stderr := call(backfiller, run...); code != 1 || !strings.Contains(stderr, "telemetry.listen: ") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOnlyCommandsThatOpenModelsWantThem: what is written and buried is looked into from machines that have no models, as at night from a laptop.
func TestOnlyCommandsThatOpenModelsWantThem(t *testing.T) {
	dir := t.TempDir()
	conf, list := filepath.Join(dir, "worker.yaml"), filepath.Join(dir, "refs.jsonl")
	for path, text := range map[string]string{
		conf: fmt.Sprintf(`
telemetry: {listen: ""}
kafka: {brokers: ["127.0.0.1:9"]}
pipelines:
- name: speech
  topics: [refs]
  model: {path: /nowhere/at/all}
  heads: [{task: transcript}]
  outputs: [{parquet: {url: "file://%s"}}]
  dead_letters: {url: "file://%s"}
`, t.TempDir(), t.TempDir()),
		list: `{"v":1,"id":"a","uri":"s3://b/a.wav"}` + "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const missing = "pipelines[speech].model.path: /nowhere/at/all does not exist"
	for _, c := range []struct {
		program func(string, []string, *bytes.Buffer, *bytes.Buffer) int
		args    []string
		code    int
		want    string
	}{
		{worker, []string{"dlq", "list"}, 0, "no dead letters"},
		{worker, []string{"dlq", "show", "speech/refs/0/1"}, 1, "speech/refs/0/1"},
		{backfiller, []string{"audit", "--kafka=false"}, 1, "there is no output yet"},
		{backfiller, []string{"status"}, 1, "the outputs have nothing of any manifest yet"},
		{backfiller, []string{"run", "--topic", "refs", "--plan", filepath.Join(dir, "none")}, 1, "no complete plan"},
		{worker, []string{"run"}, exitUsage, missing},
		{worker, []string{"doctor"}, exitUsage, missing},
		{worker, []string{"config", "check"}, exitUsage, missing},
		{backfiller, []string{"plan", "--source", list, "--out", filepath.Join(dir, "plan")}, exitUsage, missing},
		{backfiller, []string{"run", "--manifest", list}, exitUsage, missing},
		{backfiller, []string{"run", "--topic", "refs", "--source", list}, exitUsage, missing},
		{backfiller, []string{"reembed", "--old", "speech", "--new", "speech-2"}, exitUsage, missing},
	} {
		code, out, stderr := call(c.program, append(c.args, "--config", conf)...)
		if code != c.code || !strings.Contains(out+stderr, c.want) || c.want != missing && strings.Contains(stderr, "does not exist") {
			t.Errorf("%v: code %d, want %d with %q\n%s%s", c.args, code, c.code, c.want, out, stderr)
		}
	}
}
