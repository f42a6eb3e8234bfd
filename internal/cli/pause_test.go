package cli

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAPlanningPausesAsARunDoes sends SIGUSR1 while a listing waits for its answer. When that has come, nothing is planned of it before SIGUSR2.
func TestAPlanningPausesAsARunDoes(t *testing.T) {
	l := newLake(t)
	reached, free := l.hold(1, "GET /box/.*list-type=")
	defer free()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAsBackfill$")
	c.Env = append(os.Environ(), asBackfill+"="+strings.Join([]string{"plan", "--source", "s3://box/texts/", "--out", "s3://out/paused/plan", "--try", "0", "--config", l.config(t, "paused")}, "\n"))
	var stdout bytes.Buffer
	c.Stdout = &stdout
	stderr, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	send := func(s syscall.Signal, answer string) {
		t.Helper()
		if err := c.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			if strings.Contains(lines.Text(), answer) {
				return
			}
		}
		t.Fatalf("it does not say %q: %v", answer, c.Wait())
	}
	select {
	case <-reached:
	case <-ctx.Done():
		t.Fatal("it lists nothing")
	}
	send(syscall.SIGUSR1, "paused")
	free()
	time.Sleep(500 * time.Millisecond) // in which it would be planned
	if o, err := l.backend.HeadObject("out", "paused/plan/plan.json"); err == nil {
		t.Errorf("it has planned while it was paused: %d bytes", o.Size)
	}
	send(syscall.SIGUSR2, "goes on")
	for lines.Scan() { // to its end, which is the process's
	}
	if err := c.Wait(); err != nil || !strings.Contains(stdout.String(), fmt.Sprintf("%d of %d references", haltObjects, haltObjects)) {
		t.Errorf("it ended with %v\n%s", err, stdout.String())
	}
}
