package docs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"

	"vecmill/schemas"
)

// instead is what the test does in place of commands of others, by their beginning.
var instead = map[string]func(t *testing.T, s *site, dir, command string){
	"aws s3 ":          s3Command,
	"helm ":            helmCommand,
	"kafka-topics.sh ": makeTopic,
	"kafka-console-producer.sh --bootstrap-server kafka-1:9092 --topic audio-references < refs.jsonl": func(t *testing.T, s *site, dir, _ string) {
		b, err := os.ReadFile(filepath.Join(dir, "refs.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		s.produce(t, "audio-references", bytes.Split(bytes.TrimSpace(b), []byte("\n"))...)
	},
}

// says is what commands must print besides ending well, where the document does not show it: a command that does nothing is found out.
var says = map[string]string{
	"bin/worker predict --model internal/demo/models/audio-ctc internal/demo/samples/audio/speech-01.wav": "THREE ONE FOUR ONE FIVE NINE",
	"bin/worker predict --model hf://facebook/data2vec-audio-base-960h recording.flac":                    "EIGHT SIX SEVEN FIVE THREE ZERO NINE",
	"bin/worker config check --config vecmill.yaml --sample refs.jsonl":                                   "s3://calls/not-there.wav",
	"bin/backfill audit --config vecmill.yaml":                                                            `"faults":0`,
	"bin/worker dlq list --config vecmill.yaml":                                                           "fetch-missing",
	"bin/worker doctor --config vecmill.yaml":                                                             "everything a worker needs is there",
}

// TestEveryCommandOfTheDocumentsRuns runs the commands of each document in order, in a directory with what a clone has and the files that the document shows. Targets of make are what CI runs, or stand in a table
// with the test that runs the same.
func TestEveryCommandOfTheDocumentsRuns(t *testing.T) {
	used, ran := map[string]bool{}, 0
	for _, d := range documents(t) {
		if len(d.commands) == 0 {
			continue
		}
		t.Run(filepath.Base(d.path), func(t *testing.T) {
			s := newSite(t)
			s.hub(t)
			s.pipeline("SPEECH", "audio-ctc")
			s.env["VECMILL_PIPELINES_SPEECH_OUTPUTS_0_PARQUET_ROLL_AGE"] = "300ms"
			dir := s.clone(t, d)
			s.env["VECMILL_FETCH_BUCKETS"] = "*"
			if filepath.Base(d.path) == "quickstart.md" { // which makes its topics and buckets, publishes its own, and says where the model is
				s.withoutBuckets(t)
				delete(s.env, "VECMILL_PIPELINES_SPEECH_MODEL_PATH")
			} else {
				refs := s.upload(t, schemas.Audio, "lake", "calls/") // what docs/backfill.md plans
				s.topic(t, "audio-references", 3)
				s.topic(t, "audio-dead-letters", 3)
				s.publish(t, "audio-references", refs[0])
			}
			for _, c := range d.commands {
				ran++
				s.give(t, dir, c, used)
			}
		})
	}
	for _, table := range [][]string{keys(instead), keys(says)} {
		for _, c := range table {
			if !used[c] {
				t.Errorf("no document has a command that begins with %s", c)
			}
		}
	}
	if ran < 25 {
		t.Errorf("only %d commands", ran)
	}
}

func keys[V any](m map[string]V) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// give runs a command, or what stands for it, and marks which entries of the tables were of use.
func (s *site) give(t *testing.T, dir string, c command, used map[string]bool) {
	t.Helper()
	if strings.HasPrefix(c.line, "make ") {
		makeIsHeld(t, c.line)
		return
	}
	if slices.ContainsFunc(keys(byTests), func(prefix string) bool { return strings.HasPrefix(c.line, prefix) }) {
		return
	}
	for prefix, f := range instead {
		if strings.HasPrefix(c.line, prefix) {
			used[prefix] = true
			f(t, s, dir, c.line)
			return
		}
	}
	used[c.line] = true
	out, err := s.run(t, dir, c.line)
	if c.line == "go mod tidy" && err != nil && os.Getenv("CI") == "" && (strings.Contains(out, "dial tcp") || strings.Contains(out, "GOPROXY=off")) {
		t.Skipf("modules that only tests of dependencies name are not in the cache, and cannot be fetched:\n%s", out)
	}
	if err != nil || !strings.Contains(out, says[c.line]) {
		t.Fatalf("%s: %v, want %q in\n%s", c.line, err, says[c.line], out)
	}
	printed := alike(out)
	for _, line := range c.shows {
		if line != "..." && !strings.Contains(printed, alike(line)) {
			t.Errorf("%s does not print %s, but\n%s", c.line, line, out)
		}
	}
}

var numberRE = regexp.MustCompile(`\d+(\.\d+)?(e[-+]?\d+)?`)

// alike is text without its numbers, which differ from machine to machine.
func alike(text string) string { return numberRE.ReplaceAllString(text, "#") }

// clone is a directory as a clone of the repository has it, after make build.
func (s *site) clone(t *testing.T, d document) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	root := root(t)
	for link, to := range map[string]string{"internal": root + "/internal", "docs": root + "/docs", "deploy": root + "/deploy", "helm": root + "/helm", "bin/worker": self, "bin/backfill": self} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	recording, err := os.ReadFile("../internal/demo/samples/audio/speech-06.flac")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "recording.flac"), string(recording)) // of the reader's own
	if len(d.files) == 0 {
		d.files = read(t, "quickstart.md").files // documents that name vecmill.yaml without showing one
	}
	for name, text := range d.files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

// root is the repository, which documents for Go programs call ../vecmill.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs a command as a shell would. A worker that serves is stopped when its first file of rows is there.
func (s *site) run(t *testing.T, dir, command string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // of a Go program, everything may have to be built
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euc", "exec "+strings.ReplaceAll(command, "../vecmill", root(t)))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "VECMILL_RUNTIME_CACHE_DIR="+s.cache, "GOSUMDB=off") // what the sums of this module do not hold is not asked for elsewhere
	for name, v := range s.env {
		cmd.Env = append(cmd.Env, name+"="+v)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if !strings.Contains(command, "worker run --config") {
		err := cmd.Run()
		return out.String(), err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // its end is read below, on every way
	for !s.served(t) {
		select {
		case err := <-ended:
			return out.String(), fmt.Errorf("it ended without a row: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	err := <-ended
	return out.String(), err
}

// served says whether a row has been written.
func (s *site) served(t *testing.T) bool {
	t.Helper()
	list, err := s.s3.ListBucket("lake", nil, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(list.Contents, func(o *gofakes3.Content) bool { return strings.HasSuffix(o.Key, ".parquet") })
}
