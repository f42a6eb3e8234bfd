package ortsession

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrUntold means that ONNX Runtime does not say what memory a session holds.
var ErrUntold = errors.New("the memory of a session is not told")

// What an arena says in the library's log as it grows, one line after the other (bfc_arena.cc of ONNX Runtime).
const (
	growing = "Extending BFCArena for " // and its name, and a full stop
	grownBy = "Extended allocation by " // and bytes
)

// informs says whether a line of the log is for information: not what a person is to see.
func informs(line string) bool { return strings.Contains(line, "[I:onnxruntime:") }

// grown sums up by how much the arena of that name grew. Any run needs memory, so an arena that says nothing, or not by how much, is not understood.
func grown(lines []string, name string) (bytes int64, err error) {
	open := false
	for _, l := range lines {
		if _, rest, ok := strings.Cut(l, growing); ok {
			if open {
				break
			}
			open = strings.HasPrefix(rest, name+".")
			continue
		}
		_, rest, ok := strings.Cut(l, grownBy)
		if !ok || !open {
			continue
		}
		number, _, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%w: %q", ErrUntold, l)
		}
		bytes, open = bytes+n, false
	}
	if open || bytes == 0 {
		return 0, fmt.Errorf("%w in %d lines of ONNX Runtime's log", ErrUntold, len(lines))
	}
	return bytes, nil
}
