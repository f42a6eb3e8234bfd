package ortsession

import (
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/model"
)

func values(shape []int64, v ...float32) embed.Tensor {
	return embed.Tensor{Name: valuesInput, Shape: shape, F32: v}
}

func lengthsOf(v ...int64) embed.Tensor {
	return embed.Tensor{Name: lengthsInput, Shape: []int64{int64(len(v))}, I64: v}
}

func TestByLengthNeverShowsPadding(t *testing.T) {
	bare := []model.Port{{Name: valuesInput}}
	masked := []model.Port{{Name: valuesInput}, {Name: maskInput}}
	batch := []embed.Tensor{
		values([]int64{4, 4}, 1, 2, 3, 9, 4, 9, 9, 9, 5, 6, 7, 9, 8, 8, 8, 8), lengthsOf(3, 1, 3, 4), // 9 is padding
	}
	for _, ports := range [][]model.Port{bare, masked} {
		var seen [][]int64
		out, err := byLength(batch, ports, func(in []embed.Tensor) (*embed.Output, error) {
			if slices.Contains(in[0].F32, 9) {
				t.Errorf("padding reached the model: %v", in[0].F32)
			}
			seen = append(seen, in[0].Shape)
			if len(in) != len(ports) {
				t.Errorf("%d inputs, want %d", len(in), len(ports))
			}
			if len(in) == 2 && (len(in[1].I64) != len(in[0].F32) || slices.ContainsFunc(in[1].I64, func(v int64) bool { return v != 1 })) {
				t.Errorf("mask %v", in[1].I64)
			}
			ids := make([]int64, in[0].Shape[0])
			for i := range ids {
				ids[i] = int64(in[0].F32[int64(i)*in[0].Shape[1]])
			}
			return &embed.Output{Tensors: []embed.Tensor{
				{Name: "frames", Shape: append(slices.Clone(in[0].Shape), 1), F32: in[0].F32},
				{Name: "first", Shape: []int64{in[0].Shape[0]}, I64: ids},
			}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := []int64{1, 1, 2, 3, 1, 4}; !slices.Equal(slices.Concat(seen...), want) {
			t.Errorf("runs of shapes %v", seen)
		}
		frames, first := out.Tensors[0], out.Tensors[1]
		if !slices.Equal(frames.Shape, []int64{4, 4, 1}) || !slices.Equal(frames.F32, []float32{1, 2, 3, 0, 4, 0, 0, 0, 5, 6, 7, 0, 8, 8, 8, 8}) {
			t.Errorf("frames %v %v", frames.Shape, frames.F32)
		}
		if !slices.Equal(first.Shape, []int64{4}) || !slices.Equal(first.I64, []int64{1, 4, 5, 8}) {
			t.Errorf("first %v %v", first.Shape, first.I64)
		}
	}
}

func TestByLengthEqualsTheFakesOwnMasking(t *testing.T) {
	batch := []embed.Tensor{values([]int64{3, 5}, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 8, 9, 1, 2, 0), lengthsOf(5, 2, 4)}
	fake := embedtest.NewSession(embedtest.Config{Hop: 2, Width: 3})
	want, err := fake.Run(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	got, err := byLength(batch, []model.Port{{Name: valuesInput}}, func(in []embed.Tensor) (*embed.Output, error) {
		n := make([]int64, in[0].Shape[0])
		for i := range n {
			n[i] = in[0].Shape[1]
		}
		return fake.Run(t.Context(), append(in, lengthsOf(n...)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Tensors[0].Shape, want.Tensors[0].Shape) || !slices.Equal(got.Tensors[0].F32, want.Tensors[0].F32) {
		t.Errorf("got %v, want %v", got.Tensors[0], want.Tensors[0])
	}
}

func TestByLengthRefuses(t *testing.T) {
	ok := values([]int64{2, 2}, 1, 2, 3, 4)
	cases := []struct {
		name   string
		inputs []embed.Tensor
		part   string
	}{
		{"a length beyond the row", []embed.Tensor{ok, lengthsOf(2, 3)}, "row 1 has 3 samples of 2"},
		{"an empty row", []embed.Tensor{ok, lengthsOf(0, 2)}, "row 0 has 0 samples"},
		{"too few lengths", []embed.Tensor{ok, lengthsOf(2)}, "1 values for 2 rows"},
		{"values that do not fill the shape", []embed.Tensor{values([]int64{2, 2}, 1), lengthsOf(2, 2)}, "1 values for shape"},
		{"another input", []embed.Tensor{ok, lengthsOf(2, 2), {Name: "x"}}, "input x is unknown"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := byLength(c.inputs, nil, func([]embed.Tensor) (*embed.Output, error) {
				t.Error("the model ran")
				return nil, nil
			})
			if err == nil || !strings.Contains(err.Error(), c.part) {
				t.Errorf("got %v, want %q", err, c.part)
			}
		})
	}
	t.Run("outputs that do not have the rows", func(t *testing.T) {
		_, err := byLength([]embed.Tensor{ok, lengthsOf(2, 2)}, nil, func([]embed.Tensor) (*embed.Output, error) {
			return &embed.Output{Tensors: []embed.Tensor{{Name: "y", Shape: []int64{1}, F32: []float32{1}}}}, nil
		})
		if err == nil || !strings.Contains(err.Error(), "joining output y") {
			t.Errorf("got %v", err)
		}
	})
}
