package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Command says which child process to start.
type Command struct {
	Name string   // what messages call it
	Path string   // the program
	Args []string // without the program
	Env  []string // key=value, added to the test's own environment
	Dir  string   // working directory, empty for the test's
	Log  string   // file to which stdout and stderr are appended
}

// Process is a running or finished child. Its methods are safe for concurrent use.
type Process struct {
	name   string
	log    string
	begin  int64 // length of the log when this process started
	pid    int
	exited chan struct{} // closed once the child is reaped
	state  *os.ProcessState
}

// Start starts a child in a process group of its own. It is killed when the test ends, and the end of its log is printed
// then if the test failed.
func Start(tb testing.TB, c Command) *Process {
	tb.Helper()
	return startFor(tb, tb, c)
}

// startFor starts a child that lives as long as owner, on behalf of tb, which may be a subtest of it.
func startFor(owner, tb testing.TB, c Command) *Process {
	tb.Helper()
	p, err := start(c)
	if err != nil {
		tb.Fatalf("starting %s: %v", c.Name, err)
	}
	owner.Cleanup(func() {
		_ = p.signal(syscall.SIGKILL) // the wait below would show it
		<-p.exited
		if owner.Failed() {
			owner.Logf("end of the log of %s:\n%s", p.name, p.LogTail(40))
		}
	})
	return p
}

func start(c Command) (*Process, error) {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own copy
	info, err := log.Stat()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Dir = c.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup()
	p := &Process{name: c.Name, log: c.Log, begin: info.Size(), exited: make(chan struct{})}
	started := make(chan error, 1) // one answer
	go p.supervise(cmd, started)
	return p, <-started
}

// supervise starts the child and reaps it. Linux sends the parent-death signal when the thread that forked ends, not
// when the process does, so the thread stays with this goroutine for as long as the child lives.
func (p *Process) supervise(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	p.pid = cmd.Process.Pid
	started <- nil
	_ = cmd.Wait() // how it ended is in the state
	p.state = cmd.ProcessState
	close(p.exited)
}

// PID is the child's process id, which is its process group too.
func (p *Process) PID() int { return p.pid }

// Exited is closed once the child has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Kill sends SIGKILL to the whole group and returns once the child is gone. Killing what has ended does nothing.
func (p *Process) Kill(tb testing.TB) {
	tb.Helper()
	p.mustSignal(tb, syscall.SIGKILL)
	<-p.exited
}

// Pause stops the child with SIGSTOP: its connections stay open and it answers nothing.
func (p *Process) Pause(tb testing.TB) {
	tb.Helper()
	p.mustSignal(tb, syscall.SIGSTOP)
}

// Resume lets a paused child go on with SIGCONT.
func (p *Process) Resume(tb testing.TB) {
	tb.Helper()
	p.mustSignal(tb, syscall.SIGCONT)
}

// Terminate sends SIGTERM and waits for the end as [Process.Wait] does.
func (p *Process) Terminate(tb testing.TB, timeout time.Duration) *os.ProcessState {
	tb.Helper()
	p.mustSignal(tb, syscall.SIGTERM)
	return p.Wait(tb, timeout)
}

// Wait returns how the child ended; the test fails if it has not ended within timeout.
func (p *Process) Wait(tb testing.TB, timeout time.Duration) *os.ProcessState {
	tb.Helper()
	select {
	case <-p.exited:
		return p.state
	case <-time.After(timeout):
		tb.Fatalf("%s (process %d) is still running after %v; end of its log:\n%s", p.name, p.pid, timeout, p.LogTail(40))
		return nil
	}
}

// Log is what this child has written to stdout and stderr so far, without what an earlier child left in the same file.
func (p *Process) Log() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return string(b[min(p.begin, int64(len(b))):])
}

// LogTail is the last n lines of Log.
func (p *Process) LogTail(n int) string { return tail(p.Log(), n) }

// WaitForLog returns once the child's log contains text; the test fails if the child ends first or timeout passes.
func (p *Process) WaitForLog(tb testing.TB, text string, timeout time.Duration) {
	tb.Helper()
	deadline := time.Now().Add(timeout)
	for {
		ended := isClosed(p.exited) // before the look, so that a last line is not missed
		if strings.Contains(p.Log(), text) {
			return
		}
		if ended {
			tb.Fatalf("%s ended (%v) before it logged %q; end of its log:\n%s", p.name, p.state, text, p.LogTail(40))
		}
		if time.Now().After(deadline) {
			tb.Fatalf("%s did not log %q within %v; end of its log:\n%s", p.name, text, timeout, p.LogTail(40))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (p *Process) mustSignal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := p.signal(sig); err != nil {
		tb.Fatalf("sending %v to %s (process group %d): %v", sig, p.name, p.pid, err)
	}
}

// signal reaches every process of the child's group; a child that has ended is not an error.
func (p *Process) signal(sig syscall.Signal) error {
	if isClosed(p.exited) {
		return nil
	}
	if err := syscall.Kill(-p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
