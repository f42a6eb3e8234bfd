package ortsession

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/model/onnx"
)

// The product that a machine is measured with: [peakRows, peakInner] by [peakInner, peakColumns], of the size of a dense layer in a base model, in half a batch:
// with fewer rows a processor gets less out of its time, and a run of more of them is less often undisturbed.
const (
	peakRows, peakInner, peakColumns = 256, 768, 3072

	peakFLOPs = 2 * peakRows * peakInner * peakColumns
	peakTime  = 20 * time.Millisecond // of measuring, beside a first run that packs the matrix
)

// Peak measures how many floating-point operations a second a session with these options gets out of matrix products in float32, the best of a few: what a model's
// useful work is held against. It takes some hundredths of a second of all threads; other work at the same time makes it less.
func Peak(ctx context.Context, o Options) (flops float64, err error) {
	dir, err := os.MkdirTemp("", "vecmill-peak-")
	if err != nil {
		return 0, fmt.Errorf("measuring the machine: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	g, err := product(dir)
	if err != nil {
		return 0, fmt.Errorf("measuring the machine: %w", err)
	}
	s, err := Open(ctx, g, o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	x := []embed.Tensor{{Name: "x", Shape: []int64{peakRows, peakInner}, F32: make([]float32, peakRows*peakInner)}}
	for i := range x[0].F32 {
		x[0].F32[i] = float32(i%97) / 97
	}
	best := time.Duration(0)
	for run, spent := 0, time.Duration(0); run < 3 || spent < peakTime; run++ {
		began := time.Now()
		if _, err := s.Run(ctx, x); err != nil {
			return 0, err
		}
		took := time.Since(began)
		if run == 0 {
			continue
		}
		spent += took
		if best == 0 || took < best {
			best = took
		}
	}
	return peakFLOPs / best.Seconds(), nil
}

// product is a graph of one product with a constant matrix, which the runtime makes and packs itself when it loads: it has no weights to write.
func product(dir string) (model.Graph, error) {
	b := onnx.NewBuilder("peak")
	x := b.Input("x", onnx.Float32, onnx.Fixed(peakRows), onnx.Fixed(peakInner))
	w := b.Expand(b.Floats([]int{1, 1}, []float32{0.5}), b.Ints(peakInner, peakColumns))
	b.Output("y", b.MatMul(x, w), onnx.Float32, onnx.Fixed(peakRows), onnx.Fixed(peakColumns))
	g, err := b.Write(io.Discard, "", nil)
	if err != nil {
		return model.Graph{}, err
	}
	path := filepath.Join(dir, "peak.onnx")
	if err := os.WriteFile(path, g, 0o600); err != nil {
		return model.Graph{}, err
	}
	return model.Graph{Path: path}, nil
}
