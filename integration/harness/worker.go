package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// WorkerBinary is the path of the worker program: what the environment variable VECMILL_WORKER names, otherwise
// cmd/worker of this module, built into the module's bin directory. Building again without a change takes a second.
func WorkerBinary(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv("VECMILL_WORKER"); path != "" {
		return path
	}
	return buildBinary(tb, "worker")
}

// BackfillBinary is like WorkerBinary for cmd/backfill; its environment variable is VECMILL_BACKFILL.
func BackfillBinary(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv("VECMILL_BACKFILL"); path != "" {
		return path
	}
	return buildBinary(tb, "backfill")
}

func buildBinary(tb testing.TB, name string) string {
	tb.Helper()
	root := ModuleRoot(tb)
	out := filepath.Join(root, "bin", "integration", name)
	cmd := exec.Command("go", "build", "-o", out, "./cmd/"+name)
	cmd.Dir = root
	if msg, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("building cmd/%s: %v\n%s", name, err, msg)
	}
	return out
}

// Worker says how to run the worker as a child process.
type Worker struct {
	Name string   // what messages call it, and its log file's name; two workers of one test need two names
	Args []string // the subcommand and its flags, such as run --config FILE
	Env  []string // key=value, added to the test's own environment
	Dir  string   // working directory and place of the log; empty for a directory that goes with the test
}

// StartWorker starts the worker and returns at once: use [Process.WaitForLog] or its probes to wait for more. Starting
// the same name in the same Dir again appends to its log.
func StartWorker(tb testing.TB, w Worker) *Process {
	tb.Helper()
	if w.Dir == "" {
		w.Dir = tb.TempDir()
	}
	return Start(tb, Command{
		Name: w.Name, Path: WorkerBinary(tb), Args: w.Args, Env: w.Env, Dir: w.Dir,
		Log: filepath.Join(w.Dir, w.Name+".log"),
	})
}
