package beam

import (
	"math"
	"slices"
)

// Confidence is how sure the model is of words: the probability of a word's tokens, as the mean and the number of frames that emit one. For that
// the word's tokens are laid over the frames of the likeliest path in the best way that CTC allows; the logits are those that were decoded.
func (d *Decoder) Confidence(logits []float32, w Word) (mean float64, frames int) {
	width := len(d.labels)
	if len(w.Tokens) == 0 || w.next*width > len(logits) {
		return 0, 0
	}
	first := w.Tokens[0].Frame
	columns := make([]int, len(w.Tokens))
	for i, t := range w.Tokens {
		columns[i] = t.Column
	}
	blank := slices.Index(d.alphabet.labels, "")
	p := probabilities(logits[first*width:w.next*width], width)
	path := align(p, width, columns, blank)
	sum := 0.0
	for f, s := range path {
		if s%2 == 1 {
			sum += math.Exp(p[f*width+columns[s/2]])
			frames++
		}
	}
	if frames == 0 {
		return 0, 0
	}
	return sum / float64(frames), frames
}

// probabilities are log-softmax of rows, in float64.
func probabilities(logits []float32, width int) []float64 {
	out := make([]float64, len(logits))
	for at := 0; at < len(logits); at += width {
		top := math.Inf(-1)
		for _, v := range logits[at : at+width] {
			top = max(top, float64(v))
		}
		sum := 0.0
		for _, v := range logits[at : at+width] {
			sum += math.Exp(float64(v) - top)
		}
		for i, v := range logits[at : at+width] {
			out[at+i] = float64(v) - top - math.Log(sum)
		}
	}
	return out
}

// align finds the most probable way of tokens through the frames. A way is a state per frame: 2i+1 is token i, even ones are the blanks between.
// It is nil if the tokens do not fit.
func align(p []float64, width int, tokens []int, blank int) []int {
	states, frames := 2*len(tokens)+1, len(p)/width
	score := make([]float64, states)
	next := make([]float64, states)
	from := make([]int8, states*frames) // how many states the way came up by
	for s := range score {
		score[s] = math.Inf(-1)
	}
	score[0] = 0 // before the first frame, from which states 0 and 1 are reached
	for f := range frames {
		for s := range states {
			column := blank
			if s%2 == 1 {
				column = tokens[s/2]
			}
			best, step := score[s], int8(0)
			if s > 0 && score[s-1] > best {
				best, step = score[s-1], 1
			}
			if s > 2 && s%2 == 1 && tokens[s/2] != tokens[s/2-1] && score[s-2] > best {
				best, step = score[s-2], 2
			}
			next[s] = math.Inf(-1)
			if column >= 0 {
				next[s] = best + p[f*width+column]
			}
			from[f*states+s] = step
		}
		score, next = next, score
	}
	at := states - 1
	if states > 1 && score[states-2] > score[states-1] {
		at = states - 2
	}
	if math.IsInf(score[at], -1) {
		return nil
	}
	path := make([]int, frames)
	for f := frames - 1; f >= 0; f-- {
		path[f] = at
		at -= int(from[f*states+at])
	}
	return path
}
