package tasks

import (
	"cmp"
	"slices"
)

// Filling is one entry of fill-mask.
type Filling struct {
	Score    float64 `json:"score"`
	Token    int32   `json:"token"`
	TokenStr string  `json:"token_str"`
	Sequence string  `json:"sequence"`
}

// Fill names the best tokens for one mask by its row of logits. Scores are probabilities over the whole vocabulary, also when only
// targets (token ids without repetition; nil: all) may be named. decode gives text.
func Fill(logits []float32, ids []int32, mask, topK int, targets []int32, keepSpecial bool, decode func(ids []int32, skipSpecial bool) string) ([]Filling, error) {
	scores, err := Softmax.Apply(logits)
	if err != nil {
		return nil, err
	}
	order := slices.Clone(targets)
	if targets == nil {
		for i := range scores {
			order = append(order, int32(i))
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(scores[b], scores[a]) })
	filled := slices.Clone(ids)
	out := []Filling{}
	for _, id := range order[:min(max(topK, 0), len(order))] {
		filled[mask] = id
		out = append(out, Filling{scores[id], id, decode([]int32{id}, false), decode(filled, !keepSpecial)})
	}
	return out, nil
}
