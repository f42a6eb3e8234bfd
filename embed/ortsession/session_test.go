//go:build cgo

package ortsession_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/embed/ortsession"
	"vecmill/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func graph(name string) model.Graph {
	return model.Graph{Path: filepath.Join("testdata", name+".onnx")}
}

func open(t testing.TB, name string) *ortsession.Session {
	t.Helper()
	s, err := ortsession.Open(t.Context(), graph(name), ortsession.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func f32(name string, shape []int64, v ...float32) embed.Tensor {
	return embed.Tensor{Name: name, Shape: shape, F32: v}
}

func i64(name string, shape []int64, v ...int64) embed.Tensor {
	return embed.Tensor{Name: name, Shape: shape, I64: v}
}

// wave makes n values from a seed.
func wave(seed, n int) []float32 {
	v := make([]float32, n)
	x := uint32(seed)*2654435761 + 1
	for i := range v {
		x = x*1664525 + 1013904223
		v[i] = float32(int32(x)) / (1 << 31)
	}
	return v
}

func TestSessionsPassTheSuite(t *testing.T) {
	endless := func(t *testing.T) (embed.Session, []embed.Tensor) {
		return open(t, "endless"), []embed.Tensor{f32("x", []int64{1, 8}, wave(1, 8)...)}
	}
	cases := []struct {
		name, graph string
		inputs      func(seed int) []embed.Tensor
	}{
		{"dynamic float input", "mixed", func(seed int) []embed.Tensor {
			n := 5 + 3*seed
			return []embed.Tensor{f32("x", []int64{2, int64(n), 64}, wave(seed, 2*n*64)...)}
		}},
		{"integers and two outputs", "tokens", func(seed int) []embed.Tensor {
			s := []int64{2, 3}
			return []embed.Tensor{i64("input_ids", s, 1, 2, int64(seed), 4, 5, 6), i64("attention_mask", s, 1, 1, 1, 1, 0, 0)}
		}},
		{"a ready-made audio graph with a mask", "audio", func(seed int) []embed.Tensor {
			return []embed.Tensor{f32("input_values", []int64{3, 9}, wave(seed, 27)...), i64("lengths", []int64{3}, 9, 4, 7)}
		}},
		{"a ready-made audio graph without a mask", "bare", func(seed int) []embed.Tensor {
			return []embed.Tensor{f32("input_values", []int64{3, 9}, wave(seed, 27)...), i64("lengths", []int64{3}, 9, 4, 7)}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			embedtest.TestSession(t, embedtest.SessionCase{
				Open: func(t *testing.T) embed.Session { return open(t, c.graph) }, Inputs: c.inputs, Endless: endless,
			})
		})
	}
}

func TestRunComputes(t *testing.T) {
	cases := []struct {
		name, graph string
		inputs      []embed.Tensor
		want        []embed.Tensor
	}{
		{
			"two x plus one", "affine",
			[]embed.Tensor{f32("x", []int64{2, 2}, 0, 1, 2, -3)},
			[]embed.Tensor{f32("y", []int64{2, 2}, 1, 3, 5, -5)},
		},
		{
			"inputs in any order, outputs in the graph's", "tokens",
			[]embed.Tensor{i64("attention_mask", []int64{1, 3}, 1, 1, 0), i64("input_ids", []int64{1, 3}, 7, 8, 9)},
			[]embed.Tensor{i64("masked", []int64{1, 3}, 7, 8, 0), f32("total", []int64{1}, 15)},
		},
		{
			"audio items of several lengths get what they get alone", "audio",
			[]embed.Tensor{f32("input_values", []int64{2, 5}, 1, 2, 3, 4, 5, 4, 2, 3, 99, 99), i64("lengths", []int64{2}, 5, 3)},
			// frame t is [x[2t], x[2t+1]+x[2t+2]] plus the mean of the item
			[]embed.Tensor{f32("frames", []int64{2, 2, 2}, 4, 8, 6, 12, 7, 8, 0, 0), i64("real", []int64{2}, 5, 3)},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, c.graph)
			defer s.Close()
			out, err := s.Run(t.Context(), c.inputs)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range c.want {
				g := out.Tensors[i]
				if g.Name != w.Name || !slices.Equal(g.Shape, w.Shape) || !slices.Equal(g.F32, w.F32) || !slices.Equal(g.I64, w.I64) {
					t.Errorf("got %v, want %v", g, w)
				}
			}
		})
	}
}

func TestRunRefuses(t *testing.T) {
	cases := []struct {
		name, graph string
		inputs      []embed.Tensor
		part        string
	}{
		{"the wrong element type", "affine", []embed.Tensor{i64("x", []int64{1, 1}, 1)}, "input x: is int64, the model takes float32"},
		{"the wrong rank", "affine", []embed.Tensor{f32("x", []int64{1}, 1)}, "input x: shape [1], the model takes [-1 -1]"},
		{"the wrong size of a fixed axis", "mixed", []embed.Tensor{f32("x", []int64{1, 1, 2}, 1, 2)}, "the model takes [-1 -1 64]"},
		{"an empty batch", "affine", []embed.Tensor{f32("x", []int64{0, 4})}, "input x"},
		{"an input given twice", "affine", []embed.Tensor{f32("x", []int64{1, 1}, 1), f32("x", []int64{1, 1}, 1)}, "input x is given twice"},
		{
			"shapes that the operators refuse", "tokens",
			[]embed.Tensor{i64("input_ids", []int64{1, 3}, 1, 2, 3), i64("attention_mask", []int64{1, 2}, 1, 1)},
			"tokens.onnx",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, c.graph)
			defer s.Close()
			if _, err := s.Run(t.Context(), c.inputs); err == nil || !strings.Contains(err.Error(), c.part) {
				t.Errorf("got %v, want %q", err, c.part)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	garbage := filepath.Join(t.TempDir(), "garbage.onnx")
	if err := os.WriteFile(garbage, []byte("this is not a protobuf of a model"), 0o600); err != nil {
		t.Fatal(err)
	}
	declared := func(in, out string, kind string) model.Graph {
		g := graph("affine")
		g.Inputs = []model.Port{{Name: in, Type: kind}}
		g.Outputs = []model.Port{{Name: out, Type: kind}}
		return g
	}
	cases := []struct {
		name  string
		graph model.Graph
		opts  ortsession.Options
		part  string
	}{
		{"a missing file", model.Graph{Path: filepath.Join(t.TempDir(), "none.onnx")}, ortsession.Options{}, "none.onnx"},
		{"garbage", model.Graph{Path: garbage}, ortsession.Options{}, "garbage.onnx"},
		{"a directory", model.Graph{Path: t.TempDir()}, ortsession.Options{}, "opening model"},
		{"half precision outputs", graph("half"), ortsession.Options{}, "output y is float16; only"},
		{"an input that the file has not", declared("z", "y", "float32"), ortsession.Options{}, "input z is not in the file, which has x"},
		{"an output that the file has not", declared("x", "z", "float32"), ortsession.Options{}, "output z is not in the file, which has y"},
		{"an input of another type", declared("x", "y", "int64"), ortsession.Options{}, "input x is float32 in the file, not int64"},
		{"a negative number of threads", graph("affine"), ortsession.Options{Threads: -1}, "threads: -1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, err := ortsession.Open(t.Context(), c.graph, c.opts)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.part) {
				t.Errorf("got %v, want %q", err, c.part)
			}
		})
	}
	t.Run("a missing file is fs.ErrNotExist", func(t *testing.T) {
		if _, err := ortsession.Open(t.Context(), model.Graph{Path: "none.onnx"}, ortsession.Options{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a context that has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := ortsession.Open(ctx, graph("affine"), ortsession.Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDeclaredOutputsAloneAreComputed(t *testing.T) {
	g := graph("tokens")
	g.Outputs = []model.Port{{Name: "total", Type: "float32", Shape: []int64{-1}}}
	s, err := ortsession.Open(t.Context(), g, ortsession.Options{NoArena: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	shape := []int64{1, 2}
	out, err := s.Run(t.Context(), []embed.Tensor{i64("input_ids", shape, 3, 4), i64("attention_mask", shape, 1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Tensors) != 1 || out.Tensors[0].Name != "total" || out.Tensors[0].F32[0] != 7 {
		t.Errorf("got %v", out.Tensors)
	}
	if len(s.Inputs()) != 2 || len(s.Outputs()) != 1 {
		t.Errorf("ports %v, %v", s.Inputs(), s.Outputs())
	}
}

func TestTheNumberOfSessionsDoesNotChangeTheBits(t *testing.T) {
	in := []embed.Tensor{f32("x", []int64{3, 50, 64}, wave(5, 3*50*64)...)}
	var want []float32
	for i := range 3 {
		s := open(t, "mixed")
		out, err := s.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = out.Tensors[0].F32
		} else if !slices.Equal(out.Tensors[0].F32, want) {
			t.Fatalf("session %d gives other bits", i)
		}
	}
}

// residentKB is the process's resident memory; the test is for Linux, where the number is to be had.
func residentKB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("no /proc on this system: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kb
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

func TestMemoryStaysFlat(t *testing.T) {
	run := func(s *ortsession.Session, n int) {
		for i := range n {
			rows := 1 + i%40 // every shape again and again, as micro-batches come
			if _, err := s.Run(t.Context(), []embed.Tensor{f32("x", []int64{int64(rows), 8, 64}, wave(i, rows*8*64)...)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("over runs of many shapes", func(t *testing.T) {
		s := open(t, "mixed")
		defer s.Close()
		run(s, 400)
		before := residentKB(t)
		run(s, 2000)
		if grown := residentKB(t) - before; grown > 20<<10 {
			t.Errorf("2,000 runs took %d KiB more", grown)
		}
	})
	t.Run("over sessions opened and closed", func(t *testing.T) {
		cycle := func(n int) {
			for range n {
				s := open(t, "mixed")
				run(s, 1)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
		cycle(20)
		before := residentKB(t)
		cycle(100)
		if grown := residentKB(t) - before; grown > 20<<10 { // 100 leaked copies of the weights and threads would be more
			t.Errorf("100 sessions took %d KiB more", grown)
		}
	})
}

// BenchmarkCall is what a run costs beside its arithmetic: an addition of 8 numbers.
func BenchmarkCall(b *testing.B) {
	s := open(b, "affine")
	defer s.Close()
	in := []embed.Tensor{f32("x", []int64{1, 8}, wave(1, 8)...)}
	for name, ctx := range map[string]context.Context{"never cancelled": context.Background(), "cancellable": b.Context()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Run(ctx, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
