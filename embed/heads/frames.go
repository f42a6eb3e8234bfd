package heads

import (
	"errors"
	"fmt"
	"slices"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// frames names each of an item's own frames by logits [B, T, labels] and joins neighbours of one label.
type frames struct {
	head
	steps   steps
	framing Framing
}

func newFrames(h head, cfg Config, spec *model.Spec, graph *model.Graph) (embed.Head, error) {
	if spec.Audio == nil {
		return nil, errors.New("the checkpoint has no audio configuration")
	}
	if err := h.labelled(spec, graph, 2); err != nil {
		return nil, err
	}
	rate, _, err := samplingRate(spec.Dir)
	if err != nil {
		return nil, err
	}
	f := &frames{head: h, steps: stepsOf(spec), framing: Framing{
		Labels: spec.Labels, Function: cfg.Transform, Threshold: cfg.Threshold, Hop: spec.Audio.OutputHopSamples(), Rate: rate,
	}}
	if f.framing.Function == "" {
		f.framing.Function = Softmax
	}
	if f.framing.Function == Sigmoid && f.framing.Threshold == 0 {
		f.framing.Threshold = 0.5
	}
	if err := f.framing.Validate(); err != nil || !cfg.Joined {
		return f, err
	}
	return &joinedFrames{f}, nil
}

// Apply gives each sample its Segments with seconds from the start of the object; a segment's score is the mean score of its label
// over its frames.
func (c *frames) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	parts, err := c.parts(out, batch)
	if err != nil {
		return nil, err
	}
	payloads := make([]schemas.Payload, len(batch))
	for i := range batch {
		if payloads[i].Segments, err = c.segments(parts[i], batch[i].Start); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return payloads, nil
}

// segmentBytes is the memory of a segment beside its label.
const segmentBytes = 48

// Keeps counts a segment for each frame; with several labels at once, for every second frame of each label.
func (c *frames) Keeps() (row, step int64) {
	most := 1
	if c.framing.Function == Sigmoid {
		most = (len(c.framing.Labels) + 1) / 2
	}
	longest := 0
	for _, name := range c.framing.Labels {
		longest = max(longest, len(name))
	}
	return 0, int64(most * (segmentBytes + longest))
}

// parts are the logits of each sample's frames that count. They share memory with out.
func (c *frames) parts(out *embed.Output, batch []embed.Sample) ([][]float32, error) {
	t, err := c.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	padded, width := int(t.Shape[1]), int(t.Shape[2])
	if width != len(c.framing.Labels) {
		return nil, fmt.Errorf("output %s has %d logits for %d labels", c.output, width, len(c.framing.Labels))
	}
	parts := make([][]float32, len(batch))
	for i := range batch {
		from, to, err := c.steps.counting(&batch[i], padded, c.framing.Hop)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		parts[i] = t.F32[(i*padded+from)*width : (i*padded+to)*width]
	}
	return parts, nil
}

func (c *frames) segments(logits []float32, start float64) ([]schemas.Segment, error) {
	f := c.framing
	f.Start = start
	scores, has, err := f.Scores(logits)
	if err != nil {
		return nil, err
	}
	found := f.Segments(scores, has)
	all := slices.Grow([]schemas.Segment(nil), len(found))
	for _, s := range found {
		all = append(all, schemas.Segment{Label: s.Label, Start: s.Start, End: s.End, Score: float32(s.Score)})
	}
	return all, nil
}
