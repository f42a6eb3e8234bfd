package tasks

import (
	"slices"

	"vecmill/embed/heads"
)

// Filling is one entry of fill-mask.
type Filling struct {
	Score    float64 `json:"score"`
	Token    int32   `json:"token"`
	TokenStr string  `json:"token_str"`
	Sequence string  `json:"sequence"`
}

// Fill names the best tokens for one mask by its row of logits. Scores are probabilities over the whole vocabulary, also when only
// targets (token ids without repetition; nil: all) may be named. decode gives text; padding is no part of a sequence.
func Fill(logits []float32, ids []int32, pad int32, mask, topK int, targets []int32, keepSpecial bool, decode func(ids []int32, skipSpecial bool) string) ([]Filling, error) {
	best, err := heads.BestTokens(logits, topK, targets)
	if err != nil {
		return nil, err
	}
	filled := slices.Clone(ids)
	out := []Filling{}
	for _, t := range best {
		filled[mask] = t.ID
		sequence := slices.DeleteFunc(slices.Clone(filled), func(id int32) bool { return id == pad })
		out = append(out, Filling{t.Score, t.ID, decode([]int32{t.ID}, false), decode(sequence, !keepSpecial)})
	}
	return out, nil
}
