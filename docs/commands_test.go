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

// notRun are beginnings of commands that the test does not run, each with the reason.
var notRun = map[string]string{
	"make ":                            "builds, fetches or tests: what CI itself runs. TestWhatProseNamesExists looks for the target",
	"bin/worker predict --model hf://": "the network",
	"worker predict --model ./asr":     "an example of what is printed; docs/models.md has the same on bundled files, which is run",
	"kafka-topics.sh":                  "Kafka's own tools: the broker of the test has the topics",
}

// instead is what the test does in place of commands of others.
var instead = map[string]func(t *testing.T, s *site, dir string){
	"aws s3 cp internal/demo/samples/audio/speech-01.wav s3://calls/speech-01.wav": func(t *testing.T, s *site, _ string) {
		s.upload(t, schemas.Audio, "calls", "")
	},
	"kafka-console-producer.sh --bootstrap-server kafka-1:9092 --topic audio-references < refs.jsonl": func(t *testing.T, s *site, dir string) {
		b, err := os.ReadFile(filepath.Join(dir, "refs.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		s.produce(t, "audio-references", bytes.Split(bytes.TrimSpace(b), []byte("\n"))...)
	},
}

// says is what commands must print besides ending well: a command that does nothing is found out.
var says = map[string]string{
	"bin/worker predict --model internal/demo/models/audio-ctc internal/demo/samples/audio/speech-01.wav": "THREE ONE FOUR ONE FIVE NINE",
	"bin/worker config check --config vecmill.yaml --sample refs.jsonl":                                   "s3://calls/not-there.wav",
	"bin/backfill audit --config vecmill.yaml":                                                            `"faults":0`,
	"bin/worker dlq list --config vecmill.yaml":                                                           "fetch-missing",
	"bin/worker doctor --config vecmill.yaml":                                                             "everything a worker needs is there",
}

// document is a Markdown file taken apart.
type document struct {
	path     string
	commands []string          // of console blocks, and indented lines that begin with $, in order
	files    map[string]string // blocks whose info string names a file
	prose    []string          // code spans
}

var (
	spanRE    = regexp.MustCompile("`([^`\n]+)`")
	commentRE = regexp.MustCompile(`\s+#\s.*$`)
)

func read(t *testing.T, path string) document {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := document{path: path, files: map[string]string{}}
	fence, file := "", ""
	for line := range strings.Lines(string(b)) {
		text := strings.TrimSpace(line)
		info, isFence := strings.CutPrefix(text, "```")
		switch {
		case isFence && fence == "":
			fence, file, _ = strings.Cut(info+" ", " ")
			fence, file = "```"+fence, strings.TrimSpace(file)
		case isFence:
			fence = ""
		case fence != "" && file != "":
			d.files[file] += line
		case fence == "" || fence == "```console":
			if c, ok := strings.CutPrefix(text, "$ "); ok && (fence != "" || strings.HasPrefix(line, "    ")) {
				d.commands = append(d.commands, strings.TrimSpace(commentRE.ReplaceAllString(c, "")))
			} else if fence == "" {
				for _, m := range spanRE.FindAllStringSubmatch(line, -1) {
					d.prose = append(d.prose, m[1])
				}
			}
		}
	}
	if fence != "" {
		t.Errorf("%s: a block has no end", path)
	}
	return d
}

func documents(t *testing.T) (all []document) {
	t.Helper()
	here, err := filepath.Glob("*.md")
	if err != nil || len(here) < 15 {
		t.Fatalf("%d documents, %v", len(here), err)
	}
	for _, path := range append(here, "../README.md", "../CONTRIBUTING.md") {
		all = append(all, read(t, path))
	}
	return all
}

// TestEveryCommandOfTheDocumentsRuns runs the commands of each document in order, in a directory with what a clone has and the files that the document shows.
func TestEveryCommandOfTheDocumentsRuns(t *testing.T) {
	used, ran := map[string]bool{}, 0
	for _, d := range documents(t) {
		if len(d.commands) == 0 {
			continue
		}
		t.Run(filepath.Base(d.path), func(t *testing.T) {
			s := newSite(t)
			s.pipeline("SPEECH", "audio-ctc")
			s.env["VECMILL_PIPELINES_SPEECH_OUTPUTS_0_PARQUET_ROLL_AGE"] = "300ms"
			dir := s.clone(t, d)
			s.env["VECMILL_FETCH_BUCKETS"] = "*"
			refs := s.upload(t, schemas.Audio, "lake", "calls/") // what docs/backfill.md plans
			if filepath.Base(d.path) != "quickstart.md" {        // which publishes its own
				s.publish(t, "audio-references", refs[0])
			}
			for _, c := range d.commands {
				if why, key := reason(c); why != "" {
					used[key] = true
					continue
				}
				ran++
				if f, ok := instead[c]; ok {
					used[c] = true
					f(t, s, dir)
					continue
				}
				out, err := s.run(t, dir, c)
				if err != nil || !strings.Contains(out, says[c]) {
					t.Fatalf("%s: %v, want %q in\n%s", c, err, says[c], out)
				}
				used[c] = true
			}
		})
	}
	for c := range instead {
		if !used[c] {
			t.Errorf("no document has %s", c)
		}
	}
	for c := range notRun {
		if !used[c] {
			t.Errorf("no document has a command that begins with %s", c)
		}
	}
	for c := range says {
		if !used[c] {
			t.Errorf("no document has %s", c)
		}
	}
	if ran < 15 {
		t.Errorf("only %d commands ran", ran)
	}
}

func reason(command string) (why, key string) {
	for prefix, why := range notRun {
		if strings.HasPrefix(command, prefix) {
			return why, prefix
		}
	}
	return "", ""
}

// clone is a directory as a clone of the repository has it, after make build.
func (s *site) clone(t *testing.T, d document) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"internal": root + "/internal", "docs": root + "/docs", "deploy": root + "/deploy", "bin/worker": self, "bin/backfill": self} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.files) == 0 {
		d.files = read(t, "quickstart.md").files // documents that name vecmill.yaml without showing one
	}
	for name, text := range d.files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

// run runs a command as a shell would. A worker that serves is stopped when its first file of rows is there.
func (s *site) run(t *testing.T, dir, command string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euc", "exec "+command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "VECMILL_RUNTIME_CACHE_DIR="+s.cache)
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

// TestWhatProseNamesExists looks at the code spans of all documents: programs have the commands and flags that they name, make the targets.
func TestWhatProseNamesExists(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z][a-z-]*):`).FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	s := newSite(t)
	dir := s.clone(t, document{})
	helps, looked := map[string]string{}, 0
	for _, d := range documents(t) {
		for _, span := range append(d.prose, d.commands...) {
			words := strings.Fields(strings.TrimPrefix(span, "bin/"))
			if len(words) < 2 {
				continue
			}
			switch words[0] {
			case "make":
				for _, target := range words[1:] {
					if !strings.Contains(target, "=") && !targets[target] {
						t.Errorf("%s: %s: make has no target %s", d.path, span, target)
					}
					looked++
				}
			case "worker", "backfill":
				s.named(t, dir, d.path, words, helps)
				looked++
			}
		}
	}
	if looked < 60 {
		t.Errorf("only %d looked at", looked)
	}
}

// named holds a command and its flags against the program's help.
func (s *site) named(t *testing.T, dir, path string, words []string, helps map[string]string) {
	t.Helper()
	command := words[:2]
	if len(words) > 2 && (words[1] == "config" || words[1] == "dlq") && !strings.HasPrefix(words[2], "-") {
		command = words[:3]
	}
	key := strings.Join(command, " ")
	help, ok := helps[key]
	if !ok {
		var err error
		if help, err = s.run(t, dir, "bin/"+key+" --help"); err != nil && key != "worker config reference" && key != "worker version" {
			t.Errorf("%s: %s: %v\n%s", path, key, err, help)
		}
		helps[key] = help
	}
	for _, w := range words[len(command):] {
		if name, ok := strings.CutPrefix(strings.TrimLeft(w, "["), "--"); ok && name != "" && name != "help" {
			name, _, _ = strings.Cut(strings.TrimRight(name, "].,"), "=")
			if !regexp.MustCompile(`(?m)^  -` + name + `\b`).MatchString(help) {
				t.Errorf("%s: %s has no flag --%s", path, key, name)
			}
		}
	}
}
