package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCommandsNameTheProgramAsAShellFindsIt: a command that is shown is copied into a shell of another directory, perhaps.
func TestCommandsNameTheProgramAsAShellFindsIt(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for started, want := range map[string]string{
		"worker": "worker", "bin/worker": filepath.Join(here, "bin/worker"), "/opt/my programs/worker": "'/opt/my programs/worker'",
	} {
		if got := shownProgram(started); got != want {
			t.Errorf("%s is shown as %s, want %s", started, got, want)
		}
	}
	for me, want := range map[string]string{"backfill": "worker", "bin/backfill": "bin/worker", "/opt/backfill": "/opt/worker"} {
		startedAs(t, me)
		if got := besideMe("worker"); got != want {
			t.Errorf("beside %s the worker is %s, want %s", me, got, want)
		}
	}
}

// startedAs has the program be started by another name for the rest of a test, which is not parallel.
func startedAs(t *testing.T, name string) {
	t.Helper()
	before := os.Args[0]
	os.Args[0] = name
	t.Cleanup(func() { os.Args[0] = before })
}
