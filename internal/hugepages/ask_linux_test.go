package hugepages

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
)

// TestMain is, in a process of its own, a program that asks.
func TestMain(m *testing.M) {
	if before := os.Getenv("VECMILL_TEST_ASKS"); before != "" {
		ask(fstest.MapFS{"sys/kernel/mm/transparent_hugepage/enabled": {Data: []byte("always [madvise] never\n")}})
		_, marked := os.LookupEnv(marker)
		fmt.Printf("was %s, is %d, %q, %q, marked %v\n", before, os.Getpid(), os.Args[1:], os.Getenv(variable), marked)
		return
	}
	os.Exit(m.Run())
}

func TestTheProcessBeginsAgainOnce(t *testing.T) {
	for own, want := range map[string]string{"": tunable + "=1", tunable + "=0": tunable + "=0"} {
		cmd := exec.Command("/bin/sh", "-c", `VECMILL_TEST_ASKS=$$ exec "$0" "$@"`, os.Args[0], "two words", "x")
		cmd.Env = append(os.Environ(), variable+"="+own)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		said := fmt.Sprintf("was %d, is %d, %q, %q, marked false\n", cmd.Process.Pid, cmd.Process.Pid, []string{"two words", "x"}, want)
		if string(out) != said {
			t.Errorf("with %q it said %s, want %s", own, strings.TrimSpace(string(out)), said)
		}
	}
}
