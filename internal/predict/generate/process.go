package generate

import (
	"math"
	"slices"
)

// processor changes the scores of the token behind ids, in place.
type processor func(ids []int32, scores []float32)

var minusInf = float32(math.Inf(-1))

// processors are those that a configuration asks for behind a prompt of so many tokens, in the reference's order.
func (c *Config) processors(prompt, limit int) []processor {
	var all []processor
	add := func(on bool, p processor) {
		if on {
			all = append(all, p)
		}
	}
	add(len(c.SequenceBias) > 0, bias(c.SequenceBias))
	if p := or(c.RepetitionPenalty, 1); p != 1 {
		all = append(all, repetition(float32(p)))
	}
	if n := or(c.NoRepeatNgramSize, 0); n > 0 {
		all = append(all, ngrams(n))
	}
	add(len(c.BadWordsIDs) > 0, bias(c.badWords()))
	least := or(c.MinLength, 0)
	if c.MinNewTokens != nil { // takes precedence, even if it is less
		least = prompt + *c.MinNewTokens
	}
	add(least > 0, func(ids []int32, s []float32) {
		if len(ids) < least {
			set(s, c.EOSTokenID, minusInf)
		}
	})
	if c.ForcedBOSTokenID != nil {
		all = append(all, forced(1, IDs{*c.ForcedBOSTokenID}))
	}
	add(len(c.ForcedEOSTokenID) > 0, forced(limit-1, c.ForcedEOSTokenID))
	add(or(c.RemoveInvalid, false), finite)
	if c.Decay != nil {
		all = append(all, decay(*c.Decay, prompt, c.EOSTokenID))
	}
	add(len(c.SuppressTokens) > 0, func(_ []int32, s []float32) { set(s, c.SuppressTokens, minusInf) })
	begin := prompt
	if prompt <= 1 && c.ForcedBOSTokenID != nil {
		begin++
	}
	add(len(c.BeginSuppress) > 0, func(ids []int32, s []float32) {
		if len(ids) == begin {
			set(s, c.BeginSuppress, minusInf)
		}
	})
	if or(c.DoSample, false) {
		all = append(all, c.warpers()...)
	}
	add(or(c.Renormalize, false), func(_ []int32, s []float32) { logSoftmax(s) })
	return all
}

// set gives tokens a score; ids that the model does not have are none of its tokens.
func set(scores []float32, ids []int32, to float32) {
	for _, id := range ids {
		if id >= 0 && int(id) < len(scores) {
			scores[id] = to
		}
	}
}

// badWords are biases that forbid a word's last token, except the end's.
func (c *Config) badWords() []Bias {
	var all []Bias
	for _, w := range c.BadWordsIDs {
		if len(w) > 1 || !slices.Contains(c.EOSTokenID, w[0]) {
			all = append(all, Bias{w, minusInf})
		}
	}
	return all
}

func bias(all []Bias) processor {
	return func(ids []int32, scores []float32) {
		for _, b := range all {
			n := len(b.IDs) - 1
			// A sequence that is longer than the text is left out, though its beginning would fit: the reference's rule.
			if n > 0 && (n+1 > len(ids) || !slices.Equal(ids[len(ids)-n:], b.IDs[:n])) {
				continue
			}
			if id := b.IDs[n]; id >= 0 && int(id) < len(scores) {
				scores[id] += b.Value
			}
		}
	}
}

// repetition makes the tokens of the text less likely: it divides what is positive and multiplies what is negative.
func repetition(penalty float32) processor {
	return func(ids []int32, scores []float32) {
		seen := map[int32]bool{}
		for _, id := range ids {
			if seen[id] || int(id) >= len(scores) {
				continue
			}
			seen[id] = true
			if scores[id] < 0 {
				scores[id] *= penalty
			} else {
				scores[id] /= penalty
			}
		}
	}
}

// ngrams bans what would make n tokens stand in the text for the second time.
func ngrams(n int) processor {
	return func(ids []int32, scores []float32) {
		if len(ids)+1 < n {
			return
		}
		last := ids[len(ids)-n+1:]
		for at := 0; at+n <= len(ids); at++ {
			if slices.Equal(ids[at:at+n-1], last) {
				set(scores, ids[at+n-1:at+n], minusInf)
			}
		}
	}
}

// forced leaves only some tokens at a length of the text.
func forced(length int, tokens []int32) processor {
	return func(ids []int32, scores []float32) {
		if len(ids) != length {
			return
		}
		for i := range scores {
			scores[i] = minusInf
		}
		set(scores, tokens, 0)
	}
}

// finite replaces NaN by 0 and infinities by the largest numbers.
func finite(_ []int32, scores []float32) {
	for i, v := range scores {
		switch f := float64(v); {
		case math.IsNaN(f):
			scores[i] = 0
		case math.IsInf(f, 1):
			scores[i] = math.MaxFloat32
		case math.IsInf(f, -1):
			scores[i] = -math.MaxFloat32
		}
	}
}

func decay(d Decay, prompt int, end []int32) processor {
	return func(ids []int32, scores []float32) {
		n := len(ids) - d.Start - prompt
		if n <= 0 {
			return
		}
		grown := float32(math.Pow(d.Factor, float64(n)) - 1)
		for _, id := range end {
			if id >= 0 && int(id) < len(scores) && scores[id] != minusInf { // of a banned end the reference makes NaN, and ends there
				scores[id] += float32(math.Abs(float64(scores[id]))) * grown
			}
		}
	}
}

// logSoftmax makes log probabilities of scores.
func logSoftmax(scores []float32) {
	top := slices.Max(scores)
	sum := 0.0
	for _, v := range scores {
		sum += math.Exp(float64(v - top))
	}
	log := float64(top) + math.Log(sum)
	for i, v := range scores {
		scores[i] = float32(float64(v) - log)
	}
}
