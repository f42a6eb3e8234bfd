package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// Screen is a terminal with a block of lines at its end that is rewritten in place. What is written to it otherwise, a log, goes above the block. Safe for concurrent use.
type Screen struct {
	w    io.Writer
	size func() (columns, rows int) // now

	// The lock is held while the terminal is written to: the order in which things get there is what it keeps.
	mu struct {
		sync.Mutex
		block []string
		shown []string // of the block, as it was folded
	}
}

// NewScreen takes a terminal and what tells its size.
func NewScreen(w io.Writer, size func() (columns, rows int)) *Screen {
	return &Screen{w: w, size: size}
}

// Write implements io.Writer, for whole lines: they go above the block.
func (s *Screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.redrawLocked(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Show replaces the block; without lines, nothing of it stays.
func (s *Screen) Show(lines []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.block = lines
	return s.redrawLocked(nil)
}

// redrawLocked puts something above the block, as the terminal is now.
func (s *Screen) redrawLocked(above []byte) error {
	columns, rows := s.size()
	var out strings.Builder
	s.eraseLocked(&out, columns, rows)
	out.Write(above)
	s.drawLocked(&out, columns, rows)
	_, err := io.WriteString(s.w, out.String())
	return err
}

// eraseLocked goes to the block's first line and clears from there on. The cursor is always below the block, so that a process that is killed leaves nothing to restore. A terminal that has
// become narrower meanwhile has wrapped the lines, as nearly all do; what has left it at the top is not reached any more.
func (s *Screen) eraseLocked(out *strings.Builder, columns, rows int) {
	n := 0
	for _, l := range s.mu.shown {
		n += max(1, (utf8.RuneCountInString(l)+columns-1)/max(columns, 1))
	}
	if n = min(n, rows-1); n > 0 {
		fmt.Fprintf(out, "\x1b[%dA\r\x1b[J", n)
	}
}

// drawLocked writes the block. A line that the terminal would wrap is two to it, and one to eraseLocked: so it is folded, and what is higher than the terminal is cut.
func (s *Screen) drawLocked(out *strings.Builder, columns, rows int) {
	s.mu.shown = nil
	for _, l := range s.mu.block {
		s.mu.shown = append(s.mu.shown, fold(l, columns-1)...)
	}
	if most := max(rows-1, 1); len(s.mu.shown) > most {
		rest := fmt.Sprintf("and %d lines more", len(s.mu.shown)-most+1)
		s.mu.shown = append(s.mu.shown[:most-1], fit(rest, columns-1))
	}
	for _, l := range s.mu.shown {
		out.WriteString(l + "\n")
	}
}
