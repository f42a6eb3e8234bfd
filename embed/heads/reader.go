package heads

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// FoundAnswer is one entry of the reference's question-answering pipeline, in its JSON form. Start and End are code points of the context.
type FoundAnswer struct {
	Score  float64 `json:"score"`  // probability of start and end, 0 to 1; of an answer that several windows have, their sum
	Start  int     `json:"start"`  // first code point
	End    int     `json:"end"`    // behind the last
	Answer string  `json:"answer"` // what lies between; "" where the text does not tell
}

// Span is one window of a context behind its question: per token, the logits and where it is from.
type Span struct {
	StartLogits, EndLogits []float32  // one for each token
	Allowed                []bool     // tokens of the context, and cls
	Offsets                [][2]int32 // in the context; 0, 0 for special tokens
	Words                  []int32    // word of the context; -1 elsewhere
}

// Reader picks answers, as the reference's pipeline does. The zero value of a field is not its default: those are 1, 15, false, true.
type Reader struct {
	TopK         int  // answers at most
	MaxAnswerLen int  // tokens of an answer at most
	Impossible   bool // "" may be an answer: handle_impossible_answer
	AlignToWords bool // an answer begins and ends with whole words: align_to_words
}

// candidate is a pair of tokens with its probability.
type candidate struct {
	start, end int
	score      float64
}

// SpanAnswers is what one window says: the candidates that its reader lets in, best first, and the probability that it tells nothing.
type SpanAnswers struct {
	Found []FoundAnswer // best first
	Null  float64       // 0 to 1: of cls as start and end
}

// Read gives the best answers over all spans, best first.
func (r Reader) Read(context []rune, spans []Span) []FoundAnswer {
	all := make([]SpanAnswers, len(spans))
	for i := range spans {
		all[i] = r.ReadSpan(context, 0, &spans[i])
	}
	return r.Best(all)
}

// ReadSpan reads one window. text is the part of the context from code point first on; the span's tokens are in it.
func (r Reader) ReadSpan(text []rune, first int, s *Span) SpanAnswers {
	most := r.TopK
	if r.AlignToWords {
		most = 2*r.TopK + 10 // some fall together when they are widened to words
	}
	start, end := s.probabilities(s.StartLogits), s.probabilities(s.EndLogits)
	out := SpanAnswers{Null: start[0] * end[0]}
	start[0], end[0] = 0, 0
	for _, c := range s.candidates(start, end, r.MaxAnswerLen, most) {
		a := FoundAnswer{Score: c.score}
		if a.Start, a.End = s.place(c, r.AlignToWords); a.Start < a.End {
			a.Answer = string(text[a.Start-first : a.End-first])
		}
		out.Found = append(out.Found, a)
	}
	return out
}

// Best gives the best answers of all windows of a context, best first. Scores of answers that read the same are added up, so the score of the best
// depends on how many candidates TopK lets in, as in the reference.
func (r Reader) Best(spans []SpanAnswers) []FoundAnswer {
	null := 1e6
	var all []FoundAnswer
	for _, s := range spans {
		null = min(null, s.Null)
		for _, a := range s.Found {
			same := slices.IndexFunc(all, func(b FoundAnswer) bool { return strings.EqualFold(a.Answer, b.Answer) })
			if same >= 0 {
				all[same].Score += a.Score
			} else {
				all = append(all, a)
			}
		}
	}
	if r.Impossible {
		all = append(all, FoundAnswer{Score: null})
	}
	slices.SortStableFunc(all, func(a, b FoundAnswer) int { return cmp.Compare(b.Score, a.Score) })
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
