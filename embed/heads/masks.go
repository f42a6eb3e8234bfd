package heads

import (
	"errors"
	"fmt"
	"math"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// MaskForm is how a map of classes is stored.
type MaskForm string

// The forms of maps.
const (
	MaskRuns MaskForm = "runs" // run-length encoded
	MaskPNG  MaskForm = "png"  // a grey picture whose values are the classes, of 8 bits or, from 257 classes on, of 16
	MaskBoth MaskForm = "both"
)

// masks gives every pixel of the picture a class by logits [B, labels, H, W].
type masks struct {
	head
	labels []string
	form   MaskForm
}

func newMasks(h head, cfg Config, spec *model.Spec, graph *model.Graph) (embed.Head, error) {
	m := &masks{head: h, labels: spec.Labels, form: cfg.Mask}
	switch m.form {
	case MaskRuns, MaskPNG, MaskBoth:
	case "":
		m.form = MaskRuns
	default:
		return nil, fmt.Errorf("mask %q is not one of runs, png, both", cfg.Mask)
	}
	return m, h.labelled(spec, graph, 1)
}

// mapBytes is counted for a map of classes: 65,536 runs. That of a picture with more, which is one of many small specks, is not bounded before.
const mapBytes = 1 << 20

// Keeps counts what is usual.
func (m *masks) Keeps() (row, step int64) { return mapBytes, 0 }

// Apply gives each sample its Areas and Mask. Samples need a Tag that is an [embed.Picture].
func (m *masks) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, err := m.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	h, w := int(t.Shape[2]), int(t.Shape[3])
	if int(t.Shape[1]) != len(m.labels) || h < 1 || w < 1 {
		return nil, fmt.Errorf("output %s has shape %v for %d labels", m.output, t.Shape, len(m.labels))
	}
	payloads := make([]schemas.Payload, len(batch))
	size := len(m.labels) * h * w
	for i := range batch {
		if payloads[i], err = m.payload(t.F32[i*size:(i+1)*size], h, w, batch[i].Tag); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return payloads, nil
}

func (m *masks) payload(logits []float32, h, w int, tag any) (schemas.Payload, error) {
	from, ok := tag.(embed.Picture)
	if !ok {
		return schemas.Payload{}, errors.New("the sample's tag does not say how large the picture is")
	}
	width, height := from.Pixels()
	if width < 1 || height < 1 {
		return schemas.Payload{}, fmt.Errorf("the picture has %dx%d pixels", width, height)
	}
	for _, v := range logits {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return schemas.Payload{}, ErrNotFinite
		}
	}
	counts := make([]int, len(m.labels))
	p := schemas.Payload{Mask: schemas.Mask{Width: width, Height: height}}
	var picture *classPNG
	if m.form != MaskRuns {
		picture = newClassPNG(width, height, len(m.labels))
	}
	last := -1
	for row := range ClassRows(logits, h, w, height, width) {
		if picture != nil {
			picture.add(row)
		}
		for _, class := range row {
			counts[class]++
			if m.form == MaskPNG {
				continue
			}
			if class != last {
				p.Mask.Runs = append(p.Mask.Runs, schemas.Run{Class: class})
				last = class
			}
			p.Mask.Runs[len(p.Mask.Runs)-1].Length++
		}
	}
	if picture != nil {
		p.Mask.PNG = picture.bytes()
	}
	for class, n := range counts {
		if n > 0 {
			p.Areas = append(p.Areas, schemas.Area{Class: class, Label: m.labels[class], Share: float64(n) / (float64(width) * float64(height))})
		}
	}
	return p, nil
}
