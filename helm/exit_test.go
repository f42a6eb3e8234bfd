package helm

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"

	"vecmill/internal/cli"
)

func TestMain(m *testing.M) {
	if os.Getenv("VECMILL_CRASH") != "" {
		panic("as a bug would")
	}
	os.Exit(m.Run())
}

// givenUp are the exit codes of its container by which a Job of a rendering fails without another try.
func givenUp(t *testing.T, path string) (codes []int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var j struct {
			Spec struct {
				PodFailurePolicy struct {
					Rules []struct {
						Action      string
						OnExitCodes struct {
							Operator string
							Values   []int
						} `yaml:"onExitCodes"`
					}
				} `yaml:"podFailurePolicy"`
			}
		}
		if err := d.Decode(&j); errors.Is(err, io.EOF) {
			return codes
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, r := range j.Spec.PodFailurePolicy.Rules {
			if r.Action == "FailJob" && r.OnExitCodes.Operator == "In" {
				codes = append(codes, r.OnExitCodes.Values...)
			}
		}
	}
}

// A usage error says the same the second time. What crashes is tried again: Go's own code for that, with which a crash in a library ends, too, is asked of this binary.
func TestABackfillIsTriedAgainUnlessItIsAskedForWrongly(t *testing.T) {
	codes := givenUp(t, "testdata/backfill.yaml")
	if usage := cli.Backfill("v1", []string{"run", "--nonsense"}, io.Discard, io.Discard); !slices.Equal(codes, []int{usage}) {
		t.Errorf("a job fails for good on %v, and a usage error ends with %d", codes, usage)
	}
	crash := exec.CommandContext(t.Context(), os.Args[0])
	crash.Env = append(os.Environ(), "VECMILL_CRASH=1")
	if err := crash.Run(); err == nil || slices.Contains(codes, crash.ProcessState.ExitCode()) {
		t.Errorf("a crash (%v) ends the job for good", err)
	}
}
