package heads

import (
	"fmt"

	"vecmill/embed"
	"vecmill/model"
)

// steps says how many of the padded steps of an output are an item's own.
type steps func(s *embed.Sample, padded int) (int, error)

// counting are the frames [from, to) of an audio sample that count: all of its own, or those that are not there for context only. hop is samples
// per frame. What has no neighbour behind it counts to its end: an adapter makes a frame of less than half a hop, too.
func (s steps) counting(sample *embed.Sample, padded, hop int) (from, to int, err error) {
	n, err := s(sample, padded)
	if err != nil {
		return 0, 0, err
	}
	if chunk, ok := sample.Tag.(embed.Chunk); ok {
		if from, to = chunk.Keep(hop, n); chunk.Right == 0 {
			to = n
		}
		return from, to, nil
	}
	return 0, n, nil
}

// stepsOf gives the rule of a checkpoint: audio, frames of the sample's lengths (through the adapter, if there is one); text,
// tokens that the mask shows; pictures, all.
func stepsOf(spec *model.Spec) steps {
	switch {
	case spec.Audio != nil:
		return bounded(func(s *embed.Sample) (int, error) {
			if in := input(s, "lengths"); in != nil && len(in.I64) == 1 {
				return spec.Audio.OutputFrames(int(in.I64[0])), nil
			}
			if in := input(s, "input_values"); in != nil && len(in.Shape) == 1 {
				return spec.Audio.OutputFrames(in.Shape[0]), nil
			}
			return 0, fmt.Errorf("the sample has neither lengths nor input_values")
		})
	case spec.Text != nil:
		return bounded(func(s *embed.Sample) (int, error) {
			if in := input(s, "attention_mask"); in != nil {
				n := 0
				for _, v := range in.I64 {
					n += int(v)
				}
				return n, nil
			}
			if in := input(s, "input_ids"); in != nil && len(in.Shape) == 1 {
				return in.Shape[0], nil
			}
			return 0, fmt.Errorf("the sample has neither attention_mask nor input_ids")
		})
	case spec.Vision != nil:
		return func(_ *embed.Sample, padded int) (int, error) { return padded, nil }
	}
	return func(*embed.Sample, int) (int, error) {
		return 0, fmt.Errorf("which steps of a padded batch are an item's own is not known of class %s", spec.Class)
	}
}

// bounded checks a count against the output.
func bounded(count func(*embed.Sample) (int, error)) steps {
	return func(s *embed.Sample, padded int) (int, error) {
		n, err := count(s)
		switch {
		case err != nil:
			return 0, err
		case n < 1:
			return 0, fmt.Errorf("the sample is too short for a single step of the model")
		case n > padded:
			return 0, fmt.Errorf("the sample has %d steps, the output only %d", n, padded)
		}
		return n, nil
	}
}

func input(s *embed.Sample, name string) *embed.Input {
	for i := range s.Inputs {
		if s.Inputs[i].Name == name {
			return &s.Inputs[i]
		}
	}
	return nil
}
