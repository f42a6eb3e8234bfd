package generate

import (
	"cmp"
	"math"
	"slices"
)

// warpers narrow what is drawn from, in the reference's order.
func (c *Config) warpers() []processor {
	keep := 1 // tokens that stay whatever the limits say
	if c.beams() > 1 {
		keep = max(len(c.EOSTokenID), 1) + 1
	}
	var all []processor
	if t := or(c.Temperature, 1); t != 1 {
		all = append(all, func(_ []int32, s []float32) {
			for i := range s {
				s[i] /= float32(t)
			}
		})
	}
	if k := or(c.TopK, 0); k > 0 {
		all = append(all, func(_ []int32, s []float32) { topK(s, max(k, keep)) })
	}
	if p := or(c.TopP, 1); p < 1 {
		all = append(all, func(_ []int32, s []float32) { topP(s, p, keep) })
	}
	if c.MinP != nil {
		all = append(all, func(_ []int32, s []float32) { minP(s, *c.MinP, keep) })
	}
	if p := or(c.TypicalP, 1); p < 1 {
		all = append(all, func(_ []int32, s []float32) { typical(s, p, keep) })
	}
	if e := or(c.EpsilonCutoff, 0); e > 0 && e < 1 {
		all = append(all, func(_ []int32, s []float32) { cutoff(s, e, keep) })
	}
	if e := or(c.EtaCutoff, 0); e > 0 && e < 1 {
		all = append(all, func(_ []int32, s []float32) {
			cutoff(s, min(e, math.Sqrt(e)*math.Exp(-entropy(probabilities(s)))), keep)
		})
	}
	return all
}

// descending is the order of scores, best first, the lower id of equals.
func descending(scores []float32) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return order
}

// probabilities are the softmax of scores.
func probabilities(scores []float32) []float64 {
	top, sum := slices.Max(scores), 0.0
	p := make([]float64, len(scores))
	for i, v := range scores {
		p[i] = math.Exp(float64(v - top))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func entropy(p []float64) float64 {
	e := 0.0
	for _, v := range p {
		if v > 0 {
			e -= v * math.Log(v)
		}
	}
	return e
}

// topK bans what is worse than the kth best; those equal to it stay.
func topK(scores []float32, k int) {
	if k >= len(scores) {
		return
	}
	sorted := slices.Clone(scores)
	slices.Sort(sorted)
	kth := sorted[len(sorted)-k]
	for i, v := range scores {
		if v < kth {
			scores[i] = minusInf
		}
	}
}

// topP bans the tail whose probabilities add up to at most 1-p.
func topP(scores []float32, p float64, keep int) {
	order, probs := descending(scores), probabilities(scores)
	tail := 0.0
	for i := len(order) - 1; i >= keep; i-- {
		if tail += probs[order[i]]; tail > 1-p {
			return
		}
		scores[order[i]] = minusInf
	}
}

// minP bans what is less likely than a share of the likeliest.
func minP(scores []float32, p float64, keep int) {
	order, probs := descending(scores), probabilities(scores)
	for i, id := range order {
		if i >= keep && probs[id] < p*probs[order[0]] {
			scores[id] = minusInf
		}
	}
}

// typical keeps the tokens whose surprise is nearest to the expected one, until they have the mass together.
func typical(scores []float32, mass float64, keep int) {
	probs := probabilities(scores)
	e := entropy(probs)
	far := make([]float64, len(scores))
	for i, v := range probs {
		far[i] = math.Abs(-math.Log(v) - e)
	}
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(far[a], far[b]) })
	sum, last := 0.0, 0
	for _, id := range order {
		if sum += probs[id]; sum >= mass {
			break
		}
		last++
	}
	limit := far[order[min(last, len(order)-1)]]
	for i, id := range order {
		if i >= keep && far[id] > limit {
			scores[id] = minusInf
		}
	}
}

// cutoff bans what is less likely than a probability.
func cutoff(scores []float32, least float64, keep int) {
	probs, order := probabilities(scores), descending(scores)
	kept := scores[order[min(keep, len(order))-1]]
	for i, p := range probs {
		if p < least && scores[i] < kept {
			scores[i] = minusInf
		}
	}
}
