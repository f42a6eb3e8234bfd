package heads

import (
	"errors"
	"fmt"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// frames names each of an item's own frames by the best of logits [B, T, labels] and joins neighbours of one label.
type frames struct {
	head
	steps  steps
	labels []string
	hop    int // samples per frame
	rate   int // samples per second
}

func newFrames(h head, _ Config, spec *model.Spec, graph *model.Graph) (embed.Head, error) {
	if spec.Audio == nil {
		return nil, errors.New("the checkpoint has no audio configuration")
	}
	if err := h.labelled(spec, graph, 2); err != nil {
		return nil, err
	}
	rate, err := samplingRate(spec.Dir)
	if err != nil {
		return nil, err
	}
	return &frames{head: h, steps: stepsOf(spec), labels: spec.Labels, hop: spec.Audio.OutputHopSamples(), rate: rate}, nil
}

// Apply gives each sample its Segments with seconds from the start of the object; a segment's score is the mean probability of its label
// over its frames (softmax).
func (c *frames) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, err := c.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	padded, width := int(t.Shape[1]), int(t.Shape[2])
	if width != len(c.labels) {
		return nil, fmt.Errorf("output %s has %d logits for %d labels", c.output, width, len(c.labels))
	}
	payloads := make([]schemas.Payload, len(batch))
	for i := range batch {
		n, err := c.steps(&batch[i], padded)
		if err == nil {
			payloads[i].Segments, err = c.segments(t.F32[i*padded*width:(i*padded+n)*width], batch[i].Start)
		}
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return payloads, nil
}

func (c *frames) segments(logits []float32, start float64) ([]schemas.Segment, error) {
	var all []schemas.Segment
	n, width := len(logits)/len(c.labels), len(c.labels)
	for first := 0; first < n; {
		label, sum, end := -1, 0.0, first
		for ; end < n; end++ {
			at, p, err := best(logits[end*width : (end+1)*width])
			if err != nil {
				return nil, err
			}
			if label >= 0 && at != label {
				break
			}
			label, sum = at, sum+p
		}
		all = append(all, schemas.Segment{
			Label: c.labels[label], Start: start + seconds(first, c.hop, c.rate), End: start + seconds(end, c.hop, c.rate),
			Score: float32(sum / float64(end-first)),
		})
		first = end
	}
	return all, nil
}

// seconds is the time of a frame; the product is taken first, so that it is the nearest number to the exact one.
func seconds(frame, hop, rate int) float64 { return float64(frame*hop) / float64(rate) }
