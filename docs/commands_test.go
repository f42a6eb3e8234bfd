package docs

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
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
	"github.com/segmentio/kafka-go"

	"vecmill/schemas"
)

// instead is what the test does in place of commands of others, by their beginning.
var instead = map[string]func(t *testing.T, s *site, dir, command string){
	"aws s3 ":          s3Command,
	"export ":          export,
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
	"bin/worker dlq list --config vecmill.yaml --reason fetch-missing":                                    "not-there.wav",
	"bin/worker dlq replay --config vecmill.yaml --reason fetch-missing":                                  "1 replayed",
	"bin/worker dlq replay --config vecmill.yaml":                                                         "1 replayed",
	"bin/backfill run --config vecmill.yaml --manifest references.jsonl":                                  "1 references, 2 rows, 0 skipped, 0 dead letters",
	"bin/backfill run --config vecmill.yaml --plan plan":                                                  " 0 dead letters",
	"bin/backfill run --config vecmill.yaml --plan s3://lake/plans/2026-11 --share 3/8":                   " 0 dead letters",
	"bin/backfill run --config vecmill.yaml --source s3://calls/archive/ --topic audio-references":        "published",
	"bin/backfill reembed --config vecmill.yaml --old speech --new speech-2 --model models/new":           "start_at: last",
	"bin/worker simulate --seed 12 --verbose":                                                             "seed 12",
	"bin/worker simulate --scenario list":                                                                 "rebalance-loses-batches",
	"bin/worker config reference":                                                                         "max_object_bytes",
}

// TestEveryCommandOfTheDocumentsRuns runs the commands of each document and of the alerts in order, those of blocks and what prose has for our programs, in a directory with what a clone has, and the files that the document shows once its reader has come to them. Targets of make, and
// what other tests do, are held by TestEveryCommandIsHeld.
func TestEveryCommandOfTheDocumentsRuns(t *testing.T) {
	used, ran, named := map[string]bool{}, 0, map[string]bool{}
	for _, d := range append(documents(t), alerts(t)) {
		if len(d.commands) == 0 {
			continue
		}
		t.Run(filepath.Base(d.path), func(t *testing.T) {
			s := newSite(t)
			s.hub(t)
			s.pipeline("SPEECH", "audio-ctc")
			s.env["VECMILL_PIPELINES_SPEECH_OUTPUTS_0_PARQUET_ROLL_AGE"] = "300ms"
			dir := s.clone(t, d)
			if filepath.Base(d.path) == "quickstart.md" { // which makes its topics and buckets, publishes its own, and says where the model is and what the key
				s.letters = 1
				s.withoutBuckets(t)
				delete(s.env, "VECMILL_PIPELINES_SPEECH_MODEL_PATH")
				delete(s.env, "VECMILL_S3_SECRET_KEY_FILE")
			} else {
				refs := s.upload(t, schemas.Audio, "calls", "2026/") // what docs/backfill.md plans
				s.upload(t, schemas.Audio, "calls", "archive/")
				s.put(t, "calls", "2026/11/4711.flac", recording(t))
				s.topic(t, "audio-references", 3)
				s.topic(t, "audio-dead-letters", 3)
				s.publish(t, "audio-references", refs[0])
			}
			if slices.Contains([]string{"operations.md", "alerts.yaml"}, filepath.Base(d.path)) { // where a worker has run, with one letter
				s.letters = 1
				s.publish(t, "audio-references", schemas.Ref{ID: "gone", URI: "s3://calls/not-there.wav", Modality: schemas.Audio})
				s.give(t, dir, &command{line: "bin/worker run --config vecmill.yaml"}, used)
			}
			given := map[string]bool{}
			for i, c := range d.commands {
				d.reach(t, dir, i)
				if c.inProse && given[c.line] { // said again
					continue
				}
				given[c.line], named[commandOf(c.line)] = true, true
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
	if ran < 70 {
		t.Errorf("only %d commands", ran)
	}
	namesRun(t, named)
}

func keys[V any](m map[string]V) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// give runs a command, or what stands for it, and marks which entries of the tables were of use.
func (s *site) give(t *testing.T, dir string, c *command, used map[string]bool) {
	t.Helper()
	if strings.HasPrefix(c.line, "make ") || byTest(c.line) != "" {
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

// clone is a directory as a clone of the repository has it, after make build. Files that the document shows are not in it: see reach.
func (s *site) clone(t *testing.T, d document) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"bin", "models"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root := root(t)
	for link, to := range map[string]string{"internal": root + "/internal", "docs": root + "/docs", "deploy": root + "/deploy", "helm": root + "/helm", "models/new": root + "/internal/demo/models/audio-ctc", "bin/worker": self, "bin/backfill": self} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	files := read(t, "quickstart.md").files // for documents that name vecmill.yaml without showing one
	s.configured = cmp.Or(d.files["vecmill.yaml"], files["vecmill.yaml"])
	maps.DeleteFunc(files, func(name, _ string) bool { return d.files[name] != "" })
	files["recording.flac"] = string(recording(t)) // of the reader's own
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

// reach writes the files that a document shows between its command before number n and that one: whoever follows it has them no sooner.
func (d *document) reach(t *testing.T, dir string, n int) {
	t.Helper()
	for name, text := range d.files {
		if d.after[name] == n {
			write(t, filepath.Join(dir, name), text)
		}
	}
}

func recording(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../internal/demo/samples/audio/speech-06.flac")
	if err != nil {
		t.Fatal(err)
	}
	return b
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

// run runs a command as a shell would. A worker that serves is stopped when its first file of rows is there, and so many dead letters as are expected.
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
	for !s.served(t) || s.buried(t) < s.letters {
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

// buried is how many dead letters there are.
func (s *site) buried(t *testing.T) (n int) {
	t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(s.broker.ListenAddrs()...), Transport: &kafka.Transport{}}
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	const topic = "audio-dead-letters"
	resp, err := client.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(0), kafka.LastOffsetOf(1), kafka.LastOffsetOf(2)}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range resp.Topics[topic] {
		if p.Error != nil {
			t.Fatal(p.Error)
		}
		n += int(p.LastOffset)
	}
	return n
}
