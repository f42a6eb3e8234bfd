package docs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"vecmill/internal/progress"
)

// TestABackfillPausesAsItsDocumentSays gives a run that is under way the signals that backfill.md has, by its own commands. That in a pod is given its process in place of 1, and may call what
// the image has; tools/image-steps.sh calls it in the image.
func TestABackfillPausesAsItsDocumentSays(t *testing.T) {
	pause, goOn, inPod := span(t, "backfill.md", "kill -USR1"), span(t, "backfill.md", "kill -USR2"), span(t, "backfill.md", "kubectl exec POD -- ")
	_, inPod, _ = strings.Cut(inPod, " -- ")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	child := slowRun(t, ctx)
	lines, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	child.Stderr = &stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait() // it is killed, and says so
	defer cancel()
	pid := strconv.Itoa(child.Process.Pid)
	steps := []struct {
		phase string // when the run tells of it
		then  *exec.Cmd
	}{
		{"running", exec.CommandContext(ctx, "bash", "-c", pause+" "+pid)},
		{"paused", exec.CommandContext(ctx, "bash", "-c", goOn+" "+pid)},
		{"running", asInThePod(t, ctx, inPod, pid)},
		{"paused", nil},
	}
	for out := bufio.NewScanner(lines); len(steps) > 0 && out.Scan(); {
		var told progress.Report
		if err := json.Unmarshal(out.Bytes(), &told); err != nil {
			t.Fatalf("standard output has %q: %v", out.Text(), err)
		}
		if told.Phase != steps[0].phase {
			continue
		}
		if do := steps[0].then; do != nil {
			if said, err := do.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", do, err, said)
			}
		}
		steps = steps[1:]
	}
	if len(steps) > 0 {
		t.Errorf("the run did not come to be %s, and says\n%s", steps[0].phase, stderr.String())
	}
}

// slowRun is a backfill that takes an hour, and tells its phase each second.
func slowRun(t *testing.T, ctx context.Context) *exec.Cmd {
	t.Helper()
	s := newSite(t)
	dir := s.clone(t, document{})
	var refs strings.Builder
	for i := range 3600 {
		fmt.Fprintf(&refs, `{"v":1,"id":"s%d","inline_text":"Will it rain in city %d tomorrow?"}`+"\n", i, i)
	}
	write(t, filepath.Join(dir, "refs.jsonl"), refs.String())
	write(t, filepath.Join(dir, "intents.yaml"), fmt.Sprintf(`
telemetry: {listen: ""}
runtime: {cache_dir: %q}
pipelines:
- name: intents
  model: {path: %q, threads: 1}
  heads: [{task: classification}]
  outputs: [{parquet: {url: "file://%s"}}]
  dead_letters: {url: "file://%s"}
`, s.cache, filepath.Join(s.models, "text-intent"), t.TempDir(), t.TempDir()))
	child := exec.CommandContext(ctx, "bin/backfill", "run", "--json", "--max-rate", "1/s", "--config", "intents.yaml", "--manifest", "refs.jsonl")
	child.Dir = dir
	return child
}

// asInThePod is a command for a process in place of the first one, by the programs of the image alone. kill is none of them: debian's slim image leaves procps out.
func asInThePod(t *testing.T, ctx context.Context, command, pid string) *exec.Cmd {
	t.Helper()
	image := t.TempDir()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(sh, filepath.Join(image, "sh")); err != nil {
		t.Fatal(err)
	}
	first := regexp.MustCompile(`\b1$`)
	words := shellWords(command)
	last := len(words) - 1
	if last < 0 || !first.MatchString(words[last]) {
		t.Fatalf("%s is not for process 1", command)
	}
	words[last] = first.ReplaceAllString(words[last], pid)
	c := exec.CommandContext(ctx, filepath.Join(image, words[0]), words[1:]...) // which the runtime of containers looks for on the image's PATH
	c.Env = []string{"PATH=" + image}
	return c
}
