package golden_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/model"
	"vecmill/schemas"
)

// choices says whether a model takes rows of alternatives: items are then sets of one.
func choices(spec *model.Spec) bool { return strings.HasSuffix(spec.Class, "ForMultipleChoice") }

// item is one input without padding, and what the model gives it.
type item struct {
	f32 []float32 // audio samples
	i64 []int64   // token ids
}

func (i item) len() int { return len(i.f32) + len(i.i64) }

// batch pads items on the right to width, as embed.Collate does.
func batch(spec *model.Spec, items []item, width int) []embed.Tensor {
	n := len(items)
	shape := []int64{int64(n), int64(width)}
	if spec.Modality == schemas.Audio {
		x := embed.Tensor{Name: "input_values", Shape: shape, F32: make([]float32, n*width)}
		l := embed.Tensor{Name: "lengths", Shape: shape[:1], I64: make([]int64, n)}
		for i, it := range items {
			copy(x.F32[i*width:], it.f32)
			l.I64[i] = int64(len(it.f32))
		}
		return []embed.Tensor{x, l}
	}
	if choices(spec) {
		shape = []int64{int64(n), 1, int64(width)}
	}
	ids := embed.Tensor{Name: "input_ids", Shape: shape, I64: make([]int64, n*width)}
	mask := embed.Tensor{Name: "attention_mask", Shape: shape, I64: make([]int64, n*width)}
	for i, it := range items {
		for j := range width {
			ids.I64[i*width+j] = int64(spec.Text.PadTokenID)
			if j < len(it.i64) {
				ids.I64[i*width+j], mask.I64[i*width+j] = it.i64[j], 1
			}
		}
	}
	return []embed.Tensor{ids, mask}
}

// own is what belongs to row i of an output: its real frames or tokens, or the whole row where there is no time axis.
func own(spec *model.Spec, t *embed.Tensor, i int, it item) []float32 {
	row := len(t.F32) / int(t.Shape[0])
	values := t.F32[i*row : (i+1)*row]
	if t.Name == "start_logits" || t.Name == "end_logits" {
		return values[:it.len()]
	}
	if len(t.Shape) < 3 {
		return values
	}
	steps := it.len()
	if spec.Modality == schemas.Audio {
		steps = spec.Audio.OutputFrames(steps)
	}
	return values[:steps*int(t.Shape[2])]
}

func randomItems(spec *model.Spec, r *rand.Rand, lengths ...int) []item {
	items := make([]item, len(lengths))
	for i, n := range lengths {
		if spec.Modality == schemas.Audio {
			items[i].f32 = make([]float32, n)
			for j := range items[i].f32 {
				items[i].f32[j] = float32(r.NormFloat64())
			}
			continue
		}
		items[i].i64 = make([]int64, n)
		for j := range items[i].i64 {
			items[i].i64[j] = 10 + r.Int64N(int64(spec.Text.VocabSize-10))
		}
	}
	return items
}

// relative is the largest difference relative to the largest value.
func relative(t *testing.T, got, want []float32) float64 {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%d values, want %d and some", len(got), len(want))
	}
	diff, top := 0.0, 0.0
	for i := range want {
		diff = max(diff, math.Abs(float64(got[i])-float64(want[i])))
		top = max(top, math.Abs(float64(want[i])))
		if math.IsNaN(float64(got[i])) {
			return math.NaN()
		}
	}
	return diff / top
}

// tolerance of "equal": the order in which a kernel sums may depend on the shape of the batch.
const tolerance = 1e-5

// sequences are the cases with a time axis that can be padded.
func sequences(t *testing.T) []golden.Case {
	t.Helper()
	var out []golden.Case
	for _, c := range cases(t) {
		if strings.HasPrefix(c.Class, "Data2VecAudio") || strings.HasPrefix(c.Class, "Data2VecText") {
			out = append(out, c)
		}
	}
	return out
}

// I7, for lengths drawn at random: in a batch of other items, in any order, with any amount of padding, an item gets what it gets alone.
func TestABatchGivesEachItemWhatItGetsAlone(t *testing.T) {
	for _, c := range sequences(t) {
		t.Run(c.Class+"/"+c.Name, func(t *testing.T) {
			spec := open(t, c.Dir)
			ses := session(t, spec, model.CompileOptions{})
			for seed := range uint64(3) {
				r := rand.New(rand.NewPCG(seed, 7))
				lengths, most := drawLengths(spec, r)
				items := randomItems(spec, r, lengths...)
				width := most + r.IntN(most/4+2)
				if spec.Text != nil {
					width = min(width, spec.Text.MaxTokens())
				}
				r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
				together := run(t, ses, batch(spec, items, width))
				for i, it := range items {
					alone := run(t, ses, batch(spec, []item{it}, it.len()))
					for k := range alone.Tensors {
						a, b := own(spec, &alone.Tensors[k], 0, it), own(spec, &together.Tensors[k], i, it)
						if d := relative(t, b, a); !(d <= tolerance) {
							t.Errorf("seed %d, item %d of length %d padded to %d: %s differs by %.2g from the item alone",
								seed, i, it.len(), width, alone.Tensors[k].Name, d)
						}
					}
				}
			}
		})
	}
}

// drawLengths gives five lengths that the model takes, very different ones among them, and the longest.
func drawLengths(spec *model.Spec, r *rand.Rand) (lengths []int, most int) {
	low, high := 1, 0
	if spec.Modality == schemas.Audio {
		need := 1
		if strings.HasSuffix(spec.Class, "ForXVector") { // two frames behind the last convolution: one has no deviation
			need = 2
			for i, k := range spec.Audio.TDNNKernel {
				need += (k - 1) * spec.Audio.TDNNDilation[i]
			}
		}
		for spec.Audio.OutputFrames(low) < need {
			low++
		}
		high = low + 60*spec.Audio.HopSamples()
	} else {
		high = min(spec.Text.MaxTokens(), 30)
	}
	for range 4 {
		lengths = append(lengths, low+r.IntN(high-low+1))
	}
	lengths = append(lengths, low)
	for _, n := range lengths {
		most = max(most, n)
	}
	return lengths, most
}

// The rows of a padded batch equal the reference's own numbers for the items alone.
func TestABatchEqualsTheReferenceAlone(t *testing.T) {
	compared := 0
	for _, c := range sequences(t) {
		spec := open(t, c.Dir)
		var padded *embed.Output
		var items int64
		for _, r := range c.Runs {
			if r.Name == "batch" {
				feed, _, err := r.Feed(spec.Modality)
				if err != nil {
					t.Fatal(err)
				}
				padded, items = run(t, session(t, spec, model.CompileOptions{}), feed), feed[0].Shape[0]
			}
		}
		for _, r := range c.Runs {
			var i int
			if _, err := fmt.Sscanf(r.Name, "alone.%d", &i); err != nil || int64(i) >= items {
				continue
			}
			for _, name := range []string{"last_hidden_state", "logits", "embeddings", "start_logits", "end_logits"} {
				want, ok := r.Outputs[name]
				if !ok {
					continue
				}
				got, _ := padded.Tensor(name)
				row := *got
				n := len(got.F32) / int(got.Shape[0])
				row.F32 = got.F32[i*n:][:len(want.F32)]
				row.Shape = want.Shape
				if _, err := want.Compare(&row); err != nil {
					t.Errorf("%s/%s: row %d of the batch: %s: %v", c.Class, c.Name, i, name, err)
				}
				compared++
			}
		}
	}
	if compared < 60 {
		t.Errorf("only %d outputs compared: the committed cases have more", compared)
	}
}

// A clip that leaves the x-vector's convolutions no frame has no x-vector, and says so, alone and among others; the reference fails.
func TestAClipTooShortForAnXVectorHasNone(t *testing.T) {
	spec := open(t, committed+"/Data2VecAudioForXVector/base")
	ses := session(t, spec, model.CompileOptions{})
	items := randomItems(spec, rand.New(rand.NewPCG(1, 2)), 1400, 100)
	for width, batched := range map[int][]item{1400: items, 100: items[1:]} {
		out, ok := run(t, ses, batch(spec, batched, width)).Tensor("embeddings")
		if !ok {
			t.Fatal("no embeddings")
		}
		e := int(out.Shape[1])
		for i, it := range batched {
			for _, v := range out.F32[i*e : (i+1)*e] {
				if math.IsNaN(float64(v)) != (it.len() == 100) {
					t.Errorf("the clip of %d samples in a batch of %d has %v", it.len(), len(batched), v)
				}
			}
		}
	}
}

// The compatible mode does leak, as the reference does: otherwise the tests above would prove nothing.
func TestHFPaddingLeaksAsInTheReference(t *testing.T) {
	spec := open(t, committed+"/Data2VecAudioForCTC/base")
	ses := session(t, spec, model.CompileOptions{HFPadding: true})
	items := randomItems(spec, rand.New(rand.NewPCG(1, 1)), 1400, 600)
	together := run(t, ses, batch(spec, items, 1400))
	alone := run(t, ses, batch(spec, items[1:], 600))
	a, b := own(spec, &alone.Tensors[0], 0, items[1]), own(spec, &together.Tensors[0], 1, items[1])
	if d := relative(t, b, a); d < 1e-3 {
		t.Errorf("the padded item differs by %.2g only: the mode does nothing", d)
	}
}
