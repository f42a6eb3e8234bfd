package tasks

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Answer is one entry of question-answering. Start and End are code points of the context.
type Answer struct {
	Score  float64 `json:"score"`
	Start  int     `json:"start"`
	End    int     `json:"end"`
	Answer string  `json:"answer"`
}

// Span is one window of a context behind its question: per token, the logits and where it is from.
type Span struct {
	StartLogits, EndLogits []float32
	Allowed                []bool     // tokens of the context, and cls
	Offsets                [][2]int32 // in the context; 0, 0 for special tokens
	Words                  []int32    // word of the context; -1 elsewhere
}

// Reader picks answers. The zero value of a field is not its default: those are 1, 15, false, true.
type Reader struct {
	TopK         int
	MaxAnswerLen int
	Impossible   bool
	AlignToWords bool
}

// candidate is a pair of tokens with its probability.
type candidate struct {
	start, end int
	score      float64
}

// Read gives the best answers over all spans, best first. Scores of answers that read the same are added up, so the score of the best
// depends on how many candidates TopK lets in, as in the reference.
func (r Reader) Read(context []rune, spans []Span) []Answer {
	most := r.TopK
	if r.AlignToWords {
		most = 2*r.TopK + 10 // some fall together when they are widened to words
	}
	null := 1e6
	var all []Answer
	for i := range spans {
		s := &spans[i]
		start, end := s.probabilities(s.StartLogits), s.probabilities(s.EndLogits)
		null = min(null, start[0]*end[0])
		start[0], end[0] = 0, 0
		for _, c := range s.candidates(start, end, r.MaxAnswerLen, most) {
			from, to := s.place(c, r.AlignToWords)
			text := ""
			if from < to {
				text = string(context[from:to])
			}
			same := slices.IndexFunc(all, func(a Answer) bool { return strings.EqualFold(a.Answer, text) })
			if same >= 0 {
				all[same].Score += c.score
			} else {
				all = append(all, Answer{c.score, from, to, text})
			}
		}
	}
	if r.Impossible {
		all = append(all, Answer{Score: null})
	}
	slices.SortStableFunc(all, func(a, b Answer) int { return cmp.Compare(b.Score, a.Score) })
	return all[:min(r.TopK, len(all))]
}

// probabilities are a softmax over a span in which tokens that are not allowed count as -10000.
func (s *Span) probabilities(logits []float32) []float64 {
	p, top, sum := make([]float64, len(logits)), math.Inf(-1), 0.0
	for i, v := range logits {
		p[i] = -10000
		if s.Allowed[i] {
			p[i] = float64(v)
		}
		top = max(top, p[i])
	}
	for i := range p {
		p[i] = math.Exp(p[i] - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// candidates are the likeliest pairs of allowed tokens that are in order and not too far apart.
func (s *Span) candidates(start, end []float64, longest, most int) []candidate {
	var all []candidate
	for i := range start {
		for j := i; j < min(i+longest, len(end)); j++ {
			if score := start[i] * end[j]; score > 0 {
				all = append(all, candidate{i, j, score})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	all = all[:min(most, len(all))]
	return slices.DeleteFunc(all, func(c candidate) bool { return !s.Allowed[c.start] || !s.Allowed[c.end] })
}

// place is where a candidate lies in the context, widened to whole words of this span if asked for.
func (s *Span) place(c candidate, words bool) (from, to int) {
	first, last := c.start, c.end
	if words && s.Words[first] >= 0 && s.Words[last] >= 0 {
		first = slices.Index(s.Words, s.Words[first])
		for last+1 < len(s.Words) && s.Words[last+1] == s.Words[c.end] {
			last++
		}
	}
	return int(s.Offsets[first][0]), int(s.Offsets[last][1])
}
