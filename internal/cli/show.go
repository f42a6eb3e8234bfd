package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"vecmill/internal/pace"
	"vecmill/internal/progress"
	"vecmill/internal/wire"
)

// How often the progress of a run is told to each of those who may be told.
const (
	everyBlock  = 500 * time.Millisecond
	everyObject = time.Second
	everyLine   = 10 * time.Second
)

// show tells people, or a program, how far a run has come.
type show struct {
	every  time.Duration
	tell   func(*progress.Report) error
	clear  func() error
	meter  *progress.Meter
	gate   *pace.Gate // of the source
	asJSON bool
}

// newShow chooses: objects on standard output if asked, else a block where standard error is a terminal that can go up a line, else a line from time to time. The log goes through
// e.err from here on, so that it and the block leave each other whole.
func newShow(e *env, asJSON bool) *show {
	s := &show{meter: progress.NewMeter(time.Now()), asJSON: asJSON, clear: func() error { return nil }}
	if asJSON {
		out := json.NewEncoder(e.stdout)
		s.every, s.tell = everyObject, func(r *progress.Report) error { return out.Encode(r) }
		return s
	}
	if f, ok := e.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) && !slices.Contains([]string{"", "dumb"}, os.Getenv("TERM")) {
		screen := progress.NewScreen(f, func() (columns, rows int) { return sizeOf(f) })
		e.err = screen
		s.every, s.tell = everyBlock, func(r *progress.Report) error { return screen.Show(r.Lines()) }
		s.clear = func() error { return screen.Show(nil) }
		return s
	}
	w := e.err
	s.every, s.tell = everyLine, func(r *progress.Report) error {
		_, err := io.WriteString(w, r.Line()+"\n")
		return err
	}
	return s
}

// sizeOf is a terminal's size; where it is not told, that of the first ones.
func sizeOf(f *os.File) (columns, rows int) {
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return columns, rows
}

// watch tells until stop is called, which takes the block away again. Whoever does not listen any more does not end the run.
func (s *show) watch(w *wire.Worker) (stop func()) {
	s.meter.Add(w.Status())
	ended := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		t := time.NewTicker(s.every)
		defer t.Stop()
		for {
			select {
			case <-ended:
				_ = s.clear()
				return
			case <-t.C:
				r := s.meter.Add(w.Status())
				if s.gate.IsShut() && r.Phase == "running" {
					r.Phase = "paused"
				}
				_ = s.tell(&r)
			}
		}
	})
	return func() {
		close(ended)
		telling.Wait()
	}
}

// end prints what the run did. A run that did not finish says what is left, and the command that goes on.
func (s *show) end(e *env, r *progress.Report) error {
	if s.asJSON {
		return s.tell(r)
	}
	for i := range r.Pipelines {
		p := &r.Pipelines[i]
		letters := int64(0)
		for _, n := range p.Dead {
			letters += n
		}
		classes := ""
		if letters > 0 {
			classes = " (" + progress.Classes(p.Dead) + ")"
		}
		fmt.Fprintf(e.stdout, "%s: %d references, %d rows, %d skipped, %d dead letters%s\n", p.Name, p.Records, p.Rows, p.Skipped, letters, classes)
		switch {
		case p.Total == 0:
			fmt.Fprintf(e.stdout, "  the list is empty\n")
		case *r.Finished && p.Records == 0:
			fmt.Fprintf(e.stdout, "  all %d are settled already: with rows, as dead letters, or passed over\n", p.Total)
		case !*r.Finished && p.Total > 0:
			fmt.Fprintf(e.stdout, "  %d of %d are durable, %d are left\n", p.Durable, p.Total, p.Total-p.Durable)
		}
	}
	if words := r.Cost.Words(); words != "" {
		fmt.Fprintln(e.stdout, words)
	}
	if r.Against != nil {
		fmt.Fprintln(e.stdout, r.Against.Words())
	}
	if r.Memory > 0 {
		fmt.Fprintf(e.stdout, "memory %s at most", bytesText(float64(r.Memory)))
		if r.Planned > 0 {
			fmt.Fprintf(e.stdout, ", planned %s", bytesText(float64(r.Planned)))
		}
		fmt.Fprintln(e.stdout)
	}
	if r.Continue != "" {
		fmt.Fprintf(e.stdout, "go on with: %s\n", r.Continue)
	}
	return nil
}

// unquoted are the characters that mean nothing to a shell.
const unquoted = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+"

// shellWords writes a command so that a shell reads the same words.
func shellWords(words ...string) string {
	var out []string
	for _, w := range words {
		if w == "" || strings.Trim(w, unquoted) != "" {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		out = append(out, w)
	}
	return strings.Join(out, " ")
}

// shownProgram is a program, by the name that it is started with, for a shell that may be in another directory. A name alone is found by the shell's PATH.
func shownProgram(name string) string {
	if filepath.Base(name) == name {
		return shellWords(name)
	}
	return shownPath(name)
}

// besideMe is another program of ours by the name that it is started with: they lie in one directory.
func besideMe(name string) string {
	if me := os.Args[0]; filepath.Base(me) != me {
		return filepath.Join(filepath.Dir(me), name)
	}
	return name
}

// shownPath is a file for a shell that may be in another directory.
func shownPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil { // or as it was given
		path = abs
	}
	return shellWords(path)
}
