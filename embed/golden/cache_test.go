package golden_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/model/graph"
)

// A text in two parts, the second of which takes the keys and values of the first, gets the logits of the text in one. So do texts with
// relative positions, where the reference counts from the end; and so they do in whole numbers, which are of a token's row alone.
func TestTheCacheGivesWhatTheWholeTextGives(t *testing.T) {
	tested := 0
	for _, c := range sequences(t) {
		spec := open(t, c.Dir)
		if spec.Text == nil || !spec.Text.IsDecoder || spec.Text.NumHiddenLayers == 0 || !slices.Contains(graph.Outputs(spec.Class), graph.PastKeyValues) {
			continue
		}
		tested++
		for _, precision := range []model.Precision{model.Single, model.Int8} {
			t.Run(c.Class+"/"+c.Name+"/"+string(precision), func(t *testing.T) { cacheGivesTheWhole(t, spec, precision) })
		}
	}
	if tested < 5 {
		t.Errorf("only %d decoders: the committed cases have more", tested)
	}
}

func cacheGivesTheWhole(t *testing.T, spec *model.Spec, precision model.Precision) {
	t.Helper()
	const n, first = 9, 4
	r := rand.New(rand.NewPCG(3, 1))
	items := randomItems(spec, r, n, n)
	var heads, tails []item
	for _, it := range items {
		heads, tails = append(heads, item{i64: it.i64[:first]}), append(tails, item{i64: it.i64[first:]})
	}
	give := model.CompileOptions{Outputs: []string{graph.PastKeyValues}, Precision: precision}
	take := model.CompileOptions{Inputs: []string{graph.PastKeyValues}, Precision: precision}
	whole := run(t, session(t, spec, model.CompileOptions{Precision: precision}), batch(spec, items, n))
	begin := run(t, session(t, spec, give), batch(spec, heads, first))
	feed := batch(spec, tails, n-first)
	feed[1] = batch(spec, items, n)[1] // the mask covers both parts
	for _, k := range begin.Tensors {
		if rest, ok := strings.CutPrefix(k.Name, "present."); ok {
			k.Name = "past_key_values." + rest
			feed = append(feed, k)
		}
	}
	end := run(t, session(t, spec, take), feed)
	for _, name := range []string{"last_hidden_state", "logits"} {
		want, ok := whole.Tensor(name)
		if !ok {
			continue // a base class has no logits
		}
		a, _ := begin.Tensor(name)
		b, _ := end.Tensor(name)
		if d := relative(t, joined(a, b), want.F32); !(d <= tolerance) {
			t.Errorf("%s in two parts differs by %.2g from the whole", name, d)
		}
	}
}

// joined puts two tensors [B, L, D] together along L.
func joined(a, b *embed.Tensor) []float32 {
	var out []float32
	rows := int(a.Shape[0])
	na, nb := len(a.F32)/rows, len(b.F32)/rows
	for i := range rows {
		out = append(append(out, a.F32[i*na:(i+1)*na]...), b.F32[i*nb:(i+1)*nb]...)
	}
	return out
}
