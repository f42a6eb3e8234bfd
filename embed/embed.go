package embed

import (
	"context"
	"fmt"
	"slices"

	"vecmill/schemas"
)

// Preprocessor turns the bytes of one object into samples, exactly as the reference processor of the checkpoint does. It is
// safe for concurrent use and keeps nothing of blob: samples own their memory, until a [Recycler] gets it back.
type Preprocessor interface {
	// Footprint is an upper bound of the memory, in bytes, that an object of size bytes takes from here to its rows: the blob itself,
	// its decoded form and its samples. head holds the object's first bytes (all of it if it is small, none if unknown); size is -1 if unknown.
	// Objects over a limit that head already shows (30,000 x 30,000 pixels) are refused here with a Rejection, before anything is allocated.
	Footprint(ref schemas.Ref, head []byte, size int64) (int64, error)

	// Preprocess decodes and prepares blob: one sample per window, in order, at least one. Its errors are Rejections, or ctx's. It returns soon after ctx has ended: the engine gives up one
	// that does not, and never gets back what it holds.
	Preprocess(ctx context.Context, ref schemas.Ref, blob []byte) ([]Sample, error)

	// Digest identifies everything that decides a sample's values, hex: options, decoders, versions of their implementation.
	Digest() string
}

// Sample is one window of one object, ready for the model.
type Sample struct {
	Cost   int     // length along the padded axis in the model's own steps: frames, tokens, patches; at least 1. Of rows of token ids, rows times length
	Inputs []Input // by name; the model's, each once

	Window     int               // 0-based number of the window in its object
	Start, End float64           // seconds (audio) or tokens (text); 0, 0 for images
	Truncated  bool              // the object was longer than the model takes, and was cut
	Notes      map[string]string // what settings left open and the preprocessor found out: attributes of its rows, named vecmill.*; nil for none
	Tag        any               // the preprocessor's own, for the heads of its modality (offsets of tokens, picture size, ...)
}

// Rows is how many rows of a batch the sample is, one but of choices, which are a row of token ids each.
func (s *Sample) Rows() int {
	if len(s.Inputs) > 0 && s.Inputs[0].Name == idsInput && len(s.Inputs[0].Shape) == 2 {
		return max(s.Inputs[0].Shape[0], 1)
	}
	return 1
}

// Length is that of each row, in steps.
func (s *Sample) Length() int { return s.Cost / s.Rows() }

// Bytes is the memory that the sample's inputs hold, and its tag, if that says how much ([Sized]).
func (s *Sample) Bytes() int64 {
	var n int64
	if t, ok := s.Tag.(Sized); ok {
		n = t.Bytes()
	}
	for i := range s.Inputs {
		n += int64(cap(s.Inputs[i].F32))*4 + int64(len(s.Inputs[i].I64))*8
	}
	return n
}

// counting is the number of the sample's steps without those that are there for context only. Of a picture it is its pixels, which heads make something of, whatever the patches are.
func (s *Sample) counting() int64 {
	if p, ok := s.Tag.(Picture); ok {
		w, h := p.Pixels()
		return int64(w) * int64(h)
	}
	c, ok := s.Tag.(Chunk)
	if !ok || c.End <= c.Start {
		return int64(s.Cost)
	}
	n := int64(c.End - c.Start)
	return (int64(s.Cost)*(n-int64(c.Left)-int64(c.Right)) + n - 1) / n
}

// Input is one sample's value of one of the model's inputs, without the batch axis. Exactly one of F32 and I64 is set.
// Samples of one batch may differ in Shape[0], and rows of token ids in Shape[1] as well; the shorter are padded on the right with Pad.
type Input struct {
	Name  string    // the model's input name: input_values, lengths, input_ids, attention_mask, pixel_values, ...
	Shape []int     // empty for a scalar
	F32   []float32 // row-major
	I64   []int64   // row-major
	Pad   float64   // what fills the rest of a longer batch
}

// Tensor is a dense row-major array with a name. Exactly one of F32 and I64 is set.
type Tensor struct {
	Name  string    // of the graph's input or output
	Shape []int64   // empty for a scalar
	F32   []float32 // as many as the shape says
	I64   []int64   // likewise
}

// Output is what a session made of a batch: tensors whose first axis is the batch, in the session's order.
type Output struct {
	Tensors []Tensor // shapes [B, ...]
}

// Tensor finds an output by name.
func (o *Output) Tensor(name string) (*Tensor, bool) {
	for i := range o.Tensors {
		if o.Tensors[i].Name == name {
			return &o.Tensors[i], true
		}
	}
	return nil, false
}

// Finite says whether all values are numbers: none is NaN or infinite.
func (o *Output) Finite() bool {
	return !slices.ContainsFunc(o.Tensors, func(t Tensor) bool { return !finite(t.F32) })
}

// Part is the output's part of the items [from, to) of n, without copying. An output may have several rows for each item; one that has not as many for each is an error.
func (o *Output) Part(from, to, n int) (*Output, error) {
	own := &Output{Tensors: make([]Tensor, len(o.Tensors))}
	for i := range o.Tensors {
		t := &o.Tensors[i]
		if len(t.Shape) == 0 || t.Shape[0]%int64(n) != 0 || len(t.F32)%n != 0 || len(t.I64)%n != 0 {
			return nil, fmt.Errorf("output %s of a batch of %d items has shape %v", t.Name, n, t.Shape)
		}
		shape := slices.Clone(t.Shape)
		shape[0] = shape[0] / int64(n) * int64(to-from)
		own.Tensors[i] = Tensor{Name: t.Name, Shape: shape, F32: itemsOf(t.F32, from, to, n), I64: itemsOf(t.I64, from, to, n)}
	}
	return own, nil
}

func itemsOf[T float32 | int64](x []T, from, to, n int) []T {
	each := len(x) / n
	return x[from*each : to*each]
}

// Session runs one model. It is safe for concurrent use.
//
// Run computes a batch. inputs are those that the graph takes, each once and in any order, found by name; of an input [B, ...] every one has the same B, the number of items, and as many values as its shape says. They are
// not changed nor kept. The outputs are all that the session was opened for, in its own order, first axis B; they belong to the caller.
// It returns early with ctx's error when ctx ends. Any other error says that the session is closed, or what is wrong with these inputs (a name, a shape, a type, what the library makes of them); nothing of the batch is computed
// then, and the engine halves it until the bad item is alone.
//
// Close waits for running calls, and may be called again.
type Session interface {
	Run(ctx context.Context, inputs []Tensor) (*Output, error)
	Close() error
}

// Head makes results of a model's output: Apply returns one payload per sample of the batch, in order. out has the padded length; a head
// looks only at what belongs to each sample. It is pure and safe for concurrent use; an error concerns the whole batch, and the engine halves that: Apply is called again, with
// parts of out ([Output.Part]), until the sample that is refused is alone. Name is the head's in rows; Task says which columns of theirs the payloads fill. Both stay the same.
type Head interface {
	Name() string
	Task() schemas.Task
	Apply(out *Output, batch []Sample) ([]schemas.Payload, error)
}
