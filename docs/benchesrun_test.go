//go:build integration

package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBenchmarksRun runs each benchmark that a document or a target names once, with -short: that it is there, and does what it does to its end. It proves nothing of what they measure. Those that need servers are TestBenchmarksOnServersRun's.
func TestBenchmarksRun(t *testing.T) { runBenches(t, false) }

// TestBenchmarksOnServersRun does the same with real servers, and with decoders of Python.
func TestBenchmarksOnServersRun(t *testing.T) { runBenches(t, true) }

func runBenches(t *testing.T, served bool) {
	for _, r := range allBenches(t) {
		if r.served() != served {
			continue
		}
		t.Run(strings.Join(r.packages, " "), func(t *testing.T) {
			dir := t.TempDir()
			command := r.command(dir)
			c := exec.CommandContext(t.Context(), "bash", "-euc", "exec "+command)
			c.Dir = root(t)
			said, err := c.CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v", command, err)
			}
			t.Logf("%s\n%s", command, said)
			got := readBenched(string(said))
			for _, a := range r.asked {
				none, skipped := got.missing(r.packages, a.pattern)
				if len(none) > 0 {
					t.Errorf("%s: %v has no result for %s", a.command, none, a.pattern)
				}
				if len(skipped) > 0 {
					t.Logf("NOT RUN, for the reason above: %s, in %v", a.command, skipped)
				}
			}
			for flag, file := range r.profiles {
				if s, err := os.Stat(filepath.Join(dir, file)); err != nil || s.Size() == 0 {
					t.Errorf("-%s wrote nothing: %v", flag, err)
				}
			}
		})
	}
}
