package docs

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// standIn writes a program of the shell.
func standIn(t *testing.T, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// shell runs a command, with programs of dir's first on PATH, and tells its exit code and what it printed.
func shell(t *testing.T, at, bin, command string, env ...string) (code int, said string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", "-uc", command)
	c.Dir = at
	c.Env = slices.Concat(os.Environ(), env, []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")})
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

// commandsLike are all commands of the documents that a pattern finds, each with the directory where a reader is.
func commandsLike(t *testing.T, pattern string) (all [][2]string) {
	t.Helper()
	like := regexp.MustCompile(pattern)
	for _, d := range slices.Concat(documents(t), decisions(t)) {
		at := ".."
		if strings.HasPrefix(d.path, "../tools/") {
			at = filepath.Dir(d.path)
		}
		for _, line := range lines(d) {
			for command := range strings.SplitSeq(line, " && ") {
				if c := [2]string{at, command}; like.MatchString(command) && isCommand(command) && !slices.Contains(all, c) {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// TestTheDataSetsSumsAreThoseOfTheirFiles runs what tools/demo-models/README.md checks data sets with on files of a few bytes: one sum of all files, in the order of their names' bytes.
func TestTheDataSetsSumsAreThoseOfTheirFiles(t *testing.T) {
	files := [][2]string{ // in their order
		{"0_Zoe_1.wav", "zoe"},
		{"0_ada_0.wav", "ada 0"},
		{"0_ada_10.wav", "ada 10"},
		{"notes.txt", ""},
		{"AddToPlaylist/train_AddToPlaylist_full.json", "train a"},
		{"BookRestaurant/train_BookRestaurant_full.json", "train b"},
		{"BookRestaurant/train_BookRestaurant.json", ""},
		{"AddToPlaylist/validate_AddToPlaylist.json", "validate a"},
	}
	dir := t.TempDir()
	sums := map[string]string{}
	for _, kind := range []string{".wav", ".json"} {
		sum := sha256.New()
		for _, f := range files {
			if filepath.Ext(f[0]) == kind {
				fmt.Fprint(sum, f[1])
			}
		}
		sums[kind] = fmt.Sprintf("%x", sum.Sum(nil))
	}
	for _, f := range files {
		if f[1] == "" {
			f[1] = "this does not count"
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(f[0])), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, f[0]), f[1])
	}
	bin := t.TempDir()
	standIn(t, bin, "ls", `for name; do echo "$name"; done | tac`) // in another order, as in other languages
	commands := commandsLike(t, `^cat .*sha256sum$`)
	for _, c := range commands {
		want := sums[".json"]
		if strings.Contains(c[1], ".wav") {
			want = sums[".wav"]
		}
		command := strings.ReplaceAll(c[1], `\|`, "|") // as a table has it
		if code, said := shell(t, dir, bin, command); code != 0 || !strings.HasPrefix(said, want+" ") {
			t.Errorf("%s: %d, %s, want %s", command, code, said, want)
		}
	}
	if len(commands) != 2 {
		t.Errorf("the documents have %q", commands)
	}
}

// TestTrainingGoesThroughItsScripts runs train.sh as documents call it, and the target of make, with stand-ins for Python and the program that speaks: every script is called once, with flags that it has, and what it reads is there.
// That the scripts train is TestToolsInPythonRun's.
func TestTrainingGoesThroughItsScripts(t *testing.T) {
	bin, recordings, sentences, cache := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	standIn(t, bin, "espeak-ng", "exit 1") // it has to be there
	calls := filepath.Join(bin, "calls")
	python := standIn(t, bin, "python", `echo "$PWD|$*" >>"`+calls+`"`)
	own := t.TempDir()
	commands := commandsLike(t, `^(tools/demo-models/)?train\.sh |^make demo-models `)
	for _, c := range commands {
		command := strings.NewReplacer("RECORDINGS=...", "RECORDINGS="+recordings, "SENTENCES=...", "SENTENCES="+sentences, "[WORK]", own, "RECORDINGS ", recordings+" ", "SENTENCES", sentences).Replace(c[1])
		work := filepath.Join(cache, "vecmill", "demo-models")
		switch {
		case strings.HasPrefix(c[1], "make "): // from the root, wherever it is said
			c[0] = ".."
		case strings.Contains(c[1], "[WORK]"):
			work = own
		}
		if strings.HasPrefix(command, "train.sh") {
			command = "./" + command
		}
		if err := os.RemoveAll(calls); err != nil {
			t.Fatal(err)
		}
		code, said := shell(t, c[0], bin, command, "PYTHON="+python, "XDG_CACHE_HOME="+cache)
		b, err := os.ReadFile(calls)
		if code != 0 || err != nil {
			t.Errorf("%s: %d, %v\n%s", command, code, err, said)
			continue
		}
		var called []string
		for line := range strings.Lines(string(b)) {
			at, args, _ := strings.Cut(strings.TrimSpace(line), "|")
			words := strings.Fields(args)
			for fault := range scriptFaults(t, at, words) {
				t.Errorf("%s: %s: %s", command, args, fault)
			}
			for _, flag := range []string{"--recordings", "--sentences", "--work"} {
				want := map[string]string{"--recordings": recordings, "--sentences": sentences, "--work": work}[flag]
				if i := slices.Index(words, flag); i >= 0 && words[i+1] != want {
					t.Errorf("%s: %s: %s is not %s", command, args, flag, want)
				}
			}
			called = append(called, words[0])
		}
		if want := []string{"-m", "train_audio.py", "train_vision.py", "train_text.py", "draw_samples.py", "check_samples.py"}; !slices.Equal(called, want) {
			t.Errorf("%s calls %q, want %q", command, called, want)
		}
	}
	if len(commands) < 3 {
		t.Errorf("the documents have %q", commands)
	}
	if code, said := shell(t, "../tools/demo-models", bin, "./train.sh", "RECORDINGS=", "SENTENCES="); code != 2 || !strings.Contains(said, "train.sh RECORDINGS SENTENCES [WORK]") {
		t.Errorf("without data sets: %d, %s", code, said)
	}
}

// TestTheCheckOfGPUsTakesWhatIsDocumented runs tools/gpu-check.sh with each of its providers where there is no GPU, which it says, with the exit code of its head; and as a dry run with a stand-in for go, which has the report
// where it was asked for. What a report says is a test of integration/bench; a GPU is not here.
func TestTheCheckOfGPUsTakesWhatIsDocumented(t *testing.T) {
	commands := commandsLike(t, `^tools/gpu-check\.sh `)
	if len(commands) != 1 {
		t.Fatalf("the documents have %q", commands)
	}
	providers := regexp.MustCompile(`\[--provider ([a-z|]+)\]`).FindStringSubmatch(commands[0][1])
	if providers == nil || !strings.HasSuffix(commands[0][1], " [--report FILE]") {
		t.Fatal(commands[0][1])
	}
	bin, report := t.TempDir(), filepath.Join(t.TempDir(), "report.md")
	standIn(t, bin, "nvidia-smi", "exit 9")
	goes := standIn(t, bin, "checks", `echo "$VECMILL_DEVICE" >"$VECMILL_DEVICE_REPORT"`)
	for provider := range strings.SplitSeq(providers[1], "|") {
		command := "tools/gpu-check.sh --provider " + provider + " --report " + report
		want, says := 3, "there is no GPU on this machine"
		if provider == "cpu" {
			want, says = 0, "the report is "+report
		}
		if code, said := shell(t, "..", bin, command, "GO="+goes); code != want || !strings.Contains(said, says) {
			t.Errorf("%s: %d, want %d: %s", command, code, want, said)
		}
		if b, err := os.ReadFile(report); (err == nil) != (want == 0) || err == nil && strings.TrimSpace(string(b)) != provider {
			t.Errorf("%s: the report is %q, %v", command, b, err)
		}
		if err := os.RemoveAll(report); err != nil {
			t.Fatal(err)
		}
	}
	if code, said := shell(t, "..", bin, "make gpu-check", "GO="+goes); code != 2 || !strings.Contains(said, "there is no GPU on this machine") || !strings.Contains(said, "Error 3") {
		t.Errorf("make gpu-check: %d, %s", code, said)
	}
}
