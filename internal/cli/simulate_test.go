package cli

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// asWorker makes this test's binary the worker: simulate starts itself again, and is a program without a test of its own.
const asWorker = "VECMILL_TEST_AS_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) != "" {
		os.Exit(Worker("test", os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func TestSimulate(t *testing.T) {
	for _, c := range []struct {
		name, args string
		exit       int
		says       string
	}{
		{"one seed", "--seed 5", 0, "seed 5 keeps every invariant: "},
		{"one seed of kafka-go", "--seed 5 --source kafka", 0, "seed 5 keeps every invariant: "},
		{"many seeds, in processes of their own", "--seed 7 --seeds 3 --jobs 2", 0, "3 seeds from 7 on keep every invariant"},
		{"a scenario", "--scenario idle-topic-never-flushes", 0, "seed 0 keeps every invariant: "},
		{"the scenarios", "--scenario list", 0, "zombie-coordinator"},
		{"what happened", "--seed 5 --verbose", 0, "plan: "},
		{"an unknown scenario", "--scenario nonsense", exitUsage, `there is no scenario "nonsense"`},
		{"an unknown source", "--source nonsense", exitUsage, "neither scripted nor kafka"},
		{"no seeds", "--seeds 0", exitUsage, "at least 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"simulate"}, strings.Fields(c.args)...)...)
			cmd.Env = append(os.Environ(), asWorker+"=1")
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != c.exit || !strings.Contains(string(out), c.says) {
				t.Errorf("%v; want exit code %d and %q; it says\n%.2000s", err, c.exit, c.says, out)
			}
		})
	}
}
