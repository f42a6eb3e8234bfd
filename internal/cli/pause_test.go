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

// TestAPlanningPausesAsARunDoes sends SIGUSR1 while a listing waits for its answer, and while an estimate does. When that has come, nothing follows before SIGUSR2.
func TestAPlanningPausesAsARunDoes(t *testing.T) {
	l := newLake(t)
	for _, k := range []struct{ prefix, of, try string }{
		{"listing", "GET /box/.*list-type=", "0"},
		{"estimate", "GET /box/texts/", "50ms"},
	} {
		t.Run(k.prefix, func(t *testing.T) {
			reached, free := l.hold(1, k.of)
			defer free()
			l.paused(t, reached, free, k.prefix, "plan", "--source", "s3://box/texts/", "--out", "s3://out/"+k.prefix+"/plan", "--try", k.try, "--config", l.config(t, k.prefix))
		})
	}
}

// paused runs a planning that has reached a request, pauses it, lets the request go, and has it go on.
func (l *lake) paused(t *testing.T, reached <-chan struct{}, free func(), prefix string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAsBackfill$")
	c.Env = append(os.Environ(), asBackfill+"="+strings.Join(args, "\n"))
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
	send(syscall.SIGUSR1, "paused: what was begun is finished; kill -USR2 ")
	free()
	time.Sleep(2 * time.Second) // in which it would be planned
	if o, err := l.backend.HeadObject("out", prefix+"/plan/plan.json"); err == nil {
		t.Errorf("it has planned while it was paused: %d bytes", o.Size)
	}
	send(syscall.SIGUSR2, "goes on")
	for lines.Scan() { // to its end, which is the process's
	}
	if err := c.Wait(); err != nil || !strings.Contains(stdout.String(), fmt.Sprintf("%d of %d references", haltObjects, haltObjects)) {
		t.Errorf("it ended with %v\n%s", err, stdout.String())
	}
}
