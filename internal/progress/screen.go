package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// Screen is a terminal with a block of lines at its end that is rewritten in place. What is written to it otherwise, a log, goes above the block. Safe for concurrent use.
type Screen struct {
	w     io.Writer
	width func() int // columns now

	// The lock is held while the terminal is written to: the order in which things get there is what it keeps.
	mu struct {
		sync.Mutex
		shown []string
	}
}

// NewScreen takes a terminal and what tells its width.
func NewScreen(w io.Writer, width func() int) *Screen { return &Screen{w: w, width: width} }

// Write implements io.Writer, for whole lines: they go above the block.
func (s *Screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	s.eraseLocked(&out)
	out.Write(b)
	s.drawLocked(&out)
	if _, err := io.WriteString(s.w, out.String()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Show replaces the block; without lines, nothing of it stays.
func (s *Screen) Show(lines []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	s.eraseLocked(&out)
	s.mu.shown = lines
	s.drawLocked(&out)
	_, err := io.WriteString(s.w, out.String())
	return err
}

// eraseLocked goes to the block's first line and clears from there on. The cursor is always below the block, so that a process that is killed leaves nothing to restore.
func (s *Screen) eraseLocked(out *strings.Builder) {
	if n := len(s.mu.shown); n > 0 {
		fmt.Fprintf(out, "\x1b[%dA\r\x1b[J", n)
	}
}

// drawLocked writes the block. A line that the terminal would wrap is two to it, and one to eraseLocked: so it is cut.
func (s *Screen) drawLocked(out *strings.Builder) {
	width := s.width()
	for _, l := range s.mu.shown {
		out.WriteString(fit(l, width-1) + "\n")
	}
}
