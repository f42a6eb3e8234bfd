package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"

	"vecmill/internal/demo"
)

// odd has every character that URLs have a meaning for; oddNames are pairwise different, and most of them are not if they are read as parts of URLs.
const odd = "day #1/a?b=c&d%41+e é"

var oddNames = []string{"#1.txt", "#2.txt", "?1.txt", "?2.txt", "%41.txt", "A.txt", "+.txt", " .txt", "%20.txt", "é.txt", "%.txt"}

func oddText(i int) string { return fmt.Sprintf("Will it rain in city %d tomorrow?", i) }

// oddConfig has one pipeline of texts with outputs below a URL, and one that computes them again.
func oddConfig(t *testing.T, dir, rest, below string) (conf string) {
	t.Helper()
	text := fmt.Sprintf("log: {level: error}\ntelemetry: {listen: \"\"}\nruntime: {cache_dir: %q}\n%spipelines:", filepath.Join(dir, "cache"), rest)
	for name, precision := range map[string]string{"intents": "fp32", "intents-2": "int8"} {
		text += fmt.Sprintf(`
- name: %s
  model: {path: %q, precision: %s}
  heads: [{task: classification}]
  outputs: [{parquet: {url: %q, roll_rows: 4}}]
  dead_letters: {url: %q}`, name, filepath.Join(dir, "models", "text-intent"), precision, below+"/rows", below+"/dead")
	}
	conf = filepath.Join(dir, "odd.yaml")
	write(t, conf, text+"\n")
	return conf
}

// alone is a configuration of the first pipeline.
func alone(t *testing.T, conf string) (first string) {
	t.Helper()
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	head, pipelines, _ := strings.Cut(string(text), "\n- name: ")
	for p := range strings.SplitSeq(pipelines, "\n- name: ") {
		if strings.HasPrefix(p, "intents\n") {
			head += "\n- name: " + p
		}
	}
	first = filepath.Join(filepath.Dir(conf), "first.yaml")
	write(t, first, head+"\n")
	return first
}

// oddCommands calls commands, and holds them to what they say.
type oddCommands struct{ t *testing.T }

func (o oddCommands) step(want, conf string, args ...string) (out string) {
	o.t.Helper()
	return o.say(backfiller, want, append(args, "--config", conf)...)
}

func (o oddCommands) say(program func(string, []string, *bytes.Buffer, *bytes.Buffer) int, want string, args ...string) string {
	o.t.Helper()
	code, out, stderr := call(program, args...)
	if code != 0 || !strings.Contains(out+stderr, want) {
		o.t.Fatalf("%q: exit %d, want %q\n%s%s", args, code, want, out, stderr)
	}
	return out
}

// through computes a list of n texts and one that is gone below a URL, asks for what became of it, and computes it again.
func (o oddCommands) through(conf, list, below string, n int) {
	o.t.Helper()
	first := alone(o.t, conf)
	o.step(fmt.Sprintf("intents: %d references, %d rows, 0 skipped, 1 dead letters (fetch-missing 1)", n+1, n), first, "run", "--manifest", list)
	o.step(fmt.Sprintf(" in %s/rows: %d written of %[2]d ", below, n+1), first, "status", "--manifest", list)
	if out := o.step("", first, "audit", "--kafka=false"); strings.Count(out, `"faults":0`) != strings.Count(out, "\n") {
		o.t.Errorf("audit:\n%s", out)
	}
	o.say(worker, "fetch-missing", "dlq", "list", "--config", first)
	o.say(worker, "fetch-missing", "dlq", "list", "--config", first, "--url", below+"/dead")
	o.step("0 dead letters;", conf, "reembed", "--old", "intents", "--new", "intents-2", "--no-stream", "--cut-over", "now")
}

// TestPrefixesAndKeysAreTakenAsTheyAreWritten plans, computes, checks and computes again texts of a bucket, with rows, letters, plans and a list in one, under keys that would be others if they were read as URLs, or none.
func TestPrefixesAndKeysAreTakenAsTheyAreWritten(t *testing.T) {
	l := newLake(t)
	put := func(key, text string) {
		t.Helper()
		if _, err := l.backend.PutObject("box", key, map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}, strings.NewReader(text), int64(len(text)), nil); err != nil {
			t.Fatal(err)
		}
	}
	const source, below = "s3://box/" + odd + "/", "s3://out/" + odd
	var refs strings.Builder
	for i, name := range oddNames {
		put(odd+"/"+name, oddText(i))
		fmt.Fprintf(&refs, `{"v":1,"id":"%d","uri":%q}`+"\n", i, source+name)
	}
	put("day /1.txt", "Is it read as a URL?")
	put("day #1/a?b=c&dA+e é/1.txt", "Is it unescaped?")
	put(odd+"/lists/day #2%20?.jsonl", refs.String()+`{"v":1,"id":"gone","uri":"`+source+`gone #"}`+"\n")
	s3, err := os.ReadFile(filepath.Join(l.dir, "s3.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	conf, n, o := oddConfig(t, l.dir, string(s3), below), len(oddNames), oddCommands{t}
	first, at := alone(t, conf), below+"/plan #1"
	o.step(fmt.Sprintf("%d of %d references; 0 are computed already", n, n), first, "plan", "--source", source, "--out", at, "--try", "0")
	o.step(fmt.Sprintf("intents: %d references, %d rows, 0 skipped, 0 dead letters", n, n), first, "run", "--plan", at)
	o.step(fmt.Sprintf(" in %s/rows: %d written of %[2]d ", below, n), first, "status", "--plan", at)
	o.step(fmt.Sprintf("0 of %d references; %d are computed already", n, n), first, "plan", "--source", source, "--out", at+"-2", "--try", "0")
	o.step(fmt.Sprintf("0 of %d references, %d are computed already", n, n), first, "run", "--source", source) // its plan lies beside the rows
	o.through(conf, source+"lists/day #2%20?.jsonl", below, n)

	want := map[string]bool{}
	for _, name := range oddNames {
		want[source+name] = true
	}
	old, now := l.rows(t, odd, "intents"), l.rows(t, odd, "intents-2")
	for id, row := range now {
		if !want[row.uri] || old[id].uri != row.uri {
			t.Errorf("%s was %+v, and is %+v", id, old[id], row)
		}
	}
	if len(old) != 2*n || len(now) != 2*n { // of the plan, and of the list
		t.Errorf("%d rows, and now %d, want %d", len(old), len(now), 2*n)
	}
	all, err := l.backend.ListBucket("out", nil, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all.Contents {
		if !strings.HasPrefix(o.Key, odd+"/") {
			t.Errorf("%s was written", o.Key)
		}
	}
}

// TestDirectoriesAndFilesAreTakenAsTheyAreWritten computes, checks and computes again texts of files, with rows and letters in directories whose names would be others if they were read as URLs.
func TestDirectoriesAndFilesAreTakenAsTheyAreWritten(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	texts := filepath.Join(dir, "texts", filepath.FromSlash(odd))
	if err := os.MkdirAll(texts, 0o755); err != nil {
		t.Fatal(err)
	}
	var refs strings.Builder
	for i, name := range oddNames {
		write(t, filepath.Join(texts, name), oddText(i))
		fmt.Fprintf(&refs, `{"v":1,"id":"%d","uri":%q}`+"\n", i, "file://"+filepath.ToSlash(texts)+"/"+name)
	}
	list := filepath.Join(texts, "day #2%20?.jsonl")
	write(t, list, refs.String()+`{"v":1,"id":"gone","uri":"file://`+filepath.ToSlash(texts)+`/gone #"}`+"\n")
	below := filepath.Join(dir, "out", filepath.FromSlash(odd))
	conf := oddConfig(t, dir, fmt.Sprintf("fetch: {file_roots: [%q]}\n", texts), "file://"+filepath.ToSlash(below))
	oddCommands{t}.through(conf, list, "file://"+filepath.ToSlash(below), len(oddNames))
	for _, made := range []string{"rows/intents", "rows/intents-2", "rows/_plans", "rows/_current/now.json", "dead"} {
		if _, err := os.Stat(filepath.Join(below, filepath.FromSlash(made))); err != nil {
			t.Error(err)
		}
	}
	if under, err := os.ReadDir(filepath.Join(dir, "out")); err != nil || len(under) != 1 {
		t.Errorf("beside it are %v, %v", under, err)
	}
}

// TestAURLsPasswordAndSignatureAreNotShown gives URLs where prefixes of buckets and files are expected.
func TestAURLsPasswordAndSignatureAreNotShown(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	good := alone(t, oddConfig(t, dir, "", "file://"+filepath.ToSlash(dir)+"/out"))
	for _, secret := range []string{"https://me:hush@store/list.jsonl?X-Amz-Signature=hush", "s3://me:hush@box/list.jsonl"} {
		bad := filepath.Join(dir, "bad.yaml")
		text, err := os.ReadFile(good)
		if err != nil {
			t.Fatal(err)
		}
		write(t, bad, strings.ReplaceAll(string(text), "file://"+filepath.ToSlash(dir), secret))
		for _, args := range [][]string{
			{"plan", "--config", good, "--source", secret, "--out", filepath.Join(dir, "plan"), "--try", "0"},
			{"plan", "--config", good, "--source", "s3://box/x/", "--out", secret, "--try", "0"},
			{"run", "--config", good, "--source", secret},
			{"run", "--config", good, "--manifest", secret},
			{"run", "--config", good, "--plan", secret},
			{"status", "--config", good, "--plan", secret},
			{"status", "--config", good, "--manifest", secret},
			{"audit", "--config", bad},
		} {
			if code, out, stderr := call(backfiller, args...); code == 0 || strings.Contains(out+stderr, "hush") || !strings.Contains(stderr, "xxxxx@") {
				t.Errorf("%q: exit %d\n%s%s", args, code, out, stderr)
			}
		}
		if code, out, stderr := call(worker, "dlq", "list", "--url", secret); code != exitUsage || strings.Contains(out+stderr, "hush") || !strings.Contains(stderr, "xxxxx@") {
			t.Errorf("dlq: exit %d\n%s%s", code, out, stderr)
		}
	}
}
