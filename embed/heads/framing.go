package heads

import (
	"cmp"
	"fmt"
	"slices"
)

// FrameSegment is a stretch of neighbouring frames with one label, in seconds. Score is the mean of theirs.
type FrameSegment struct {
	Start float64 `json:"start"` // of its first frame
	End   float64 `json:"end"`   // of its last frame's end
	Label string  `json:"label"` // of id2label
	Score float64 `json:"score"` // probability, 0 to 1
}

// Framing says which labels a frame has, and when it is.
type Framing struct {
	Labels    []string // in order of id
	Function  Function // Sigmoid: every label above the threshold. Softmax: the best, if it is
	Threshold float64  // probability that a label must be above
	Start     float64  // of the first frame, seconds
	Hop, Rate int      // samples per frame and per second
}

// Validate names the first field that makes no sense.
func (f *Framing) Validate() error {
	switch {
	case len(f.Labels) == 0:
		return fmt.Errorf("there are no labels")
	case f.Function != Sigmoid && f.Function != Softmax:
		return fmt.Errorf("function %q is not one of sigmoid, softmax", string(f.Function))
	case !(f.Threshold >= 0 && f.Threshold < 1):
		return fmt.Errorf("threshold: %v is not at least 0 and below 1", f.Threshold)
	}
	return nil
}

// Scores gives the score of each label of each frame of logits [frames, labels], and whether the frame has it.
func (f *Framing) Scores(logits []float32) (scores [][]float64, has [][]bool, err error) {
	n := len(f.Labels)
	if n == 0 || len(logits)%n != 0 {
		return nil, nil, fmt.Errorf("the model gives %d logits for frames of %d labels", len(logits), n)
	}
	scores, has = make([][]float64, 0, len(logits)/n), make([][]bool, 0, len(logits)/n)
	flags := make([]bool, len(logits))
	for at := 0; at < len(logits); at += n {
		p, err := f.Function.Apply(logits[at : at+n])
		if err != nil {
			return nil, nil, err
		}
		is, best := flags[at:at+n:at+n], argmax(p)
		for k, v := range p {
			is[k] = v > f.Threshold && (f.Function == Sigmoid || k == best)
		}
		scores, has = append(scores, p), append(has, is)
	}
	return scores, has, nil
}

// Segments joins neighbouring frames of one label, by time and, at one time, in the order of the labels.
func (f *Framing) Segments(scores [][]float64, has [][]bool) []FrameSegment {
	n := 0 // counted first: growing would take several times as much, of hours
	for k := range f.Labels {
		for first := range has {
			if has[first][k] && (first == 0 || !has[first-1][k]) {
				n++
			}
		}
	}
	all := make([]FrameSegment, 0, n)
	for k, label := range f.Labels {
		for first := 0; first < len(has); first++ {
			end, sum := first, 0.0
			for ; end < len(has) && has[end][k]; end++ {
				sum += scores[end][k]
			}
			if end > first {
				all = append(all, FrameSegment{f.Start + seconds(first, f.Hop, f.Rate), f.Start + seconds(end, f.Hop, f.Rate), label, sum / float64(end-first)})
				first = end // which has not the label
			}
		}
	}
	slices.SortStableFunc(all, func(a, b FrameSegment) int { return cmp.Compare(a.Start, b.Start) })
	return all
}

// seconds is the time of a frame; the product is taken first, so that it is the nearest number to the exact one.
func seconds(frame, hop, rate int) float64 { return float64(frame*hop) / float64(rate) }
