package embed

import (
	"errors"
	"fmt"
)

// Names of the inputs of packed graphs, beside input_ids and input_values.
const (
	segmentsInput  = "segments"
	firstsInput    = "firsts"
	positionsInput = "position_ids"
	idsInput       = "input_ids"
	maskInput      = "attention_mask"
	valuesInput    = "input_values"
)

// errNoNumber is what a packed batch fails with so that it is taken apart: in a row of several items such a value could have come from a neighbour.
var errNoNumber = errors.New("a value is not a number")

// Collate lays samples out in the tensors of a packed batch: each where l, which is of these samples in this order, has it.
func (p *Packing) Collate(batch []Sample, l *Layout) ([]Tensor, error) {
	return p.collate(batch, l, &Floats{})
}

// collate lays samples out in packed tensors.
func (p *Packing) collate(batch []Sample, l *Layout, floats *Floats) ([]Tensor, error) {
	items := 0
	for i := range batch {
		if len(batch[i].Inputs) == 0 {
			return nil, fmt.Errorf("packing: sample %d has no inputs", i)
		}
		items += batch[i].Rows()
	}
	items = max((items+p.Items-1)/p.Items, 1) * p.Items
	w := &packedBatch{packing: p, layout: l, segments: make([]int64, l.Steps()), firsts: make([]int64, 0, items)}
	if p.Hop > 0 {
		w.width = (l.Length-1)*p.Hop + p.Reach
		w.values = floats.Get(l.Rows * w.width)
		clear(w.values)
	} else {
		w.ids, w.positions = make([]int64, l.Steps()), make([]int64, l.Steps())
		for i := range w.ids {
			w.ids[i], w.positions[i] = p.Pad, p.Pad
		}
	}
	for i := range batch {
		put := w.putText
		if p.Hop > 0 {
			put = w.putAudio
		}
		if err := put(&batch[i], l.places[i]); err != nil {
			return nil, fmt.Errorf("packing sample %d: %w", i, err)
		}
	}
	shape := []int64{int64(l.Rows), int64(l.Length)}
	out := []Tensor{
		{Name: segmentsInput, Shape: shape, I64: w.segments},
		{Name: firstsInput, Shape: []int64{int64(items)}, I64: w.firsts[:items]}, // what is left are zeros
	}
	if p.Hop > 0 {
		return append(out, Tensor{Name: valuesInput, Shape: []int64{int64(l.Rows), int64(w.width)}, F32: w.values}), nil
	}
	return append(out, Tensor{Name: idsInput, Shape: shape, I64: w.ids}, Tensor{Name: positionsInput, Shape: shape, I64: w.positions}), nil
}

// packedBatch is the tensors of a batch while samples are written into them.
type packedBatch struct {
	packing          *Packing
	layout           *Layout
	segments, firsts []int64
	ids, positions   []int64   // text
	values           []float32 // audio
	width            int       // samples of a row
}

// mark makes n steps from at on the next item of the graph.
func (w *packedBatch) mark(at, n int) {
	w.firsts = append(w.firsts, int64(at))
	for i := range n {
		w.segments[at+i] = int64(len(w.firsts))
	}
}

// begin is where a sample of n steps begins in all rows together.
func (w *packedBatch) begin(n int, to origin) (int, error) {
	if to.row >= w.layout.Rows || to.at+n > w.layout.Length {
		return 0, fmt.Errorf("%d steps from %d on do not fit a row of %d", n, to.at, w.layout.Length)
	}
	return to.row*w.layout.Length + to.at, nil
}

func (w *packedBatch) putText(s *Sample, to origin) error {
	ids, mask := &s.Inputs[0], (*Input)(nil)
	for i := range s.Inputs[1:] {
		if in := &s.Inputs[1+i]; in.Name == maskInput {
			mask = in
			continue
		}
		return fmt.Errorf("packed rows take no input %s", s.Inputs[1+i].Name)
	}
	if ids.Name != idsInput || mask == nil || len(mask.I64) != len(ids.I64) || len(ids.I64) == 0 {
		return fmt.Errorf("the inputs are not %s and %s of one shape", idsInput, maskInput)
	}
	at, err := w.begin(len(ids.I64), to)
	if err != nil {
		return err
	}
	texts := s.Rows()
	long := len(ids.I64) / texts
	for i := range texts {
		own, err := ones(mask.I64[i*long : (i+1)*long])
		if err != nil {
			return err
		}
		w.mark(at+i*long, own)
		w.text(at+i*long, ids.I64[i*long:][:own])
	}
	return nil
}

// ones counts the ones that a mask begins with.
func ones(mask []int64) (n int, err error) {
	for n < len(mask) && mask[n] != 0 {
		n++
	}
	for _, m := range mask[n:] {
		if m != 0 {
			return 0, fmt.Errorf("its %s has ones behind zeros: packed rows have no holes", maskInput)
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("its %s has no ones", maskInput)
	}
	return n, nil
}

// text copies ids and counts positions as the reference does: those that are not padding, by id, from behind the padding's own on.
func (w *packedBatch) text(at int, ids []int64) {
	next := w.packing.Pad
	for i, id := range ids {
		w.ids[at+i] = id
		if id != w.packing.Pad {
			next++
			w.positions[at+i] = next
		}
	}
}

func (w *packedBatch) putAudio(s *Sample, to origin) error {
	p, x := w.packing, &s.Inputs[0]
	if x.Name != valuesInput || len(x.Shape) != 1 {
		return fmt.Errorf("its first input is %s %v, not the samples of a clip", x.Name, x.Shape)
	}
	at, err := w.begin(s.Cost, to)
	if err != nil {
		return err
	}
	w.mark(at, s.Cost)
	// The samples behind the last whole frame are none of the model's business, and could be in a neighbour's place.
	copy(w.values[to.row*w.width+to.at*p.Hop:], x.F32[:min(len(x.F32), (s.Cost-1)*p.Hop+p.Reach)])
	return nil
}

// unpack gives each sample its own part of a packed batch's output, as a session gives it to a batch of one, without copying: what the model makes of
// every step is contiguous in a row.
func (p *Packing) unpack(out *Output, batch []Sample, l *Layout) ([]Output, error) {
	own := make([]Output, len(batch))
	for k := range out.Tensors {
		t := &out.Tensors[k]
		values := 1
		for _, d := range t.Shape {
			values *= int(d)
		}
		if t.F32 == nil || len(t.F32) != values {
			return nil, fmt.Errorf("unpacking: output %s has %d float32 values for shape %v", t.Name, len(t.F32), t.Shape)
		}
		item := 0
		for i := range batch {
			n := batch[i].Rows()
			part, err := p.cut(t, &batch[i], l, l.places[i], item, n)
			if err != nil {
				return nil, fmt.Errorf("unpacking output %s: %w", t.Name, err)
			}
			if len(batch) > 1 && !finite(part.F32) {
				return nil, fmt.Errorf("output %s: %w", t.Name, errNoNumber)
			}
			own[i].Tensors = append(own[i].Tensors, part)
			item += n
		}
	}
	return own, nil
}

// cut is one sample's part of an output, which has a row for each of the graph's items or for each step.
func (p *Packing) cut(t *Tensor, s *Sample, l *Layout, at origin, item, items int) (Tensor, error) {
	if perItem(t) {
		width := int(t.Shape[1])
		if int64(item+items) > t.Shape[0] {
			return Tensor{}, fmt.Errorf("shape %v has no item %d", t.Shape, item+items-1)
		}
		return Tensor{Name: t.Name, Shape: []int64{1, int64(items * width)}, F32: t.F32[item*width : (item+items)*width]}, nil
	}
	if len(t.Shape) < 2 || t.Shape[0] != int64(l.Rows) || t.Shape[1] != int64(l.Length) {
		return Tensor{}, fmt.Errorf("shape %v, want %d rows of %d steps", t.Shape, l.Rows, l.Length)
	}
	width := len(t.F32) / l.Steps()
	from := (at.row*l.Length + at.at) * width
	return Tensor{Name: t.Name, Shape: append([]int64{1, int64(s.Cost)}, t.Shape[2:]...), F32: t.F32[from : from+s.Cost*width]}, nil
}

// perItem says whether an output has a row of values for each item. Two axes say so, but for the spans of answers: a score for each token.
func perItem(t *Tensor) bool {
	return len(t.Shape) == 2 && t.Name != "start_logits" && t.Name != "end_logits"
}

func finite(x []float32) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}
