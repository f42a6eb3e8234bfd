package heads

import (
	"fmt"
	"slices"

	"vecmill/embed"
	"vecmill/schemas"
)

// joinedFrames are the frames of whole objects whose windows overlap.
type joinedFrames struct{ *frames }

// Apply is Join of each sample alone.
func (c *joinedFrames) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	return embed.ApplyJoined(c, out, batch)
}

// Parts keeps of each sample the logits of the frames that count.
func (c *joinedFrames) Parts(out *embed.Output, batch []embed.Sample) ([]any, error) {
	parts, err := c.parts(out, batch)
	if err != nil {
		return nil, err
	}
	all := make([]any, len(parts))
	for i, p := range parts {
		if !finiteLogits(p) {
			return nil, fmt.Errorf("item %d: %w", i, ErrNotFinite)
		}
		all[i] = slices.Clone(p)
	}
	return all, nil
}

// Keeps counts a frame's logits, in the parts and while Join puts them together, its scores and which labels it has, and its segments twice.
func (c *joinedFrames) Keeps() (row, step int64) {
	_, segments := c.frames.Keeps()
	return 0, (2*4+8+1)*int64(len(c.framing.Labels)) + 2*24 + 2*segments
}

// Join makes segments of all frames of an object as one sequence, so that none ends where a window does.
func (c *joinedFrames) Join(parts []any) (schemas.Payload, error) {
	pieces, n := make([][]float32, len(parts)), 0
	for i, p := range parts {
		logits, ok := p.([]float32)
		if !ok {
			return schemas.Payload{}, fmt.Errorf("a part of frames is a %T", p)
		}
		pieces[i], n = logits, n+len(logits)
	}
	all := make([]float32, 0, n) // at once: growing would take twice as much
	for _, logits := range pieces {
		all = append(all, logits...)
	}
	segments, err := c.segments(all, 0)
	return schemas.Payload{Segments: segments}, err
}
