//go:build cgo

package ortsession

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/model/onnx"
)

// warned is a graph with an operator of whose attribute the library warns when it makes the kernel, in the log that it warns in of slow convolutions.
func warned(t *testing.T) model.Graph {
	t.Helper()
	b := onnx.NewBuilder("warned")
	x := b.Input("x", onnx.Float32, onnx.Fixed(1), onnx.Fixed(1), onnx.Fixed(2), onnx.Fixed(2))
	y := b.Op("Resize", []onnx.Value{x, {}, b.Floats([]int{4}, []float32{1, 1, 2, 2})},
		onnx.StringAttr("mode", "nearest"), onnx.StringAttr("coordinate_transformation_mode", "tf_half_pixel_for_nn"))
	b.Output("y", y, onnx.Float32, onnx.Fixed(1), onnx.Fixed(1), onnx.Fixed(4), onnx.Fixed(4))
	m, err := b.Write(io.Discard, "none.bin", nil) // there are no weights
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "warned.onnx")
	if err := os.WriteFile(path, m, 0o600); err != nil {
		t.Fatal(err)
	}
	return model.Graph{Path: path}
}

// A line longer than any buffer is read to its end, and so is what comes behind it; the last needs no end.
func TestLinesOfAnyLengthAreRead(t *testing.T) {
	long := strings.Repeat("x", 80<<10)
	lines, err := standardError(func() error {
		_, err := os.Stderr.WriteString(long + "\n  the next\nthe last")
		return err
	}, nil)
	if err != nil || !slices.Equal(lines, []string{long, "the next", "the last"}) {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}

// The severity of a session's log does not govern what kernels log. Sessions that nobody observes say nothing.
func TestWarningsOfKernelsAreObserved(t *testing.T) {
	g, o := warned(t), Options{Threads: 1}
	run := func(s embed.Session) error {
		_, err := s.Run(t.Context(), []embed.Tensor{{Name: "x", Shape: []int64{1, 1, 2, 2}, F32: []float32{1, 2, 3, 4}}})
		return err
	}
	warns := func(lines []string) bool {
		return slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "`tf_half_pixel_for_nn` is deprecated") })
	}
	seen, err := Observe(t.Context(), g, o, run)
	if err != nil || !warns(seen.Warnings) {
		t.Errorf("warnings %q, %v, want that of the kernel", seen.Warnings, err)
	}
	lines, err := standardError(func() error { return once(t.Context(), g, o, run) }, nil)
	if err != nil || warns(lines) {
		t.Errorf("afterwards %q, %v, want no warning of the kernel", lines, err)
	}
}
