package generate

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
)

// rows writes texts that know nothing of each other: the best token each time, or one that is drawn.
func (s *search) rows(ctx context.Context) ([][]int32, error) {
	first, err := s.model.Start(ctx, s.prompt)
	if err != nil {
		return nil, err
	}
	n := or(s.c.NumReturnSequences, 1)
	texts, draws := make([][]int32, n), make([]*rand.Rand, n)
	open, parents, logits := make([]int, n), make([]int, n), make([][]float32, n) // of the texts that are not complete
	for i := range n {
		texts[i], draws[i] = slices.Clone(s.prompt), rand.New(rand.NewPCG(s.c.Seed, uint64(i)))
		open[i], logits[i] = i, first
	}
	for {
		var still, rows []int
		var tokens []int32
		for k, i := range open {
			id, err := s.next(texts[i], logits[k], draws[i])
			if err != nil {
				return nil, err
			}
			if texts[i] = append(texts[i], id); !s.ended(texts[i]) {
				still, rows, tokens = append(still, i), append(rows, parents[k]), append(tokens, id)
			}
		}
		if open = still; len(open) == 0 {
			return s.padded(texts), nil
		}
		if logits, err = s.model.Step(ctx, rows, tokens); err != nil {
			return nil, err
		}
		parents = parents[:0]
		for k := range open {
			parents = append(parents, k)
		}
	}
}

// next chooses the token behind a text.
func (s *search) next(ids []int32, logits []float32, draw *rand.Rand) (int32, error) {
	scores, err := s.scores(ids, logits, false)
	if err != nil {
		return 0, err
	}
	best := 0
	for i, v := range scores {
		if v > scores[best] {
			best = i
		}
	}
	if scores[best] == minusInf {
		return 0, errors.New("nothing is left to choose from: the options ban every token")
	}
	if !or(s.c.DoSample, false) {
		return int32(best), nil
	}
	p := probabilities(scores)
	at, last := draw.Float64(), best
	for i, v := range p {
		if v == 0 {
			continue
		}
		if at -= v; at < 0 {
			return int32(i), nil
		}
		last = i
	}
	return int32(last), nil // the sum fell short of 1 by rounding
}
