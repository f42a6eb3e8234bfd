package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// deaf is set in the child of TestASecondSignalEndsAProcessThatDoesNotStop.
const deaf = "VECMILL_TEST_DEAF"

// TestDeaf is that child: a command that is told to stop, says so, and goes on. It says so again when another signal would end it.
func TestDeaf(t *testing.T) {
	if os.Getenv(deaf) == "" {
		return // only its parent wants it
	}
	run("test", "", "", []command{{"deaf", "", "", func(ctx context.Context, e *env, _ []string) error {
		_, _ = io.WriteString(e.stdout, "up\n")
		<-ctx.Done()
		_, _ = io.WriteString(e.stdout, "told\n")
		time.Sleep(doubled + 100*time.Millisecond) // the signals' default comes back at about that time
		_, _ = io.WriteString(e.stdout, "here\n")
		time.Sleep(time.Minute)
		return nil
	}}}, []string{"deaf"}, os.Stdout, os.Stderr)
}

// TestASecondSignalEndsAProcessThatDoesNotStop sends one, one behind it that means the same, and, later, the one that ends it.
func TestASecondSignalEndsAProcessThatDoesNotStop(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestDeaf$")
	child.Env = append(os.Environ(), deaf+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"up\n", "told\n", "here\n"} {
		said := make([]byte, len(word))
		if _, err := io.ReadFull(out, said); err != nil || !strings.HasPrefix(word, string(said)) {
			t.Fatalf("the child said %q, want %q: %v", said, word, err)
		}
		if err := child.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Fatalf("the child ended with %v, want SIGTERM", err)
	}
}
