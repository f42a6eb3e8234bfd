package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestKillEndsTheWholeGroup(t *testing.T) {
	p := shell(t, "sleep 600 & echo child=$!; wait")
	p.WaitForLog(t, "child=", 10*time.Second)
	_, child, _ := strings.Cut(strings.TrimSpace(p.Log()), "child=")
	p.Kill(t)
	if state := p.Wait(t, time.Second); state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("state = %v, want killed by SIGKILL", state)
	}
	deadline := time.Now().Add(10 * time.Second)
	for alive(child) {
		if time.Now().After(deadline) {
			t.Fatalf("grandchild %s outlived its group", child)
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.Kill(t) // killing what has ended does nothing
}

// alive says whether pid runs: a zombie that nobody has reaped yet does not.
func alive(pid string) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return false
	}
	// The state follows the command in parentheses, which may hold anything.
	_, fields, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	return !strings.HasPrefix(fields, "Z") && !strings.HasPrefix(fields, "X")
}

func TestChildrenDieWithTheTestBinary(t *testing.T) {
	if os.Getenv("HARNESS_ORPHAN") != "" {
		p := shell(t, "echo pid=$$; sleep 600")
		p.WaitForLog(t, "pid=", 10*time.Second)
		_ = os.WriteFile(os.Getenv("HARNESS_ORPHAN"), []byte(strings.TrimPrefix(strings.TrimSpace(p.Log()), "pid=")), 0o644)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // no clean-up runs
	}
	note := filepath.Join(t.TempDir(), "pid")
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildrenDieWithTheTestBinary$")
	cmd.Env = append(os.Environ(), "HARNESS_ORPHAN="+note)
	if err := cmd.Run(); err == nil {
		t.Fatal("the inner test binary ended well, want it killed")
	}
	pid, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for alive(string(pid)) {
		if time.Now().After(deadline) {
			t.Fatalf("child %s outlived the killed test binary", pid)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
