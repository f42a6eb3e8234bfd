package heads

import (
	"fmt"
	"math"

	"vecmill/model"
	"vecmill/model/float16"
	"vecmill/schemas"
)

// Precision is how a vector is stored.
type Precision string

// The precisions.
const (
	Single Precision = "fp32"
	Half   Precision = "fp16" // IEEE 754 binary16, rounded to nearest even
)

// form is how a head finishes a vector.
type form struct {
	unit bool // scaled to length 1
	half bool
}

func formOf(cfg Config) (form, error) {
	f := form{unit: !cfg.Raw}
	switch cfg.Precision {
	case Single, "":
	case Half:
		f.half = true
	default:
		return f, fmt.Errorf("precision %q is not one of fp32, fp16", cfg.Precision)
	}
	return f, nil
}

// bytes is the memory of a vector of the numbers on an axis of the head's output.
func (f form) bytes(h *head, graph *model.Graph, axis int) int64 {
	n := int64(4096) // an axis without a number: more than any checkpoint's
	if port, _ := graph.Output(h.output); len(port.Shape) == h.rank && port.Shape[axis] >= 0 {
		n = port.Shape[axis]
	}
	if f.half {
		return 2 * n
	}
	return 4 * n
}

// payload rounds v, which it may scale.
func (f form) payload(v []float64) (p schemas.Payload, err error) {
	for _, x := range v {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return p, ErrNotFinite
		}
	}
	if f.unit {
		Normalise(v)
	}
	if !f.half {
		p.Vector = make([]float32, len(v))
		for d, x := range v {
			p.Vector[d] = float32(x)
		}
		return p, nil
	}
	p.Half = make([]uint16, len(v))
	for d, x := range v {
		if !float16.Fits(x) {
			return p, fmt.Errorf("%g is too large for half precision", x)
		}
		p.Half[d] = float16.Bits(x)
	}
	return p, nil
}
