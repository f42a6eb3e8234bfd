package golden_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/model"
	"vecmill/schemas"
)

// packedTolerance is that of a row: its sums run over the masked scores of neighbours, and a batch has other shapes than an item alone.
const packedTolerance = 1e-5

// packable are the cases whose items can be packed. The others are refused for their adapters.
func packable(t *testing.T) []golden.Case {
	t.Helper()
	var out []golden.Case
	for _, c := range sequences(t) {
		_, err := open(t, c.Dir).Compile(t.Context(), t.TempDir(), model.CompileOptions{Packed: true})
		switch adapter := strings.Contains(c.Name, "adapter"); {
		case err == nil && !adapter:
			out = append(out, c)
		case !adapter || !strings.Contains(err.Error(), "add_adapter"):
			t.Errorf("%s/%s: packed: %v", c.Class, c.Name, err)
		}
	}
	if len(out) < 12 {
		t.Fatalf("only %d cases can be packed: the committed ones are more", len(out))
	}
	return out
}

// steps is an item's cost.
func (i item) steps(spec *model.Spec) int {
	if spec.Modality == schemas.Audio {
		return spec.Audio.Frames(len(i.f32))
	}
	return len(i.i64)
}

// packed opens the graph of packed rows, of row steps, and takes padded batches.
func packed(t *testing.T, spec *model.Spec, row int, o model.CompileOptions) embed.Session {
	t.Helper()
	p, err := embed.NewPacking(spec, row, 16*row, 4)
	if err != nil {
		t.Fatal(err)
	}
	o.Packed = true
	return embed.Packed(session(t, spec, o), spec, p)
}

// I7, for lengths and neighbours drawn at random: in a row with others, an item gets what it gets alone.
func TestAPackedRowGivesEachItemWhatItGetsAlone(t *testing.T) {
	for _, c := range packable(t) {
		t.Run(c.Class+"/"+c.Name, func(t *testing.T) {
			spec := open(t, c.Dir)
			plain := session(t, spec, model.CompileOptions{})
			for seed := range uint64(3) {
				r := rand.New(rand.NewPCG(seed, 31))
				lengths, most := drawLengths(spec, r)
				more, m := drawLengths(spec, r)
				most = max(most, m)
				items := randomItems(spec, r, append(lengths, more...)...)
				r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
				longest := 0
				for _, it := range items {
					longest = max(longest, it.steps(spec))
				}
				row := longest + r.IntN(2*longest+1)
				together := run(t, packed(t, spec, row, model.CompileOptions{}), batch(spec, items, most))
				for i, it := range items {
					alone := run(t, plain, batch(spec, []item{it}, it.len()))
					for k := range alone.Tensors {
						got, ok := together.Tensor(alone.Tensors[k].Name)
						if !ok {
							t.Fatalf("no output %s", alone.Tensors[k].Name)
						}
						a, b := own(spec, &alone.Tensors[k], 0, it), own(spec, got, i, it)
						if d := relative(t, b, a); !(d <= packedTolerance) {
							t.Errorf("seed %d, item %d of length %d in rows of %d: %s differs by %.2g from the item alone",
								seed, i, it.len(), row, got.Name, d)
						}
					}
				}
			}
		})
	}
}

// The items of a packed batch equal the reference's own numbers for the items alone.
func TestAPackedBatchEqualsTheReferenceAlone(t *testing.T) {
	compared := 0
	for _, c := range packable(t) {
		spec := open(t, c.Dir)
		var together *embed.Output
		var items int64
		for _, r := range c.Runs {
			if r.Name == "batch" {
				feed, _, err := r.Feed(spec.Modality)
				if err != nil {
					t.Fatal(err)
				}
				together, items = run(t, packed(t, spec, 512, model.CompileOptions{}), feed), feed[0].Shape[0]
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
				got, _ := together.Tensor(name)
				row := *got
				n := len(got.F32) / int(got.Shape[0])
				row.F32, row.Shape = got.F32[i*n:][:len(want.F32)], want.Shape
				if _, err := want.Compare(&row); err != nil {
					t.Errorf("%s/%s: item %d of the packed batch: %s: %v", c.Class, c.Name, i, name, err)
				}
				compared++
			}
		}
	}
	if compared < 40 {
		t.Errorf("only %d outputs compared: the committed cases have more", compared)
	}
	t.Logf("%d outputs compared", compared)
}
