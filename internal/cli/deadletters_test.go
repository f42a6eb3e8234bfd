package cli

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// put makes an object of the bucket.
func (l *lake) put(t *testing.T, key, body string) {
	t.Helper()
	if _, err := l.backend.PutObject("box", key, map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}, strings.NewReader(body), int64(len(body)), nil); err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsLeftBehindARunMayBeDeadLettersAlone plans again where three of the texts are damaged: the rest is computed, and known.
func TestWhatIsLeftBehindARunMayBeDeadLettersAlone(t *testing.T) {
	l := newLake(t)
	for i := range 3 {
		l.put(t, fmt.Sprintf("texts/damaged-%d.txt", i), "\xff\xfe\xff")
	}
	conf := l.config(t, "letters")
	step := func(want string, args ...string) string {
		t.Helper()
		code, out, stderr := call(backfiller, append(args, "--config", conf)...)
		if code != 0 || !strings.Contains(out+stderr, want) {
			t.Fatalf("%q: exit %d, want %q\n%s%s", args, code, want, out, stderr)
		}
		return out + stderr
	}
	plan := func(at string, more ...string) []string {
		return append([]string{"plan", "--source", "s3://box/texts/", "--out", at, "--sample", "5", "--try", "100ms", "--price", "3"}, more...)
	}
	step("27 of 27 references", plan("s3://out/first")...)
	step("24 rows, 0 skipped, 3 dead letters (decode 3)", "run", "--plan", "s3://out/first")
	again := plan("s3://out/again")
	for _, want := range []string{
		"3 of 27 references; 24 are computed already",
		"intents (3 headers looked at, 0 objects computed)\n",
		"time             not known: none of the objects of the sample that were tried could be computed; one of the sample: decode: not UTF-8: byte 0xff at 0\n",
		"output           not known: nothing was computed\n",
		"dead letters     about 100.0 %\n",
	} {
		out := step(want, again...) // the first time it makes the plan, and then it finds it
		for _, word := range []string{"CPU", "price", "tokens", "memory"} {
			if strings.Contains(out, word) {
				t.Errorf("it says %s of what is not known:\n%s", word, out)
			}
		}
	}
	step(`"wall_seconds":null,"cpu_seconds":null,`, append(again, "--json")...)
	step(`"refused":"none of the objects of the sample that were tried`, plan("s3://out/json", "--json")...)
	step("time             not known: none of the objects", plan("s3://out/stated", "--rate", "text=5/s")...)
	out := step("3 references, 0 rows", "run", "--plan", "s3://out/again")
	if strings.Contains(out, ", took ") {
		t.Errorf("a run is held against a time that is not known:\n%s", out)
	}
	step("finished", "status", "--plan", "s3://out/again")
}

// TestABrokenPictureDoesNotKeepTextsFromBeingPlanned has two pipelines, and nothing for one of them that can be read.
func TestABrokenPictureDoesNotKeepTextsFromBeingPlanned(t *testing.T) {
	l := newLake(t)
	l.put(t, "texts/broken.png", "\x89PNG\r\n\x1a\nthis is none")
	conf := l.config(t, "pictures")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	write(t, conf, string(text)+fmt.Sprintf(`- name: digits
  topics: [refs]
  model: {path: %q}
  heads: [{task: classification}]
  outputs: [{parquet: {url: "s3://out/pictures/rows"}}]
  dead_letters: {url: "s3://out/pictures/dead"}
`, filepath.Join(l.dir, "models", "vision-digits")))
	code, out, stderr := call(backfiller, "plan", "--config", conf, "--source", "s3://box/texts/", "--out", "s3://out/plan", "--try", "100ms")
	said, together, _ := strings.Cut(out, "\nall pipelines")
	texts, pictures, _ := strings.Cut(said, "\ndigits (")
	if code != 0 || !strings.Contains(out, "25 of 25 references") || !strings.Contains(texts, "on 1 machine like this one") ||
		!strings.Contains(pictures, "time             not known: none of the 1 objects of the sample could be read; one of them: decode: ") || strings.Contains(pictures, "pixels") ||
		!strings.HasPrefix(together, " but digits\n  time ") {
		t.Fatalf("exit %d\n%s%s", code, out, stderr)
	}
	if code, out, stderr := call(backfiller, "run", "--config", conf, "--plan", "s3://out/plan"); code != 0 || !strings.Contains(out+stderr, "; the plan could not tell the time of digits") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
}

// TestAPlanThatMayReadNoneOfItsSampleWaitsForTheConfiguration has a bucket that fetch.buckets lacks, until it is mended: the plan that was begun is finished then.
func TestAPlanThatMayReadNoneOfItsSampleWaitsForTheConfiguration(t *testing.T) {
	l := newLake(t)
	conf := l.config(t, "denied")
	allowed, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	write(t, conf, "fetch: {buckets: [another]}\n"+string(allowed))
	args := []string{"plan", "--config", conf, "--source", "s3://box/texts/", "--out", "s3://out/denied/plan", "--try", "100ms"}
	for range 2 {
		code, out, stderr := call(backfiller, args...)
		if code != 1 || out != "" || !strings.Contains(stderr, "none of the 24 objects of the sample could be read; one of them: fetch-denied: ") || !strings.Contains(stderr, "what is planned is kept") {
			t.Fatalf("exit %d\n%s%s", code, out, stderr)
		}
	}
	write(t, conf, string(allowed))
	if code, out, stderr := call(backfiller, args...); code != 0 || strings.Contains(out, "there already") || !strings.Contains(out, "on 1 machine like this one") || !strings.Contains(out, "memory  ") || strings.Contains(out, "dead letters") {
		t.Fatalf("exit %d\n%s%s", code, out, stderr)
	}
	if code, out, stderr := call(backfiller, "run", "--config", conf, "--plan", "s3://out/denied/plan"); code != 0 || !strings.Contains(out+stderr, "24 rows, 0 skipped, 0 dead letters") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
}

// TestAPlanSaysWhatNoPipelineTakes has a recording between texts, and no pipeline for it: the run's dead letters are those that the plan says.
func TestAPlanSaysWhatNoPipelineTakes(t *testing.T) {
	l := newLake(t)
	conf, list := l.config(t, "nobody"), filepath.Join(l.dir, "list.jsonl")
	b, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	write(t, conf, string(b)+"  where: ref.id != 'c'\n") // deletions are not asked about
	write(t, list, `{"v":1,"id":"a","inline_text":"it is so"}
{"v":1,"id":"b","uri":"s3://box/texts/b.wav","modality":"audio"}
{"v":1,"id":"c","deleted":true}
{"v":1,"id":"d","inline_text":"it is so","route":"another"}
`)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"plan", "--source", list, "--out", "s3://out/plan", "--try", "10ms"}, "\nfor nobody         2 references that no pipeline takes: each will be a dead letter (schema)\n"},
		{[]string{"plan", "--source", list, "--out", "s3://out/plan", "--json"}, `,"untaken":2,`}, // it is found
		{[]string{"run", "--plan", "s3://out/plan"}, "2 dead letters (schema 2)"},
	} {
		if code, out, stderr := call(backfiller, append(c.args, "--config", conf)...); code != 0 || !strings.Contains(out+stderr, c.want) {
			t.Fatalf("%q: exit %d, want %q\n%s%s", c.args, code, c.want, out, stderr)
		}
	}
}
