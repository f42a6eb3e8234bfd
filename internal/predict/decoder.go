package predict

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/model/graph"
)

// runFunc runs the graph on inputs under Hugging Face's names.
type runFunc func(ctx context.Context, in []embed.Tensor) ([]embed.Tensor, error)

// decoder is a language model that writes: a [generate.Model]. With a cache each token is one run over that token and the keys and values of what
// is before it; without, one over the whole text. A graph takes no tensor of size zero, so the cache begins with one key that the mask hides: a
// single graph serves for the prompt and for what follows.
type decoder struct {
	run      runFunc
	cfg      *model.TextConfig
	cached   bool
	fromZero bool // count positions as the reference's generate() does

	texts [][]int32      // of each row, the same length all
	past  []embed.Tensor // of each layer keys and values [rows, heads, 1+tokens, width]
}

// Start implements [generate.Model].
func (d *decoder) Start(ctx context.Context, prompt []int32) ([]float32, error) {
	d.texts = [][]int32{prompt}
	if !d.cached {
		return d.whole(ctx, prompt)
	}
	heads, width := int64(d.cfg.NumAttentionHeads), int64(d.cfg.HiddenSize/d.cfg.NumAttentionHeads)
	d.past = nil
	for i := range d.cfg.NumHiddenLayers {
		for _, kind := range []string{"key", "value"} {
			d.past = append(d.past, embed.Tensor{
				Name: fmt.Sprintf("%s.%d.%s", graph.PastKeyValues, i, kind), Shape: []int64{1, heads, 1, width}, F32: make([]float32, heads*width),
			})
		}
	}
	rows, err := d.onward(ctx, len(prompt))
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// Step implements [generate.Model].
func (d *decoder) Step(ctx context.Context, parents []int, tokens []int32) ([][]float32, error) {
	texts := make([][]int32, len(parents))
	for i, p := range parents {
		texts[i] = append(slices.Clip(d.texts[p]), tokens[i])
	}
	if d.cached {
		d.pick(parents)
	}
	d.texts = texts
	if d.cached {
		return d.onward(ctx, 1)
	}
	rows := make([][]float32, len(texts))
	for i, text := range texts { // one by one: a batch would hold the logits of every token of every text
		var err error
		if rows[i], err = d.whole(ctx, text); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// whole gives the logits behind a text by a run over all of it.
func (d *decoder) whole(ctx context.Context, text []int32) ([]float32, error) {
	e := encoded{ids: text}
	in := e.run()
	if d.fromZero {
		in = append(in, embed.Tensor{Name: "position_ids", Shape: in[0].Shape, I64: d.positions(text)})
	}
	out, err := d.run(ctx, in)
	if err != nil {
		return nil, err
	}
	logits, err := output(out, "logits")
	if err != nil {
		return nil, err
	}
	return slices.Clone(logits.F32[len(logits.F32)-width(logits):]), nil
}

// onward runs over the last n tokens of every text, and remembers their keys and values.
func (d *decoder) onward(ctx context.Context, n int) ([][]float32, error) {
	rows, length := len(d.texts), len(d.texts[0])
	ids, at, mask := make([]int64, 0, rows*n), make([]int64, 0, rows*n), make([]int64, 0, rows*(length+1))
	for _, text := range d.texts {
		for _, id := range text[length-n:] {
			ids = append(ids, int64(id))
		}
		at = append(at, d.positions(text)[length-n:]...)
		mask = append(append(mask, 0), slices.Repeat([]int64{1}, length)...)
	}
	shape := []int64{int64(rows), int64(n)}
	out, err := d.run(ctx, append([]embed.Tensor{
		{Name: "input_ids", Shape: shape, I64: ids},
		{Name: "position_ids", Shape: shape, I64: at},
		{Name: "attention_mask", Shape: []int64{int64(rows), int64(length + 1)}, I64: mask},
	}, d.past...))
	if err != nil {
		return nil, err
	}
	for i := range d.past {
		name := strings.Replace(d.past[i].Name, graph.PastKeyValues, "present", 1)
		present, err := output(out, name)
		if err != nil {
			return nil, err
		}
		d.past[i].Shape, d.past[i].F32 = present.Shape, present.F32
	}
	logits, err := output(out, "logits")
	if err != nil {
		return nil, err
	}
	v := width(logits)
	last := make([][]float32, rows)
	for i := range last {
		last[i] = logits.F32[((i+1)*n-1)*v : (i+1)*n*v]
	}
	return last, nil
}

// positions are those that the forward pass gives the tokens of a text, or generate().
func (d *decoder) positions(text []int32) []int64 {
	out, seen, pad := make([]int64, len(text)), int64(0), int64(d.cfg.PadTokenID)
	for i, id := range text {
		switch {
		case d.fromZero:
			out[i] = int64(i)
		case int64(id) == pad:
			out[i] = pad
		default:
			seen++
			out[i] = pad + seen
		}
	}
	return out
}

// pick makes rows of the cache of some of its rows.
func (d *decoder) pick(rows []int) {
	same := int64(len(rows)) == d.past[0].Shape[0]
	for i, r := range rows {
		same = same && i == r
	}
	if same {
		return
	}
	for i := range d.past {
		t := &d.past[i]
		size := len(t.F32) / int(t.Shape[0])
		values := make([]float32, 0, size*len(rows))
		for _, r := range rows {
			values = append(values, t.F32[r*size:(r+1)*size]...)
		}
		t.F32, t.Shape = values, append([]int64{int64(len(rows))}, t.Shape[1:]...)
	}
}
