package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"vecmill/internal/demo"
)

// terminal is the far end of a pseudo-terminal: what a person sees of it.
type terminal struct{ *os.File }

// openTerminal gives both ends.
func openTerminal(t *testing.T) (terminal, *os.File) {
	t.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	if err := unix.IoctlSetPointerInt(int(far.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(far.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	near, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return terminal{far}, near
}

func (m terminal) resize(t *testing.T, columns, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(m.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
}

// rewrite is how a block is taken away: up to its first line, and all behind that.
var rewrite = regexp.MustCompile(`\x1b\[\d+A\r\x1b\[J`)

// texts writes a list of sentences with two lines that are none, and the configuration of a pipeline for them.
func texts(t *testing.T, n int) (conf, list string) {
	t.Helper()
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	var refs strings.Builder
	refs.WriteString("not a reference\nnor is this\n")
	for i := range n {
		fmt.Fprintf(&refs, `{"v":1,"id":"s%d","inline_text":"Will it rain in city %d tomorrow?"}`+"\n", i, i)
	}
	conf, list = filepath.Join(dir, "vecmill.yaml"), filepath.Join(dir, "refs.jsonl")
	write(t, list, refs.String())
	write(t, conf, intents(dir, `
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s"}}]
  dead_letters: {url: "%s"}
`, fileURL(dir, "out"), fileURL(dir, "dead")))
	return conf, list
}

// onTerminal runs the program with its log and its progress on a terminal, until done says so of what was written last, and gives all that was.
func onTerminal(t *testing.T, term string, columns uint16, args []string, done func(m terminal, all string) bool) string {
	t.Helper()
	m, near := openTerminal(t)
	m.resize(t, columns, 24)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAsBackfill$")
	c.Env = append(os.Environ(), asBackfill+"="+strings.Join(args, "\n"), "TERM="+term)
	c.Stderr = near
	err := c.Start()
	_ = near.Close() // the child has its own
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	told, buf := false, make([]byte, 1<<16)
	for {
		n, err := m.Read(buf)
		all.Write(buf[:n])
		if err != nil { // EIO: nobody writes any more
			break
		}
		if !told && done(m, all.String()) {
			told = true
			if err := c.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if exit, ok := errors.AsType[*exec.ExitError](c.Wait()); !ok || exit.ExitCode() != 1 || !told {
		t.Fatalf("ended with %v\n%q", c.ProcessState, all.String())
	}
	return all.String()
}

// TestThePersonAtATerminalSeesEverythingAtAnyWidth makes the terminal narrower while a run is at work: rate, time left, stages with their rates, the slowest, padding and errors by class are there at each width, and nothing
// has a colour, whatever the terminal could.
func TestThePersonAtATerminalSeesEverythingAtAnyWidth(t *testing.T) {
	whole := regexp.MustCompile(`^intents: \d+ of 1000002 \(\d+\.\d %\), \d+ durable, \d+\.\d/s, \S+ left fetch \d+ % \(\S+ .?B/s\),.* infer \d+ % \(\S+ steps/s, slowest\),.* padding ratio \d\.\d\d dead letters: schema 2$`)
	conf, list := texts(t, 1_000_000) // more than any machine computes meanwhile
	widths := []int{200, 80, 40}
	at := 0
	all := onTerminal(t, "xterm-256color", uint16(widths[0]), []string{"run", "--config", conf, "--manifest", list}, func(m terminal, all string) bool {
		if at == len(widths) {
			return false
		}
		blocks := rewrite.Split(all, -1)
		for _, b := range blocks[max(0, len(blocks)-3) : len(blocks)-1] { // what was taken away again
			narrow := true
			for line := range strings.SplitSeq(b, "\r\n") {
				narrow = narrow && utf8.RuneCountInString(line) < widths[at]
			}
			if narrow && whole.MatchString(strings.Join(strings.Fields(b), " ")) {
				if at++; at < len(widths) {
					m.resize(t, uint16(widths[at]), 24)
				}
				break
			}
		}
		return at == len(widths)
	})
	if rest := rewrite.ReplaceAllString(all, ""); strings.Contains(rest, "\x1b") {
		t.Errorf("there are other sequences than those that rewrite the block: %q", rest)
	}
	blocks := rewrite.Split(all, -1)
	if last := blocks[len(blocks)-1]; !strings.Contains(last, "backfill run: interrupted; what is durable is kept") || strings.Contains(last, "padding") {
		t.Errorf("the block is not taken away at the end: %q", last)
	}
}

// TestATerminalThatCannotGoUpHasPlainLines is about those that say that they cannot, or nothing.
func TestATerminalThatCannotGoUpHasPlainLines(t *testing.T) {
	conf, list := texts(t, 10)
	for _, term := range []string{"dumb", ""} {
		m, near := openTerminal(t)
		t.Setenv("TERM", term)
		s := newShow(&env{err: near, stdout: io.Discard}, false)
		if s.every != everyLine {
			t.Errorf("TERM=%q: a report every %s", term, s.every)
		}
		_ = near.Close()
		_ = m.Close()
	}
	code, _, stderr := call(backfiller, "run", "--config", conf, "--manifest", list) // no terminal at all
	if code != 0 || strings.Contains(stderr, "\x1b") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}
