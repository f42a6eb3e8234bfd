package generate

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// worst stands for "not to be chosen" in scores of beams, as in the reference.
const worst = float32(-1e9)

// beam is a text with the sum of its tokens' log probabilities: over its length, once it is complete.
type beam struct {
	ids   []int32
	score float32
	row   int  // of the model, while it runs
	done  bool // complete, by a stop
}

// beams is the reference's beam search: it holds the best NumBeams texts that go on and the best that are complete.
func (s *search) beams(ctx context.Context) ([][]int32, error) {
	first, err := s.model.Start(ctx, s.prompt)
	if err != nil {
		return nil, err
	}
	n := s.c.beams()
	running, finished, logits := make([]beam, n), make([]beam, n), make([][]float32, n)
	for i := range n {
		running[i] = beam{ids: s.prompt, score: worst}
		finished[i], logits[i] = running[i], first
	}
	running[0].score = 0 // all are the same text: only the first counts
	draw := rand.New(rand.NewPCG(s.c.Seed, 0))
	improvable := true
	for {
		all, err := s.extend(running, logits, draw)
		if err != nil {
			return nil, err
		}
		finished = s.finish(finished, all, improvable)
		length := len(all[0].ids) - len(s.prompt)
		if running = going(all, n); !s.open(running, finished, all, length, &improvable) {
			break
		}
		rows, tokens := make([]int, n), make([]int32, n)
		for i := range running {
			rows[i], tokens[i] = running[i].row, running[i].ids[len(running[i].ids)-1]
			running[i].row = i
		}
		if logits, err = s.model.Step(ctx, rows, tokens); err != nil {
			return nil, err
		}
	}
	var texts [][]int32
	for _, b := range finished[:or(s.c.NumReturnSequences, 1)] {
		texts = append(texts, b.ids)
	}
	return s.padded(texts), nil
}

// extend gives the best continuations of all beams together, or some that are drawn; done says that one is complete.
func (s *search) extend(running []beam, logits [][]float32, draw *rand.Rand) ([]beam, error) {
	var scores []float32
	for i := range running {
		of, err := s.scores(running[i].ids, logits[i], true)
		if err != nil {
			return nil, err
		}
		for k := range of {
			of[k] += running[i].score
		}
		scores = append(scores, of...)
	}
	width := len(scores) / len(running)
	keys := scores
	if or(s.c.DoSample, false) {
		keys = perturbed(scores, draw)
	}
	// As many ends as there can be may be chosen, and beams enough are left to go on.
	var all []beam
	for _, at := range largest(keys, max(2, 1+len(s.c.EOSTokenID))*len(running)) {
		from := &running[at/width]
		ids := append(slices.Clip(from.ids), int32(at%width))
		all = append(all, beam{ids: ids, score: scores[at], row: from.row, done: s.ended(ids)})
	}
	return all, nil
}

// perturbed adds Gumbel noise to log probabilities: the largest of the sums are a draw without replacement.
func perturbed(scores []float32, draw *rand.Rand) []float32 {
	out := make([]float32, len(scores))
	for i, v := range scores {
		out[i] = v - float32(math.Log(draw.ExpFloat64()))
	}
	return out
}

// largest are the places of the n largest values, descending, the first of equals first.
func largest(values []float32, n int) []int {
	n = min(n, len(values))
	best := make([]int, 0, n+1)
	for i, v := range values {
		if len(best) == n && !(v > values[best[n-1]]) {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, v, func(of int, v float32) int {
			if values[of] >= v {
				return -1
			}
			return 1
		})
		best = slices.Insert(best, at, i)
		best = best[:min(len(best), n)]
	}
	return best
}

// going are the n best of the candidates that are not complete, and complete ones only for want of others.
func going(all []beam, n int) []beam {
	all = slices.Clone(all)
	for i := range all {
		if all[i].done {
			all[i].score += worst
		}
	}
	return top(all, n)
}

func top(all []beam, n int) []beam {
	slices.SortStableFunc(all, func(a, b beam) int { return cmp.Compare(b.score, a.score) })
	return all[:n]
}

// finish puts complete candidates among the finished texts, by their score over their length. Only the best NumBeams candidates count: the others are there to go on.
func (s *search) finish(finished, all []beam, improvable bool) []beam {
	n := len(finished)
	full := s.c.EarlyStopping == EarlyTrue && allDone(finished)
	merged := slices.Clone(finished)
	for i, b := range all {
		b.score /= s.penalty(len(b.ids) - len(s.prompt))
		b.done = b.done && i < n
		for _, out := range []bool{full, !improvable, !b.done} {
			if out {
				b.score += worst
			}
		}
		merged = append(merged, b)
	}
	return top(merged, n)
}

// penalty is what a score is divided by for a length.
func (s *search) penalty(length int) float32 {
	return float32(math.Pow(float64(length), or(s.c.LengthPenalty, 1)))
}

func allDone(all []beam) bool {
	return !slices.ContainsFunc(all, func(b beam) bool { return !b.done })
}

// open says whether the search goes on. Once it seems that no running text can become better than the finished ones, that stays so.
func (s *search) open(running, finished, candidates []beam, length int, improvable *bool) bool {
	if s.c.EarlyStopping == EarlyNever && or(s.c.LengthPenalty, 1) > 0 {
		length = s.limit - len(s.prompt)
	}
	best, least := running[0].score/s.penalty(length), finished[len(finished)-1].score
	better := slices.ContainsFunc(finished, func(b beam) bool { return best > worst && !b.done || b.done && best > least })
	*improvable = *improvable && better
	enough := s.c.EarlyStopping == EarlyTrue && allDone(finished)
	return *improvable && !enough && !allDone(candidates)
}
