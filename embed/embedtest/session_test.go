package embedtest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
)

func audioBatch(rows ...[]float32) []embed.Tensor {
	longest := 0
	for _, r := range rows {
		longest = max(longest, len(r))
	}
	values := embed.Tensor{Name: "input_values", Shape: []int64{int64(len(rows)), int64(longest)}, F32: make([]float32, len(rows)*longest)}
	lengths := embed.Tensor{Name: "lengths", Shape: []int64{int64(len(rows))}}
	for i, r := range rows {
		copy(values.F32[i*longest:], r)
		lengths.I64 = append(lengths.I64, int64(len(r)))
	}
	return []embed.Tensor{values, lengths}
}

func TestTheFakePassesItsOwnSuite(t *testing.T) {
	embedtest.TestSession(t, embedtest.SessionCase{
		Open: func(*testing.T) embed.Session { return embedtest.NewSession(embedtest.Config{Width: 3, Hop: 2}) },
		Inputs: func(seed int) []embed.Tensor {
			return audioBatch([]float32{1, 2, 3, float32(seed)}, []float32{float32(seed), 5})
		},
		Endless: func(*testing.T) (embed.Session, []embed.Tensor) {
			return embedtest.NewSession(embedtest.Config{Delay: time.Hour}), audioBatch([]float32{1})
		},
	})
}

func TestTheFakeComputesWhatItSays(t *testing.T) {
	ids := func(shape []int64, v ...int64) embed.Tensor {
		return embed.Tensor{Name: "input_ids", Shape: shape, I64: v}
	}
	mask := func(shape []int64, v ...int64) embed.Tensor {
		return embed.Tensor{Name: "attention_mask", Shape: shape, I64: v}
	}
	cases := []struct {
		name   string
		cfg    embedtest.Config
		inputs []embed.Tensor
		shape  []int64
		want   []float32
	}{
		{"one step per value", embedtest.Config{}, audioBatch([]float32{3, 4}), []int64{1, 2, 1}, []float32{3, 4}},
		{
			"hops drop the rest, padding is garbage",
			embedtest.Config{Hop: 2, Width: 2, Garbage: 9},
			audioBatch([]float32{1, 2, 3, 4, 5}, []float32{7, 8, 9}),
			[]int64{2, 2, 2},
			[]float32{3, 6, 7, 14, 15, 30, 9, 9},
		},
		{
			"masks count",
			embedtest.Config{Output: "logits", PerItem: true, Width: 2},
			[]embed.Tensor{ids([]int64{2, 3}, 5, 6, 7, 8, 1, 1), mask([]int64{2, 3}, 1, 1, 1, 1, 0, 0)},
			[]int64{2, 2},
			[]float32{18, 36, 8, 16},
		},
		{
			"pictures have no padding",
			embedtest.Config{Hop: 2},
			[]embed.Tensor{{Name: "pixel_values", Shape: []int64{1, 1, 2, 2}, F32: []float32{1, 2, 3, 4}}},
			[]int64{1, 2, 1},
			[]float32{3, 7},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, err := embedtest.NewSession(c.cfg).Run(t.Context(), c.inputs)
			if err != nil {
				t.Fatal(err)
			}
			got := out.Tensors[0]
			if !slices.Equal(got.Shape, c.shape) || !slices.Equal(got.F32, c.want) {
				t.Errorf("got %v %v, want %v %v", got.Shape, got.F32, c.shape, c.want)
			}
		})
	}
}

func TestTheFakeMisbehavesAsTold(t *testing.T) {
	t.Run("poison fails the batch that holds it", func(t *testing.T) {
		s := embedtest.NewSession(embedtest.Config{Poison: []float64{-1}})
		if _, err := s.Run(t.Context(), audioBatch([]float32{1}, []float32{-1})); !errors.Is(err, embedtest.ErrPoison) {
			t.Errorf("got %v, want ErrPoison", err)
		}
		if _, err := s.Run(t.Context(), audioBatch([]float32{1})); err != nil {
			t.Errorf("a clean batch failed: %v", err)
		}
		if s.Runs() != 2 || s.Rows() != 3 {
			t.Errorf("counted %d runs of %d rows, want 2 of 3", s.Runs(), s.Rows())
		}
	})
	t.Run("panic values panic", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		s := embedtest.NewSession(embedtest.Config{Panic: []float64{13}})
		_, err := s.Run(t.Context(), audioBatch([]float32{13}))
		t.Errorf("returned %v", err)
	})
	t.Run("time is virtual in a bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := embedtest.NewSession(embedtest.Config{Delay: time.Minute, StepTime: time.Second})
			began := time.Now()
			if _, err := s.Run(t.Context(), audioBatch([]float32{1, 2}, []float32{3})); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != time.Minute+4*time.Second {
				t.Errorf("took %s", took)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := s.Run(ctx, audioBatch([]float32{1})); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the deadline", err)
			}
		})
	})
	t.Run("what has broken stays so", func(t *testing.T) {
		s := embedtest.NewSession(embedtest.Config{Breaks: 2})
		for run, want := range []error{nil, embedtest.ErrBroken, embedtest.ErrBroken} {
			if _, err := s.Run(t.Context(), audioBatch([]float32{1})); !errors.Is(err, want) {
				t.Errorf("run %d: %v, want %v", run+1, err, want)
			}
		}
	})
	t.Run("faults may pass", func(t *testing.T) {
		left := 1
		s := embedtest.NewSession(embedtest.Config{Fail: func() error {
			if left--; left >= 0 {
				return errors.New("busy")
			}
			return nil
		}})
		if _, err := s.Run(t.Context(), audioBatch([]float32{1})); err == nil {
			t.Error("the first run succeeded")
		}
		if _, err := s.Run(t.Context(), audioBatch([]float32{1})); err != nil {
			t.Error(err)
		}
	})
}
