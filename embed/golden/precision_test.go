package golden_test

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"vecmill/embed/golden"
	"vecmill/model"
)

// In every precision every class stays near the reference. The cases are narrow: 16 numbers a row, whose rounding shows more than that
// of 768.
func TestGraphsOfOtherPrecisionsStayNearTheReference(t *testing.T) {
	for _, p := range []struct {
		precision model.Precision
		cosine    float64
	}{{model.Int8, 0.999}, {model.Half, 0.999999}} {
		t.Run(string(p.precision), func(t *testing.T) {
			lowest, changed := 1.0, 0
			for _, c := range cases(t) {
				t.Run(c.Class+"/"+filepath.Base(c.Dir), func(t *testing.T) {
					spec := open(t, c.Dir)
					for _, r := range c.Runs {
						cos, moved := nearness(t, spec, &r, p.precision)
						lowest, changed = min(lowest, cos), changed+moved
						if !(cos > p.cosine) {
							t.Errorf("run %s: an output has a cosine of %.6f with the reference's", r.Name, cos)
						}
					}
				})
			}
			t.Logf("lowest cosine %.6f, %d outputs changed", lowest, changed)
			if changed < 100 {
				t.Errorf("only %d outputs differ from single precision: %s did nothing", changed, p.precision)
			}
		})
	}
}

// nearness computes a run in a precision: the lowest cosine of its outputs with the reference's, and how many are not those of single precision.
func nearness(t *testing.T, spec *model.Spec, r *golden.Run, p model.Precision) (lowest float64, changed int) {
	t.Helper()
	feed, o, err := r.Compatible(spec.Modality)
	if err != nil {
		return 1, 0 // the test in single precision tells of it
	}
	o.Precision = p
	out := run(t, session(t, spec, o), feed)
	lowest = 1
	for name, want := range r.Outputs {
		got, ok := out.Tensor(name)
		if !ok || len(got.F32) != len(want.F32) {
			t.Errorf("run %s: no output %s as long as the reference's", r.Name, name)
			continue
		}
		if len(got.F32) < 8 {
			continue // an angle between so few says nothing
		}
		lowest = min(lowest, cosine(got.F32, want.F32))
		if d := relative(t, got.F32, want.F32); d > 1e-4 {
			changed++
		}
	}
	return lowest, changed
}

// cosine is that of the angle between x and y. Where both are not a number (a clip too short for an x-vector has none), neither counts.
func cosine(x, y []float32) float64 {
	xy, xx, yy := 0.0, 0.0, 0.0
	for i := range x {
		p, q := float64(x[i]), float64(y[i])
		if math.IsNaN(p) && math.IsNaN(q) {
			continue
		}
		xy, xx, yy = xy+p*q, xx+p*p, yy+q*q
	}
	if xx == 0 && yy == 0 {
		return 1
	}
	return xy / math.Sqrt(xx*yy)
}

// I7 in other precisions: what stands beside an item in the batch has no part in its numbers, bit for bit; nor has padding, within what single precision
// allows around products in whole numbers, and within the rounding of halves, which the last bit of a sum may turn.
func TestNumbersOfOtherPrecisionsDoNotDependOnTheNeighbours(t *testing.T) {
	for p, padded := range map[model.Precision]float64{model.Int8: tolerance, model.Half: 2e-3} {
		for _, c := range sequences(t) {
			t.Run(string(p)+"/"+c.Class+"/"+c.Name, func(t *testing.T) { neighbours(t, open(t, c.Dir), p, padded) })
		}
	}
}

func neighbours(t *testing.T, spec *model.Spec, p model.Precision, padded float64) {
	t.Helper()
	ses := session(t, spec, model.CompileOptions{Precision: p})
	r := rand.New(rand.NewPCG(5, 7))
	lengths, most := drawLengths(spec, r)
	items := randomItems(spec, r, lengths...)
	others := randomItems(spec, r, lengths...)
	for _, o := range others[1:] {
		for j := range o.f32 {
			o.f32[j] *= 1000 // would move the scale of the whole batch
		}
	}
	others[0] = items[0]
	one, two := run(t, ses, batch(spec, items, most)), run(t, ses, batch(spec, others, most))
	for k := range one.Tensors {
		a, b := own(spec, &one.Tensors[k], 0, items[0]), own(spec, &two.Tensors[k], 0, items[0])
		if !slices.Equal(a, b) {
			t.Errorf("%s differs by %.2g beside other items", one.Tensors[k].Name, relative(t, b, a))
		}
	}
	width := min(most+most/4+1, most+20)
	if spec.Text != nil {
		width = min(width, spec.Text.MaxTokens())
	}
	alone := run(t, ses, batch(spec, items[:1], items[0].len()))
	wide := run(t, ses, batch(spec, items, width))
	for k := range one.Tensors {
		a, b := own(spec, &alone.Tensors[k], 0, items[0]), own(spec, &wide.Tensors[k], 0, items[0])
		if d := relative(t, b, a); !(d <= padded) {
			t.Errorf("%s padded to %d differs by %.2g from the item alone", alone.Tensors[k].Name, width, d)
		}
	}
}
