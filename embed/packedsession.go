package embed

import (
	"context"
	"fmt"

	"vecmill/model"
)

// packedSession packs padded batches.
type packedSession struct {
	Session
	spec    *model.Spec
	packing *Packing
}

// Packed makes a session of a graph of packed rows one that takes and gives padded batches, as a graph of the class itself does: it packs the items, and pads
// their results with zeros. Masks must be ones, then zeros. It is how such a graph is compared with others; an [Engine] packs for itself.
// A batch that does not fit the packing's rows is an error.
func Packed(s Session, spec *model.Spec, p *Packing) Session { return &packedSession{s, spec, p} }

// Run implements Session.
func (s *packedSession) Run(ctx context.Context, inputs []Tensor) (*Output, error) {
	samples, err := s.samples(inputs)
	if err != nil {
		return nil, fmt.Errorf("packing a padded batch: %w", err)
	}
	f := filling{packing: s.packing}
	for i := range samples {
		if !f.put(samples[i].Cost) {
			return nil, fmt.Errorf("packing a padded batch: item %d of %d does not fit %d rows of %d steps", i, len(samples), s.packing.Rows, s.packing.Row)
		}
	}
	l := f.layout()
	packed, err := s.packing.collate(samples, l, &Floats{})
	if err != nil {
		return nil, err
	}
	out, err := s.Session.Run(ctx, packed)
	if err != nil {
		return nil, err
	}
	own, err := s.packing.unpack(out, samples, l)
	if err != nil {
		return nil, err
	}
	return joinPadded(own, s.longest(inputs))
}

// longest is the length of the padded batch in the model's steps.
func (s *packedSession) longest(inputs []Tensor) int64 {
	for i := range inputs {
		switch inputs[i].Name {
		case valuesInput:
			return int64(s.spec.Audio.Frames(int(inputs[i].Shape[1])))
		case idsInput:
			return inputs[i].Shape[len(inputs[i].Shape)-1]
		}
	}
	return 0
}

// samples takes a padded batch apart.
func (s *packedSession) samples(inputs []Tensor) ([]Sample, error) {
	var values, lengths, ids, mask *Tensor
	for i := range inputs {
		switch t := &inputs[i]; t.Name {
		case valuesInput:
			values = t
		case "lengths":
			lengths = t
		case idsInput:
			ids = t
		case maskInput:
			mask = t
		default:
			return nil, fmt.Errorf("packed rows take no input %s", t.Name)
		}
	}
	switch {
	case s.spec.Audio != nil && values != nil && lengths != nil && len(values.Shape) == 2 && len(lengths.I64) == int(values.Shape[0]):
		return s.clipSamples(values, lengths)
	case s.spec.Text != nil && ids != nil && mask != nil && len(ids.I64) == len(mask.I64) && len(ids.Shape) >= 2 && len(ids.I64) > 0:
		return textSamples(ids, mask)
	}
	return nil, fmt.Errorf("the inputs are not those of a padded batch of %s", s.spec.Class)
}

func (s *packedSession) clipSamples(values, lengths *Tensor) ([]Sample, error) {
	out := make([]Sample, len(lengths.I64))
	width := int(values.Shape[1])
	for i := range out {
		n := min(max(int(lengths.I64[i]), 0), width)
		frames := s.spec.Audio.Frames(n)
		if frames == 0 {
			return nil, fmt.Errorf("clip %d has %d samples, too few for a frame", i, n)
		}
		out[i] = Sample{Cost: frames, Inputs: []Input{{Name: valuesInput, Shape: []int{n}, F32: values.F32[i*width:][:n]}}}
	}
	return out, nil
}

// textSamples leaves out what is padding in all rows of an item.
func textSamples(ids, mask *Tensor) ([]Sample, error) {
	out := make([]Sample, ids.Shape[0])
	each, long := len(ids.I64)/len(out), int(ids.Shape[len(ids.Shape)-1])
	for i := range out {
		x, m := ids.I64[i*each:][:each], mask.I64[i*each:][:each]
		shape := []int{each / long, long}
		if len(ids.Shape) == 2 {
			n, err := ones(m)
			if err != nil {
				return nil, fmt.Errorf("item %d: %w", i, err)
			}
			x, m, shape = x[:n], m[:n], []int{n}
		}
		out[i] = Sample{Cost: len(x), Inputs: []Input{{Name: idsInput, Shape: shape, I64: x}, {Name: maskInput, Shape: shape, I64: m}}}
	}
	return out, nil
}

// joinPadded stacks the outputs of single items, which are padded with zeros to a length where they have steps.
func joinPadded(own []Output, longest int64) (*Output, error) {
	out := &Output{}
	for k := range own[0].Tensors {
		first := &own[0].Tensors[k]
		t := Tensor{Name: first.Name, Shape: append([]int64{int64(len(own))}, first.Shape[1:]...)}
		if !perItem(first) {
			t.Shape[1] = longest
		}
		each := 1
		for _, d := range t.Shape[1:] {
			each *= int(d)
		}
		t.F32 = make([]float32, len(own)*each)
		for i := range own {
			if x := own[i].Tensors[k].F32; copy(t.F32[i*each:(i+1)*each], x) < len(x) {
				return nil, fmt.Errorf("unpacking output %s: item %d has %d values, item 0 room for %d", t.Name, i, len(x), each)
			}
		}
		out.Tensors = append(out.Tensors, t)
	}
	return out, nil
}
