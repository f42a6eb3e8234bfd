package tasks

import "vecmill/embed/heads"

// Frames is the result of audio-frame-classification. FrameLabels and FrameScores, [frames][labels], are there if asked for: whether each label is said of each
// frame, as in the reference's example of the class, and its score.
type Frames struct {
	Segments     []FrameSegment `json:"segments"`
	FrameSeconds float64        `json:"frame_seconds,omitempty"`
	Labels       []string       `json:"labels,omitempty"`
	FrameLabels  [][]int        `json:"frame_labels,omitempty"`
	FrameScores  [][]float64    `json:"frame_scores,omitempty"`
}

// FrameSegment is a stretch of neighbouring frames with one label.
type FrameSegment = heads.FrameSegment

// Framing says which labels a frame has; the head for pipelines has it, too.
type Framing struct {
	Labels    []string
	Function  Function // Sigmoid: every label above the threshold. Softmax: the best, if it is
	Threshold float64
	Hop, Rate int // samples per frame and per second
	Raw       bool
}

// Frames makes segments of logits [frames, labels], by time and, at one time, in the order of the labels.
func (f Framing) Frames(logits []float32) (Frames, error) {
	framing := heads.Framing{Labels: f.Labels, Function: f.Function, Threshold: f.Threshold, Hop: f.Hop, Rate: f.Rate}
	scores, has, err := framing.Scores(logits)
	if err != nil {
		return Frames{}, err
	}
	out := Frames{Segments: framing.Segments(scores, has)}
	if !f.Raw {
		return out, nil
	}
	out.FrameSeconds, out.Labels, out.FrameScores = float64(f.Hop)/float64(f.Rate), f.Labels, scores
	for _, frame := range has {
		labels := make([]int, len(frame))
		for k, is := range frame {
			if is {
				labels[k] = 1
			}
		}
		out.FrameLabels = append(out.FrameLabels, labels)
	}
	return out, nil
}
