package golden_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// Recordings that go through the first convolutions piece by piece get the very same bits as whole ones, whatever part of a piece they end in, alone and beside others: so neither is another digest.
func TestPiecesGiveTheSameBits(t *testing.T) {
	specs := map[string]*model.Spec{"one of two convolutions": open(t, "../../internal/demo/models/audio-ctc")} // the cases have all theirs in pieces
	for _, c := range cases(t) {
		if spec := open(t, c.Dir); spec.Modality == schemas.Audio && specs[spec.Class] == nil {
			specs[spec.Class] = spec
		}
	}
	if len(specs) == 1 {
		t.Error("no audio")
	}
	for name, spec := range specs {
		for _, p := range []model.Precision{model.Single, model.Int8, model.Half} {
			pieces, whole := session(t, spec, model.CompileOptions{Precision: p}), session(t, spec, model.CompileOptions{Precision: p, Whole: true})
			for _, lengths := range [][]int64{{720}, {2000}, {4079}, {4080}, {4159}, {4160}, {8160}, {12345}, {16000, 720, 5123}, {130000, 64000}, {9000, 100, 399}} {
				feed := noise(lengths)
				if err := sameBits(t.Context(), pieces, whole, feed); err != nil {
					t.Errorf("%s %s, recordings of %v samples: %v", name, p, lengths, err)
				}
			}
		}
	}
}

// Of a recording that is shorter than what one frame sees, both say the same.
func TestTooShortForAPieceIsTooShortWhole(t *testing.T) {
	for _, c := range cases(t) {
		if spec := open(t, c.Dir); spec.Class == "Data2VecAudioModel" {
			pieces, whole := session(t, spec, model.CompileOptions{}), session(t, spec, model.CompileOptions{Whole: true})
			for _, n := range []int64{10, 79, 80, 239, 240, 399} {
				feed := noise([]int64{n})
				_, err := pieces.Run(t.Context(), feed)
				_, want := whole.Run(t.Context(), feed)
				if (err == nil) != (want == nil) {
					t.Errorf("%d samples: %v in pieces, %v whole", n, err, want)
				} else if err == nil {
					if err := sameBits(t.Context(), pieces, whole, feed); err != nil {
						t.Errorf("%d samples: %v", n, err)
					}
				}
			}
		}
	}
}

// noise is a batch of recordings with zeros behind the shorter ones.
func noise(lengths []int64) []embed.Tensor {
	longest := slices.Max(lengths)
	r := rand.New(rand.NewPCG(1, uint64(longest)))
	x := embed.Tensor{Name: "input_values", Shape: []int64{int64(len(lengths)), longest}, F32: make([]float32, int64(len(lengths))*longest)}
	for i, n := range lengths {
		for j := range n {
			x.F32[int64(i)*longest+j] = float32(r.NormFloat64())
		}
	}
	return []embed.Tensor{x, {Name: "lengths", Shape: []int64{int64(len(lengths))}, I64: lengths}}
}

// sameBits compares all outputs of two sessions.
func sameBits(ctx context.Context, x, y embed.Session, feed []embed.Tensor) error {
	var seen [2][]embed.Tensor
	for i, s := range []embed.Session{x, y} {
		out, err := s.Run(ctx, feed)
		if err != nil {
			return err
		}
		seen[i] = out.Tensors
	}
	if len(seen[0]) != len(seen[1]) || len(seen[0]) == 0 {
		return fmt.Errorf("%d and %d outputs", len(seen[0]), len(seen[1]))
	}
	for i, t := range seen[0] {
		u := seen[1][i]
		if !slices.Equal(t.Shape, u.Shape) {
			return fmt.Errorf("%s: %v and %v", t.Name, t.Shape, u.Shape)
		}
		for j := range t.F32 {
			if math.Float32bits(t.F32[j]) != math.Float32bits(u.F32[j]) { // NaN, too: x-vectors of one frame
				return fmt.Errorf("%s: number %d is %v and %v", t.Name, j, t.F32[j], u.F32[j])
			}
		}
	}
	return nil
}
