package docs

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// programs are those of which a span that begins with one is a command, though it has no flag. That of any other program is known by its flags.
var programs = []string{
	"make", "go", "git", "worker", "backfill",
	"apt", "apt-get", "aws", "bash", "brew", "cargo", "cat", "curl", "docker", "duckdb", "eval", "export", "gh", "goreleaser", "helm", "java", "kill", "kind", "kubectl", "mc", "mvn", "npm", "openssl", "pip", "pip3", "podman", "promtool", "psql",
	"redis-cli", "sh", "sha256sum", "sudo", "systemctl", "tar", "terraform", "uv", "wget",
	"kafka-topics.sh", "kafka-console-producer.sh", "kafka-console-consumer.sh", "kafka-consumer-groups.sh",
}

var (
	wordRE        = regexp.MustCompile(`^[a-z][\w./-]*$`)
	flagRE        = regexp.MustCompile(`^--?[A-Za-z]`)
	binRE         = regexp.MustCompile(`^(\.venv(-[a-z]+)?/)?bin/`)
	scriptRE      = regexp.MustCompile(`\.(py|sh|txt)$`)
	nameRE        = regexp.MustCompile(`^(bin/)?(worker|backfill)( [a-z]+){1,2}$`)
	placeholderRE = regexp.MustCompile(`\b[A-Z]+\b(\.\.\.)?`)
)

// isCommand says whether a span is something to give to a shell: a program, and what it is to do. A program's name alone is none, but for make, which does something then.
func isCommand(span string) bool {
	words := withoutSettings(shellWords(span))
	if len(words) == 0 {
		return false
	}
	program := binRE.ReplaceAllString(words[0], "")
	switch {
	case span == "make":
		return true
	case len(words) < 2:
		return false
	case slices.Contains(programs, program), scriptRE.MatchString(program), strings.Contains(program, "python"):
		return true
	}
	return wordRE.MatchString(program) && slices.ContainsFunc(words[1:], flagRE.MatchString)
}

// isName says whether a span names a command of ours, and gives it nothing to do. Two of them need nothing.
func isName(span string) bool {
	return nameRE.MatchString(span) && !strings.HasSuffix(span, " version") && !strings.HasSuffix(span, " config reference")
}

// What stands in the test for words in capitals, of which a reader has something of his own.
var (
	ofPredict = map[string]string{"DIR": "internal/demo/models/audio-ctc", "FILE...": recordingOfOurs}
	ofOthers  = map[string]string{"FILE": "vecmill.yaml", "MESSAGES": "refs.jsonl", "R": "fetch-missing"}
)

const recordingOfOurs = "internal/demo/samples/audio/speech-01.wav"

// whole is a command of prose as it is given to a shell, if it is one of our programs': with what is in the place of words in capitals, and with the configuration, or the model and a recording, that prose leaves out.
func whole(span string) string {
	words := shellWords(span)
	if !isCommand(span) || isName(span) || byTest(span) != "" {
		return ""
	}
	program := strings.TrimPrefix(words[0], "bin/")
	if program != "worker" && program != "backfill" {
		return ""
	}
	has := func(flag string) bool { return slices.Contains(words, flag) }
	of, left := ofOthers, " --config vecmill.yaml"
	switch {
	case words[1] == "predict":
		of, left = ofPredict, " --model DIR FILE..."
		if has("--model") {
			left = ""
		}
	case has("--config"), slices.Contains([]string{"simulate", "version"}, words[1]), strings.HasSuffix(span, " config reference"):
		left = ""
	}
	if has("--help") {
		left = ""
	}
	return placeholderRE.ReplaceAllStringFunc("bin/"+strings.TrimPrefix(span, "bin/")+left, func(word string) string {
		if stands, ok := of[word]; ok {
			return stands
		}
		return word
	})
}

// commandOf is the name of the command that a line gives to one of our programs, or "".
func commandOf(line string) string {
	words := shellWords(strings.TrimPrefix(line, "bin/"))
	if len(words) < 2 || words[0] != "worker" && words[0] != "backfill" {
		return ""
	}
	name := words[:2]
	if len(words) > 2 && (words[1] == "config" || words[1] == "dlq") && !strings.HasPrefix(words[2], "-") {
		name = words[:3]
	}
	return strings.Join(name, " ")
}

// namesRun wants each command that is named somewhere to be one of those that were run, or that a test elsewhere runs.
func namesRun(t *testing.T, ran map[string]bool) {
	t.Helper()
	for command := range byTests {
		ran[commandOf(command)] = true
	}
	for _, d := range append(documents(t), decisions(t)...) {
		for _, span := range d.prose {
			name := strings.TrimPrefix(span, "bin/")
			if isName(span) && !slices.ContainsFunc(keys(ran), func(command string) bool { return command == name || strings.HasPrefix(command, name+" ") }) {
				t.Errorf("%s: nothing here runs %s", d.path, span)
			}
		}
	}
}

// decisions are the documents of docs/adr.
func decisions(t *testing.T) (all []document) {
	t.Helper()
	paths, err := filepath.Glob("adr/*.md")
	if err != nil || len(paths) < 40 {
		t.Fatalf("%d decisions, %v", len(paths), err)
	}
	for _, path := range paths {
		all = append(all, read(t, path))
	}
	return all
}

func TestWhatIsACommand(t *testing.T) {
	for span, want := range map[string]bool{
		"make": true, "make demo": true, "TURNS=17 make bench-graphs": true, "bin/worker run --config FILE": true, "worker doctor": true, "backfill": false, "curl": false, "aws s3 ls": true,
		"terraform plan": true, "vault login -method=oidc": true, "tools/gpu-check.sh --provider cpu": true, "tools/gpu-check.sh": false, ".venv/bin/python sweep.py DIR": true, ".venv/bin/pip install -r requirements.txt": true,
		"batch.max_cost": false, "--include '*.flac'": false, "model.provider: cuda": false, "|got - want| <= atol + rtol * |want|": false, "If-None-Match: *": false,
	} {
		if isCommand(span) != want {
			t.Errorf("%s: a command is %v, want %v", span, !want, want)
		}
	}
	for span, want := range map[string]string{
		"worker doctor": "", "worker doctor --json": "bin/worker doctor --json --config vecmill.yaml", "backfill audit --config FILE": "bin/backfill audit --config vecmill.yaml",
		"bin/worker predict --model DIR FILE...": "bin/worker predict --model internal/demo/models/audio-ctc " + recordingOfOurs, "make demo": "",
		"worker predict --packing": "bin/worker predict --packing --model internal/demo/models/audio-ctc " + recordingOfOurs, "worker predict --help": "bin/worker predict --help",
		"bin/worker config reference": "bin/worker config reference", "worker simulate --seed 12": "bin/worker simulate --seed 12",
	} {
		if got := whole(span); got != want {
			t.Errorf("%s becomes %q, want %q", span, got, want)
		}
	}
}
