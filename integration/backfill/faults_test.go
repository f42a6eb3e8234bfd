//go:build integration

package backfill

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
)

// TestExpiredCredentialsEndARunThatGoesOn has the store refuse everything from the middle of a run on, as it does when a session's token is over. No object is blamed for it.
func TestExpiredCredentialsEndARunThatGoesOn(t *testing.T) {
	const objects = 400
	l := newLake(t, objects)
	l.plan(t, "all")
	var objectsRead, refused atomic.Int64
	expired := *l.c
	expired.S3.Endpoint = l.Gate(t, fixture.Gate{Refuse: func(r *http.Request) string {
		if strings.Contains(r.URL.Path, "/in/texts/") && objectsRead.Add(1) > objects/2 || refused.Load() > 0 {
			refused.Add(1)
			return "ExpiredToken"
		}
		return ""
	}})
	run := l.StartBackfill(t, "expired", &expired, "run", "--plan", planAt("all"), "--max-rate", "100/s")
	code, out := run.Wait(t, 5*time.Minute).ExitCode(), run.Log()
	for _, want := range []string{"check the endpoint, the credentials and the machine's clock", " of 400 are durable, ", "go on with: ", "/backfill run --config "} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, want 1 and %q\n%s", code, want, out)
		}
	}
	if w := l.status(t, "status-expired"); w.Finished || w.Written == 0 || w.Dead != 0 {
		t.Errorf("with expired credentials %+v is written", w)
	}
	l.command(t, "run-renewed", "run", "--plan", planAt("all"))
	if w := l.status(t, "status-renewed"); !w.Finished || w.Computed != objects || w.Dead != 0 {
		t.Errorf("with new credentials the status says %+v", w)
	}
	all, code := l.AuditCommand(t, "audit", l.c)
	if code != 0 || len(all) != 1 || !all[0].OK() || all[0].Computed != objects {
		t.Errorf("the audit has exit code %d: %+v", code, all)
	}
}

// TestAPlanWithExpiredCredentialsGoesOn has them expired while a bucket is listed: it says so while it tries again, and goes on by itself or, stopped, with the same command.
func TestAPlanWithExpiredCredentialsGoesOn(t *testing.T) {
	l := newLake(t, 20)
	var over atomic.Bool
	c := *l.c
	c.S3.Endpoint = l.Gate(t, fixture.Gate{Refuse: func(r *http.Request) string {
		if over.Load() && r.URL.Query().Has("list-type") && strings.Contains(r.URL.RawQuery, "texts") {
			return "ExpiredToken"
		}
		return ""
	}})
	for _, stopped := range []bool{false, true} {
		over.Store(true)
		name := fmt.Sprint("stopped-", stopped)
		args := []string{"plan", "--out", planAt(name), "--try", "0", "--source", "s3://" + fixture.Bucket + "/in/texts/"}
		p := l.StartBackfill(t, name, &c, args...)
		p.WaitForLog(t, "trying again: listing s3://vecmill/in/texts/: refused by the test", time.Minute)
		if stopped {
			if code := p.Terminate(t, time.Minute).ExitCode(); code != 1 || !strings.Contains(p.Log(), "interrupted; the same command goes on where this one was") {
				t.Errorf("exit code %d\n%s", code, p.Log())
			}
		}
		over.Store(false)
		if stopped {
			p = l.StartBackfill(t, name+"-again", &c, args...)
		}
		if code := p.Wait(t, time.Minute).ExitCode(); code != 0 || !strings.Contains(p.Log(), "20 of 20 references") {
			t.Errorf("exit code %d\n%s", code, p.Log())
		}
	}
}

// fullDisk fills a file system of its own, in a name space of its own: a plan and a run end in it, and go on when it is larger. One run is told to stop, and one ends by itself, when it has tried as often as a sink does: two minutes.
const fullDisk = `
set -u
mount -t tmpfs -o size=192k tmpfs "$1/small" || exit 77
"$2" plan --config "$1/c.yaml" --source "$1/refs.jsonl" --out "$1/small/plan" --try 0 >"$1/plan-full.log" 2>&1
echo "plan $?"
mount -o remount,size=1m "$1/small"
"$2" plan --config "$1/c.yaml" --source "$1/refs.jsonl" --out "$1/small/plan" --try 0 >"$1/plan.log" 2>&1
echo "plan $?"
"$2" run --config "$1/c.yaml" --plan "$1/small/plan" >"$1/run-full.log" 2>&1 &
until grep -q 'no space left on device' "$1/run-full.log" || ! kill -0 $!; do sleep 0.1; done
kill -TERM $!
wait $!
echo "run $?"
"$2" run --config "$1/c.yaml" --plan "$1/small/plan" >"$1/run-gave-up.log" 2>&1
echo "run $?"
mount -o remount,size=64m "$1/small"
"$2" run --config "$1/c.yaml" --plan "$1/small/plan" >"$1/run.log" 2>&1
echo "run $?"
"$2" audit --config "$1/c.yaml" >"$1/audit.log" 2>&1
echo "audit $?"
`

// TestAFullDiskEndsARunThatGoesOn needs a name space in which it may mount: root has one, and users where the kernel lets them.
func TestAFullDiskEndsARunThatGoesOn(t *testing.T) {
	dir := t.TempDir()
	unshare := []string{"--mount"}
	if os.Geteuid() != 0 {
		unshare = []string{"--mount", "--user", "--map-root-user"}
	}
	if err := exec.Command("unshare", append(unshare, "true")...).Run(); err != nil {
		harness.Missing(t, "a name space to mount in", "run this as root, or have the kernel allow users their name spaces: "+err.Error())
	}
	const n = 8000
	var refs strings.Builder
	for i := range n {
		fmt.Fprintf(&refs, `{"v":1,"id":"%x","inline_text":"Will it rain in city %d tomorrow?"}`+"\n", hash(text(i))[:32], i)
	}
	if err := os.WriteFile(filepath.Join(dir, "refs.jsonl"), []byte(refs.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "small"), 0o700); err != nil {
		t.Fatal(err)
	}
	l := newLake(t, 0)
	file := l.c.Pipelines[0].Outputs[0].Parquet
	file.URL, file.RollRows = "file://"+filepath.Join(dir, "small", "rows"), 500
	l.c.Pipelines[0].DeadLetters = config.DeadLetters{URL: "file://" + filepath.Join(dir, "dead")}
	fixture.WriteConfig(t, filepath.Join(dir, "c.yaml"), l.c)

	cmd := exec.Command("unshare", append(unshare, "sh", "-c", fullDisk, "sh", dir, harness.BackfillBinary(t))...)
	cmd.Env = append(os.Environ(), fixture.S3Env()...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if want := "plan 1\nplan 0\nrun 1\nrun 1\nrun 0\naudit 0\n"; err != nil || string(out) != want {
		t.Errorf("got %q, want %q: %v\n%s", out, want, err, stderr.String())
	}
	for log, words := range map[string][]string{
		"plan-full.log":   {"writing ", "part-000000000000-", "no space left on device"},
		"plan.log":        {"8000 of 8000 references"},
		"run-full.log":    {"no space left on device", "interrupted; what is durable is kept", " of 8000 are durable, ", "go on with: ", "/backfill run --config "},
		"run-gave-up.log": {"no space left on device", "(try 60)", "go on with: ", "/backfill run --config "},
		"audit.log":       {`"next_offset":8000,`, `"computed":8000,`},
	} {
		body, err := os.ReadFile(filepath.Join(dir, log))
		if err != nil {
			t.Error(err)
		}
		for _, w := range words {
			if !strings.Contains(string(body), w) {
				t.Errorf("%s has no %q:\n%s", log, w, body)
			}
		}
	}
	again := string(mustRead(t, filepath.Join(dir, "run.log")))
	var references int
	if _, err := fmt.Sscanf(again[strings.LastIndex(again, "intents: "):], "intents: %d references", &references); err != nil || references == 0 || references >= n {
		t.Errorf("the run that goes on says %s: %v", again, err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
