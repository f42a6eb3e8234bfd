package ortsession

import (
	"errors"
	"strings"
	"testing"
)

// The lines are those of ONNX Runtime 1.24.4, with other numbers. That the arena of a GPU writes the same is the word of its source.
func TestTheLogTellsHowAnArenaGrew(t *testing.T) {
	const head = "2026-11-29 12:00:00.000000000 [I:onnxruntime:Default, bfc_arena.cc:1 Extend] "
	lines := func(all ...string) []string {
		for i := range all {
			all[i] = head + all[i]
		}
		return all
	}
	const cpu, cuda = "Extending BFCArena for Cpu. bin_num:14 (requested) num_bytes: 4 (actual) rounded_bytes:256", "Extending BFCArena for Cuda. bin_num:2 (requested) num_bytes: 9 (actual) rounded_bytes:256"
	for _, c := range []struct {
		name  string
		lines []string
		want  int64 // 0: it is not understood
	}{
		{"once", lines(cuda, "Extended allocation by 1024 bytes.", "Total allocated bytes: 9999"), 1024},
		{"again and again, beside another", lines(cuda, "Extended allocation by 1024 bytes.", cpu, "Extended allocation by 77 bytes.", "Total allocated bytes: 9999", cuda, "Extended allocation by 512 bytes.", "Total allocated bytes: 9999"), 1536},
		{"another alone", lines(cpu, "Extended allocation by 77 bytes."), 0},
		{"one whose name is longer", lines("Extending BFCArena for CudaPinned. bin_num:2", "Extended allocation by 77 bytes."), 0},
		{"a number that is none", lines(cuda, "Extended allocation by some bytes."), 0},
		{"no number", lines(cuda, "Total allocated bytes: 9999"), 0},
		{"a number that is missing before the next", lines(cuda, cuda, "Extended allocation by 512 bytes."), 0},
		{"nothing", nil, 0},
	} {
		got, err := grown(c.lines, "Cuda")
		if got != c.want || (err == nil) != (c.want > 0) || err != nil && !errors.Is(err, ErrUntold) {
			t.Errorf("%s: %d, %v, want %d", c.name, got, err, c.want)
		}
	}
	if !informs(head+cpu) || informs(strings.Replace(head, "[I:", "[W:", 1)+cpu) {
		t.Error("a warning is to be seen, information is not")
	}
}
