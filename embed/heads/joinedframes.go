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

// Keeps counts the logits of a frame; once in the parts, and twice while Join puts them together.
func (c *joinedFrames) Keeps() int64 { return 3 * 4 * int64(len(c.framing.Labels)) }

// Join makes segments of all frames of an object as one sequence, so that none ends where a window does.
func (c *joinedFrames) Join(parts []any) (schemas.Payload, error) {
	var all []float32
	for _, p := range parts {
		logits, ok := p.([]float32)
		if !ok {
			return schemas.Payload{}, fmt.Errorf("a part of frames is a %T", p)
		}
		all = append(all, logits...)
	}
	segments, err := c.segments(all, 0)
	return schemas.Payload{Segments: segments}, err
}
