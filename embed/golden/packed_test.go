package golden_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/model"
	"vecmill/schemas"
)

// packedTolerance is that of a row: its sums are taken in another order than those of an item alone; steppedTolerance is a few steps of int8's 127, halfTolerance of half precision's 2048.
const (
	packedTolerance  = 1e-5
	steppedTolerance = 2e-2
	halfTolerance    = 2e-3
)

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
			for seed := range uint64(3) {
				packedEqualsAlone(t, open(t, c.Dir), model.CompileOptions{}, seed)
			}
		})
	}
}

// In whole numbers, and in halves, a difference of the last bit becomes one of a rounding step where a number lies between two of them.
func TestAPackedRowInOtherPrecisionsGivesEachItemWhatItGetsAlone(t *testing.T) {
	for _, p := range []model.Precision{model.Int8, model.Half} {
		for _, c := range packable(t) {
			if c.Name == "base" || p == model.Half {
				t.Run(string(p)+"/"+c.Class+"/"+c.Name, func(t *testing.T) {
					packedEqualsAlone(t, open(t, c.Dir), model.CompileOptions{Precision: p}, 1)
				})
			}
		}
	}
}

// What the neighbours are made of changes nothing, bit for bit: only where an item lies does, which is the order that sums are taken in.
func TestNeighboursInAPackedRowDoNotCount(t *testing.T) {
	for _, c := range packable(t) {
		t.Run(c.Class+"/"+c.Name, func(t *testing.T) {
			spec, r := open(t, c.Dir), rand.New(rand.NewPCG(6, 7))
			lengths, most := drawLengths(spec, r)
			items, others := randomItems(spec, r, lengths...), randomItems(spec, r, lengths...)
			for i := range others[1:] {
				for j := range others[1+i].f32 {
					others[1+i].f32[j] *= 1000
				}
			}
			others[0] = items[0]
			for _, p := range []model.Precision{model.Single, model.Int8, model.Half} {
				ses := packed(t, spec, 1024, model.CompileOptions{Precision: p})
				one, two := run(t, ses, batch(spec, items, most)), run(t, ses, batch(spec, others, most))
				for k := range one.Tensors {
					a, b := own(spec, &one.Tensors[k], 0, items[0]), own(spec, &two.Tensors[k], 0, items[0])
					if !slices.Equal(a, b) {
						t.Errorf("%s %s differs by %.2g beside other items", p, one.Tensors[k].Name, relative(t, b, a))
					}
				}
			}
		})
	}
}

// packedEqualsAlone compares items in packed rows with each alone in a graph of padded batches.
func packedEqualsAlone(t *testing.T, spec *model.Spec, o model.CompileOptions, seed uint64) {
	t.Helper()
	allowed := map[model.Precision]float64{model.Single: packedTolerance, model.Int8: steppedTolerance, model.Half: halfTolerance}[o.Precision]
	r := rand.New(rand.NewPCG(seed, 31))
	lengths, most := drawLengths(spec, r)
	more, m := drawLengths(spec, r)
	most = max(most, m)
	if spec.Text != nil { // the longest that the model takes
		most = spec.Text.MaxTokens()
		more = append(more, most)
	}
	items := randomItems(spec, r, append(lengths, more...)...)
	r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	longest := 0
	for _, it := range items {
		longest = max(longest, it.steps(spec))
	}
	row := longest + r.IntN(2*longest+1)
	together, plain := run(t, packed(t, spec, row, o), batch(spec, items, most)), session(t, spec, o)
	for i, it := range items {
		alone := run(t, plain, batch(spec, []item{it}, it.len()))
		for k := range alone.Tensors {
			got, ok := together.Tensor(alone.Tensors[k].Name)
			if !ok {
				t.Fatalf("no output %s", alone.Tensors[k].Name)
			}
			a, b := own(spec, &alone.Tensors[k], 0, it), own(spec, got, i, it)
			if d := relative(t, b, a); !(d <= allowed) {
				t.Errorf("seed %d, item %d of length %d in rows of %d: %s differs by %.2g from the item alone", seed, i, it.len(), row, got.Name, d)
			}
		}
	}
}

// The items of a packed batch equal the reference's own numbers for the items alone.
func TestAPackedBatchEqualsTheReferenceAlone(t *testing.T) {
	for _, p := range []model.Precision{model.Single, model.Half} {
		items := 0
		for _, c := range packable(t) {
			n, err := c.VerifyPacked(t.Context(), t.TempDir(), p, openOne)
			if err != nil {
				t.Errorf("precision %q: %v", p, err)
			}
			items += n
		}
		if items < 70 {
			t.Errorf("precision %q: only %d items compared: the committed cases have more", p, items)
		}
	}
}

// Items that see each other are found out.
func TestVerifyPackedFindsLeaks(t *testing.T) {
	all := packable(t)
	c := all[slices.IndexFunc(all, func(c golden.Case) bool { return c.Class == "Data2VecTextModel" && c.Name == "base" })]
	leaky := func(ctx context.Context, g model.Graph) (embed.Session, error) {
		s, err := openOne(ctx, g)
		return oneSegment{s}, err
	}
	for _, p := range []model.Precision{model.Single, model.Half} {
		if _, err := c.VerifyPacked(t.Context(), t.TempDir(), p, leaky); err == nil || !strings.Contains(err.Error(), "differs from the reference") {
			t.Errorf("precision %q, rows whose items see each other: %v", p, err)
		}
	}
}

// oneSegment makes one item of all in a row.
type oneSegment struct{ embed.Session }

// Run implements embed.Session.
func (s oneSegment) Run(ctx context.Context, in []embed.Tensor) (*embed.Output, error) {
	for _, t := range in {
		if t.Name == "segments" {
			for i, n := range t.I64 {
				t.I64[i] = min(n, 1)
			}
		}
	}
	return s.Session.Run(ctx, in)
}
