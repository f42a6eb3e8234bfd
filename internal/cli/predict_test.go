package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/internal/demo"
)

func TestPredictSaysInOneSentenceWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(dir); err != nil {
		t.Fatal(err)
	}
	m := filepath.Join(dir, "text-intent")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no model", []string{"--text", "a"}, "--model DIR is missing"},
		{"nothing to predict", []string{"--model", m}, "nothing to predict"},
		{"a directory that is none", []string{"--model", "/nowhere", "--text", "a"}, "no such file"},
		{"half of the tensors", []string{"--model", m, "--tensors-in", "x"}, "--tensors-out"},
		{"tensors that are not there", []string{"--model", m, "--tensors-in", "/nowhere.in", "--tensors-out", "/nowhere.out"}, "no such file"},
		{"tensors and inputs", []string{"--model", m, "--tensors-in", "x", "--tensors-out", "y", "--text", "a"}, "takes the place"},
		{"preprocessing for nothing", []string{"--model", m, "--preprocess-only", "--text", "a"}, "--preprocess-only needs"},
		{"an unknown way of padding", []string{"--model", m, "--compat", "tf", "--text", "a"}, "hf-padding and hf-positions"},
		{"half an option", []string{"--model", m, "--option", "top_k", "--text", "a"}, "NAME=JSON"},
		{"an unknown option", []string{"--model", m, "--option", "k=1", "--text", "a"}, "top_k"},
		{"an unknown flag", []string{"--modell", m}, "modell"},
		{"positions of tensors", []string{"--model", m, "--compat", "hf-positions", "--tensors-in", "x", "--tensors-out", "y"}, "text-generation"},
		{"positions of another task", []string{"--model", m, "--compat", "hf-positions", "--text", "a"}, "hf_positions"},
		{"lines and a file that are both stdin", []string{"--model", m, "--jsonl", "-"}, "stdin is either"},
		{"outputs without a file", []string{"--model", m, "--outputs", "hidden_states", "--text", "a"}, "--outputs needs --tensors-out"},
		{"too many threads", []string{"--model", m, "--threads", "100000", "--text", "a"}, "not between 0"},
		{"tensors into a directory", []string{"--model", m, "--preprocess-only", "--tensors-out", dir, "--text", "a"}, "is a directory"},
		{"an unknown provider", []string{"--model", m, "--provider", "rocm", "--text", "a"}, `"rocm" is not cpu, cuda or tensorrt`},
		{"a GPU of the CPU's", []string{"--model", m, "--device", "1", "--text", "a"}, "goes with --provider cuda"},
		{"int8 on a GPU", []string{"--model", m, "--provider", "cuda", "--compare-precision", "--text", "a"}, "give --precision fp16"},
		{"an unknown task", []string{"--model", m, "--task", "ocr", "--text", "a"}, `no task "ocr"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := call(worker, append([]string{"predict"}, c.args...)...)
			said := stderr[strings.LastIndex(strings.TrimSpace(stderr), "\n")+1:] // behind what package flag prints
			if code != 2 || stdout != "" || !strings.Contains(said, c.want) {
				t.Errorf("exit %d, %q: %s\nwant 2 and %q in the last line", code, stdout, stderr, c.want)
			}
		})
	}
}

func TestPredictPrintsAnObjectForEachInput(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(dir); err != nil {
		t.Fatal(err)
	}
	args := []string{"predict", "--model", filepath.Join(dir, "text-intent"), "--cache", dir, "--threads", "1", "--text", "Will it rain in Paris?", "--text", "Play some jazz"}
	code, stdout, stderr := call(worker, args...)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != 0 || len(lines) != 2 || !strings.HasPrefix(lines[1], `{"input":"Play some jazz","task":"text-classification","result":[{"label":`) {
		t.Fatalf("exit %d: %s\n%s", code, stderr, stdout)
	}
}

// A GPU that no machine has: nothing stands in for it.
func TestPredictComputesOnTheGPUThatIsAskedFor(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(dir); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := call(worker, "predict", "--model", filepath.Join(dir, "text-intent"), "--cache", dir, "--provider", "cuda", "--device", "1000", "--text", "a")
	if code != 1 || stdout != "" || stderr == "" {
		t.Errorf("exit %d, %q: %s", code, stdout, stderr)
	}
}

func TestAnInterruptionIsSaidInAWord(t *testing.T) {
	usage := usageError{}
	if err := plain(fmt.Errorf("line 7: %w", context.Canceled)); err == nil || errors.As(err, &usage) || !strings.HasPrefix(err.Error(), "interrupted") {
		t.Errorf("got %v", err)
	}
}

func TestPredictHelpHasExamplesAndTasks(t *testing.T) {
	code, stdout, stderr := call(worker, "predict", "--help")
	for _, want := range []string{"Examples:", "speaker-verification", "-keep-going", "Exit codes"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in %s", want, stdout)
		}
	}
	if code != 0 || stderr != "" {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestPredictGoesOnIfAskedTo(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(dir); err != nil {
		t.Fatal(err)
	}
	args := []string{"predict", "--model", filepath.Join(dir, "text-intent"), "--cache", dir, "--threads", "1", "--text", "Play some jazz", filepath.Join(dir, "none.txt")}
	code, stdout, stderr := call(worker, append(args, "--keep-going")...)
	if lines := strings.Split(strings.TrimSpace(stdout), "\n"); code != 2 || len(lines) != 2 || !strings.Contains(lines[1], `"error":"stat `) || !strings.Contains(stderr, "1 of 2 inputs failed") {
		t.Errorf("exit %d: %s\n%s", code, stderr, stdout)
	}
	code, stdout, stderr = call(worker, args...)
	if lines := strings.Split(strings.TrimSpace(stdout), "\n"); code != 2 || len(lines) != 1 || strings.Count(strings.TrimSpace(stderr), "\n") != 0 || !strings.Contains(stderr, "none.txt") {
		t.Errorf("exit %d: %s\n%s", code, stderr, stdout)
	}
}
