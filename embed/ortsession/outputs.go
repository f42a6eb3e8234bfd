package ortsession

import (
	"slices"
	"sync"

	"vecmill/embed"
	"vecmill/model"
)

// learnt remembers which shapes came out for those that went in, so that outputs of a shape that has been seen are allocated here, in Go's memory, and not
// by the library, from whose memory they would have to be copied. It is safe for concurrent use.
type learnt struct {
	sync.Mutex
	byInput map[string][][]int64 // by the dimensions of the inputs, the outputs' shapes
}

// mostLearnt bounds the shapes that are remembered. Sessions that are fed fixed shapes see fewer; where shapes never repeat, nothing is lost but this.
const mostLearnt = 256

// dimensions are those of the inputs, as a key.
func dimensions(inputs []*embed.Tensor) string {
	var b []byte
	for _, t := range inputs {
		for _, d := range t.Shape {
			b = append(b, byte(d), byte(d>>8), byte(d>>16), byte(d>>24), byte(d>>32))
		}
		b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff)
	}
	return string(b)
}

// find gives the outputs' shapes, nil if they are not known.
func (l *learnt) find(key string) [][]int64 {
	l.Lock()
	defer l.Unlock()
	return l.byInput[key]
}

// learn keeps the shapes of a run's outputs.
func (l *learnt) learn(key string, out *embed.Output) {
	shapes := make([][]int64, len(out.Tensors))
	for i := range out.Tensors {
		shapes[i] = slices.Clone(out.Tensors[i].Shape)
	}
	l.Lock()
	defer l.Unlock()
	if _, known := l.byInput[key]; !known && len(l.byInput) < mostLearnt {
		l.byInput[key] = shapes
	}
}

// forget drops shapes that turned out not to follow from the inputs'; they are not learnt again.
func (l *learnt) forget(key string) {
	l.Lock()
	defer l.Unlock()
	l.byInput[key] = nil
}

// blank is an output of these shapes; nil if one of them holds nothing, which the library cannot be given a place for.
func blank(ports []model.Port, shapes [][]int64) *embed.Output {
	out := &embed.Output{Tensors: make([]embed.Tensor, len(ports))}
	for i, p := range ports {
		n := int64(1)
		for _, d := range shapes[i] {
			n *= d
		}
		if n < 1 {
			return nil
		}
		t := embed.Tensor{Name: p.Name, Shape: slices.Clone(shapes[i])}
		if p.Type == float32Type {
			t.F32 = make([]float32, n)
		} else {
			t.I64 = make([]int64, n)
		}
		out.Tensors[i] = t
	}
	return out
}
