package bench

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vecmill/integration/harness"
)

// burn in the environment makes TestBurner take burnt of CPU time, in the way that is named.
const burn = "VECMILL_BENCH_BURN"

const burnt = 500 * time.Millisecond

// TestBurner is the program of the tests below, and proves nothing.
func TestBurner(t *testing.T) {
	if how := os.Getenv(burn); how != "" {
		if err := burnIn(how); err != nil {
			t.Fatal(err)
		}
	}
}

// burner is this binary as a command.
func burner(t *testing.T, how string) harness.Command {
	return harness.Command{Name: how, Path: os.Args[0], Args: []string{onlyBurner}, Env: []string{burn + "=" + how}, Log: filepath.Join(t.TempDir(), "log")}
}

const onlyBurner = "-test.run=TestBurner"

// burnIn takes it itself, or in a child that is waited for, that is left behind in a session of its own, or that ends under a parent that ignores it.
func burnIn(how string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(exe, onlyBurner)
	child.Env = append(os.Environ(), burn+"=alone")
	child.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	switch how {
	case "alone":
		for began := processTime(); processTime()-began < burnt; {
		}
		time.Sleep(3 * countEvery * lookEvery) // for a last look
		return nil
	case "waited":
		return child.Run()
	case "left":
		return child.Start()
	case "unwaited": // sleep does not know of its child, nor would it wait
		return unix.Exec("/bin/sh", []string{"sh", "-c", `trap "" CHLD; ` + burn + `=alone "$0" ` + onlyBurner + ` & exec sleep 3`, exe}, os.Environ())
	case "stays":
		child.Path, child.Args = "/bin/sleep", []string{"sleep", "60"}
		return child.Start()
	}
	return errors.New("there is no such way: " + how)
}

func processTime() time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func TestTheTimeOfAllDescendantsIsCountedOnce(t *testing.T) {
	for _, how := range []string{"alone", "waited", "left", "unwaited"} {
		t.Run(how, func(t *testing.T) {
			w := watch(t, burner(t, how))
			u := w.usage(t)
			if u.cpu < burnt*8/10 || u.cpu > burnt*17/10 { // starting takes some
				t.Errorf("%v were counted of %v\n%s", u.cpu, burnt, w.Log())
			}
			if u.peak < 1<<20 {
				t.Errorf("%d bytes were resident at most", u.peak)
			}
		})
	}
}

func TestADescendantThatStaysIsKilledAndNamed(t *testing.T) {
	w := watchFor(t, burner(t, "stays"), 100*time.Millisecond)
	<-w.ended
	if !slices.Equal(w.left, []string{"sleep"}) {
		t.Errorf("these were left: %v, want sleep", w.left)
	}
	for _, s := range processes() {
		if s.parent == os.Getpid() && !w.others[s.pid] {
			t.Errorf("%s is there still", s.name)
		}
	}
}
