package golden_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/model"
	"vecmill/schemas"
)

// I7 for pictures, which have no padding: in a batch of others, in any order, a picture gets what it gets alone.
func TestABatchGivesEachPictureWhatItGetsAlone(t *testing.T) {
	all := slices.DeleteFunc(cases(t), func(c golden.Case) bool { return open(t, c.Dir).Modality != schemas.Image })
	if len(all) < 7 {
		t.Fatalf("only %d cases", len(all))
	}
	for _, c := range all {
		t.Run(c.Class+"/"+c.Name, func(t *testing.T) {
			spec := open(t, c.Dir)
			ses, r := session(t, spec, model.CompileOptions{}), rand.New(rand.NewPCG(11, 7))
			pictures := make([][]float32, 5)
			for i := range pictures {
				pictures[i] = make([]float32, spec.Vision.NumChannels*spec.Vision.ImageSize.H*spec.Vision.ImageSize.W)
				for j := range pictures[i] {
					pictures[i][j] = float32(r.NormFloat64())
				}
			}
			alone := make([]*embed.Output, len(pictures))
			for i, p := range pictures {
				alone[i] = run(t, ses, pixels(spec, p))
			}
			for range 2 {
				order := r.Perm(len(pictures))
				var joined []float32
				for _, i := range order {
					joined = append(joined, pictures[i]...)
				}
				together := run(t, ses, pixels(spec, joined))
				for at, i := range order {
					for k := range together.Tensors {
						a, b := &alone[i].Tensors[k], &together.Tensors[k]
						row := len(a.F32)
						if d := relative(t, b.F32[at*row:(at+1)*row], a.F32); !(d <= tolerance) {
							t.Errorf("picture %d at place %d: %s differs by %.2g from the picture alone", i, at, a.Name, d)
						}
					}
				}
			}
		})
	}
}

// pixels is a batch of pictures of the checkpoint's size, end to end in x.
func pixels(spec *model.Spec, x []float32) []embed.Tensor {
	c, size := spec.Vision.NumChannels, spec.Vision.ImageSize
	return []embed.Tensor{{Name: "pixel_values", Shape: []int64{int64(len(x) / (c * size.H * size.W)), int64(c), int64(size.H), int64(size.W)}, F32: x}}
}
