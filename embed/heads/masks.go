package heads

import (
	"encoding/binary"
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

// What a map takes of memory, beside what its pixels do: the labels' shares, and the compressor of a picture.
const (
	areaBytes = 2 * 48
	zlibBytes = 1 << 20
)

// Keeps counts a map in which no two pixels beside each other have one class: of each pixel, which are a picture's steps, a run, and what it was collected in; and in a picture its bytes as they are, which
// nothing makes smaller, in buffers that grow.
func (m *masks) Keeps() (row, step int64) {
	row = areaBytes * int64(len(m.labels))
	if m.form != MaskPNG {
		row, step = row+runsBytes, step+16+int64(uvarintBytes(len(m.labels)))+1
	}
	if m.form != MaskRuns {
		depth := int64(1)
		if len(m.labels) > 256 {
			depth = 2
		}
		row, step = row+zlibBytes, step+4*depth
	}
	return row, step
}

// uvarintBytes is how many bytes the number of a class takes.
func uvarintBytes(classes int) int { return len(binary.AppendUvarint(nil, uint64(max(classes-1, 0)))) }

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
	var runs packedRuns
	for row := range ClassRows(logits, h, w, height, width) {
		if picture != nil {
			picture.add(row)
		}
		for _, class := range row {
			counts[class]++
		}
		if m.form != MaskPNG {
			runs.add(row)
		}
	}
	if picture != nil {
		p.Mask.PNG = picture.bytes()
	}
	if m.form != MaskPNG {
		p.Mask.Runs = runs.all()
	}
	for class, n := range counts {
		if n > 0 {
			p.Areas = append(p.Areas, schemas.Area{Class: class, Label: m.labels[class], Share: float64(n) / (float64(width) * float64(height))})
		}
	}
	return p, nil
}

// packedRuns are runs under construction, two bytes for most: how many there will be is not known, and a slice of runs that grows leaves several times as much behind.
type packedRuns struct {
	parts [][]byte // of runsBytes each
	n     int
	last  schemas.Run // not packed yet
}

const runsBytes = 64 << 10

// add goes on with a row of classes.
func (r *packedRuns) add(classes []int) {
	for _, class := range classes {
		if class != r.last.Class || r.last.Length == 0 {
			r.close()
			r.last.Class = class
		}
		r.last.Length++
	}
}

func (r *packedRuns) close() {
	if r.last.Length == 0 {
		return
	}
	k := len(r.parts) - 1
	if k < 0 || cap(r.parts[k])-len(r.parts[k]) < 2*binary.MaxVarintLen64 {
		r.parts, k = append(r.parts, make([]byte, 0, runsBytes)), k+1
	}
	r.parts[k] = binary.AppendUvarint(binary.AppendUvarint(r.parts[k], uint64(r.last.Class)), uint64(r.last.Length))
	r.n++
	r.last.Length = 0
}

// all are the runs.
func (r *packedRuns) all() []schemas.Run {
	r.close()
	runs := make([]schemas.Run, 0, r.n)
	for _, b := range r.parts {
		for len(b) > 0 {
			class, n := binary.Uvarint(b)
			length, k := binary.Uvarint(b[n:])
			runs, b = append(runs, schemas.Run{Class: int(class), Length: int(length)}), b[n+k:]
		}
	}
	return runs
}
