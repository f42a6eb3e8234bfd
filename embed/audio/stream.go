package audio

import (
	"context"

	"vecmill/embed"
	"vecmill/schemas"
)

// Stream decodes blob and gives each sample to emit as soon as its audio is there: of a recording that is taken apart no more is held than its bytes, a window and what is decoded at a time. The
// errors are Preprocess's.
func (p *Preprocessor) Stream(ctx context.Context, _ schemas.Ref, blob []byte, emit func(embed.Sample) error) error {
	if !p.opts.cuts() {
		x, truncated, err := p.read(ctx, blob)
		if err != nil {
			return err
		}
		if err := p.enough(len(x)); err != nil {
			return err
		}
		return emit(p.sample(x, 0, 0, truncated))
	}
	d, done, err := p.open(ctx, blob)
	if err != nil {
		return err
	}
	defer done()
	c := &cutter{p: p, emit: emit, x: p.floats.Get(p.held(d.header()))[:0], chunks: p.chunks, tail: p.tail}
	defer func() { p.floats.Put(c.x) }()
	if c.length, c.left, c.right, err = p.chunking.Samples(); err != nil {
		return err
	}
	return p.pump(ctx, d, c.take)
}

// Chunks decodes blob and gives emit each part that c cuts it into, normalised by itself, as soon as its audio is there; no more is held than the bytes and a part. The options for long audio do not count, but the
// limit of its length does. As in the reference's pipeline a part without one frame is no part of the one before it: it is refused. The errors are Preprocess's.
func (p *Preprocessor) Chunks(ctx context.Context, blob []byte, c embed.Chunking, emit func(embed.Sample) error) error {
	length, left, right, err := c.Samples()
	if err != nil {
		return err
	}
	d, done, err := p.open(ctx, blob)
	if err != nil {
		return err
	}
	defer done()
	h := d.header()
	held := min(p.capacity(h), length+1+int(p.resampled(max(h.rate, minRate), 2*blockSamples)))
	cut := &cutter{p: p, x: p.floats.Get(held)[:0], chunks: c.Chunks, length: length, left: left, right: right}
	defer func() { p.floats.Put(cut.x) }()
	cut.emit = func(s embed.Sample) error {
		if err := p.enough(s.Inputs[0].Shape[0]); err != nil {
			return err
		}
		return emit(s)
	}
	return p.pump(ctx, d, func(b block) error {
		if err := cut.put(b); err != nil {
			return err
		}
		return cut.overlaps()
	})
}

// cutter makes windows of a stream of samples.
type cutter struct {
	p      *Preprocessor
	emit   func(embed.Sample) error
	x      []float32 // samples from base on
	base   int
	number int  // windows so far
	split  bool // longer than what is one window
	ended  bool

	length, left, right int // of overlap
	chunks              func(samples int) ([]embed.Chunk, error)
	tail                int // fewest samples that are a chunk

	voice *voice    // of speech
	lead  []float32 // the beginning, until there has been speech
}

// total is the number of samples so far.
func (c *cutter) total() int { return c.base + len(c.x) }

// put appends what a block has become, within the limit.
func (c *cutter) put(b block) error {
	c.x, c.ended = b.onto(c.x), b.last
	if int64(c.total()) > c.p.limitSamples {
		return c.p.tooLong(-1)
	}
	return nil
}

func (c *cutter) take(b block) error {
	if err := c.put(b); err != nil {
		return err
	}
	if b.last && c.base == 0 {
		if err := c.p.enough(c.total()); err != nil {
			return err
		}
	}
	switch c.p.opts.Long {
	case Overlap:
		return c.overlaps()
	case Speech:
		return c.speech()
	}
	return c.windows()
}

// whole says whether the recording is not known to be longer than what is one window; it gives that in the end.
func (c *cutter) whole() (bool, error) {
	if c.split || int64(c.total()) > c.p.maxSamples {
		c.split = true
		return false, nil
	}
	if !c.ended {
		return true, nil
	}
	return true, c.give(c.total(), c.total(), nil)
}

// windows gives consecutive windows once it is certain where they end. A tail too short for one frame stays with the window before it, so nothing is dropped. Each sample is normalised by
// itself, as the reference does with each chunk.
func (c *cutter) windows() error {
	if whole, err := c.whole(); whole || err != nil {
		return err
	}
	for w := int(c.p.windowSamples); len(c.x) > 0; {
		end := c.base + w
		if !c.ended && c.total() < end+c.p.tail {
			return nil
		}
		end = min(end, c.total())
		if end < c.total() && !c.p.suffices(c.total()-end) {
			end = c.total()
		}
		if err := c.give(end, end, nil); err != nil {
			return err
		}
	}
	return nil
}

// overlaps gives windows that share context with their neighbours, each with its [embed.Chunk] as Tag. All is one window if it is no longer than that.
func (c *cutter) overlaps() error {
	step := c.length - c.left - c.right
	for !c.ended && c.total() >= c.base+max(c.length+1, step+c.tail) {
		chunk := embed.Chunk{Start: c.base, End: c.base + c.length, Left: c.left, Right: c.right}
		if c.number == 0 {
			chunk.Left = 0
		}
		if err := c.give(chunk.End, c.base+step, chunk); err != nil {
			return err
		}
	}
	if !c.ended {
		return nil
	}
	chunks, err := c.chunks(c.total())
	if err != nil {
		return err
	}
	for _, chunk := range chunks[min(c.number, len(chunks)):] {
		c.forward(chunk.Start)
		if err := c.give(chunk.End, chunk.Start, chunk); err != nil {
			return err
		}
	}
	return nil
}

// chunks are those of n samples; a last one that is too short for a frame by itself stays with the one before it.
func (p *Preprocessor) chunks(n int) ([]embed.Chunk, error) {
	chunks, err := p.chunking.Chunks(n)
	if err != nil {
		return nil, err
	}
	if k := len(chunks) - 1; k > 0 && !p.suffices(chunks[k].End-chunks[k].Start) {
		chunks[k-1].End, chunks[k-1].Right = chunks[k].End, 0
		chunks = chunks[:k]
	}
	return chunks, nil
}

// give emits the samples up to end as a window, and forgets those before next.
func (c *cutter) give(end, next int, tag any) error {
	x := c.p.floats.Get(end - c.base)
	copy(x, c.x)
	s := c.p.sample(x, c.number, c.base, false)
	s.Tag = tag
	c.number++
	c.forward(next)
	return c.emit(s)
}

// forward forgets the samples before at.
func (c *cutter) forward(at int) {
	if n := at - c.base; n > 0 {
		c.x = c.x[:copy(c.x, c.x[n:])]
		c.base = at
	}
}
