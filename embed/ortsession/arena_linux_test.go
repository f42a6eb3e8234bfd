//go:build cgo

package ortsession_test

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"testing"

	"vecmill/embed"
	"vecmill/embed/ortsession"
)

// resident is this process' memory, without what Go holds for nothing.
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(string(bytes.Fields(b)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestSessionsHaveOneArena: what a session has used is there for the next one. With an arena for each, every session keeps as much as its largest batch took.
func TestSessionsHaveOneArena(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector's own memory, a multiple of what Go touches, would be measured")
	}
	const output, sessions = 64 << 20, 4
	x := []embed.Tensor{{Name: "x", Shape: []int64{1, output / 4}, F32: make([]float32, output/4)}}
	var before int
	for i := range sessions {
		s, err := ortsession.Open(t.Context(), graph("affine"), ortsession.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		if _, err := s.Run(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			before = resident(t)
		}
	}
	if grown := resident(t) - before; grown > output {
		t.Errorf("%d more sessions took %d MiB, and an output is %d", sessions-1, grown>>20, output>>20)
	}
}
