package heads

import (
	"errors"
	"fmt"
	"slices"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// maxFillings bounds the proposals of one window, and fillingBytes what they take: each has the window's whole text. That is 1,024 of a text of a kilobyte, or the five of each of 50 masks of one of four.
const (
	maxFillings  = 1024
	fillingBytes = 1 << 20
)

// TokenScore is a token with its probability.
type TokenScore struct {
	ID    int32   // in the vocabulary
	Score float64 // probability, 0 to 1
}

// BestTokens are the k likeliest tokens by a row of logits, the first of equals first. Scores are probabilities over the whole vocabulary, also
// when only some tokens (targets, without repetition; nil: all) may be named.
func BestTokens(logits []float32, k int, targets []int32) ([]TokenScore, error) {
	scores := softmax(logits)
	if !finite(scores) {
		return nil, ErrNotFinite
	}
	best := shortlist{most: max(k, 0)}
	if targets == nil {
		for id, p := range scores {
			best.offer(int32(id), p)
		}
	}
	for _, id := range targets {
		if id < 0 || int(id) >= len(scores) {
			return nil, fmt.Errorf("token %d is not in a vocabulary of %d", id, len(scores))
		}
		best.offer(id, scores[id])
	}
	return best.tokens, nil
}

// shortlist keeps the best tokens of those that are offered, best first, the first of equals first: a vocabulary is too large to be sorted for five
// of its words.
type shortlist struct {
	most   int
	tokens []TokenScore
}

func (s *shortlist) offer(id int32, score float64) {
	n := len(s.tokens)
	if n == s.most && (n == 0 || score <= s.tokens[n-1].Score) {
		return
	}
	at, _ := slices.BinarySearchFunc(s.tokens, score, func(t TokenScore, v float64) int {
		if t.Score >= v {
			return -1 // behind its equals
		}
		return 1
	})
	if n == s.most {
		s.tokens = s.tokens[:n-1]
	}
	s.tokens = slices.Insert(s.tokens, at, TokenScore{id, score})
}

// fill proposes tokens for the masks of a text, from logits [B, T, vocabulary].
type fill struct {
	head
	steps steps
	topK  int
}

func newFill(h head, cfg Config, spec *model.Spec, _ *model.Graph) (embed.Head, error) {
	f := &fill{head: h, steps: stepsOf(spec), topK: cfg.TopK}
	if f.topK == 0 {
		f.topK = defaultTopK
	}
	if f.topK < 1 || f.topK > maxFillings {
		return nil, fmt.Errorf("top_k: %d is not between 1 and %d", cfg.TopK, maxFillings)
	}
	return f, nil
}

// Keeps counts the most that is taken: how many masks a text has is not known before.
func (h *fill) Keeps() (row, step int64) { return fillingBytes, 0 }

// Apply gives each sample its Fillings. As in the reference, sequences are without special tokens if the text has one mask, and with them, the other
// masks included, if it has more. Samples need a Tag that is an [embed.Speller].
func (h *fill) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, err := h.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	padded, width := int(t.Shape[1]), int(t.Shape[2])
	payloads := make([]schemas.Payload, len(batch))
	for i := range batch {
		n, err := h.steps(&batch[i], padded)
		if err == nil {
			payloads[i].Fillings, err = h.fillings(t.F32[i*padded*width:(i*padded+n)*width], width, &batch[i])
		}
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return payloads, nil
}

func (h *fill) fillings(logits []float32, width int, s *embed.Sample) ([]schemas.Filling, error) {
	speller, ok := s.Tag.(embed.Speller)
	ids := input(s, "input_ids")
	if !ok || ids == nil || len(ids.I64)*width != len(logits) {
		return nil, errors.New("the sample's tag and inputs do not say which tokens it has")
	}
	mask, ok := speller.Mask()
	if !ok {
		return nil, errors.New("the tokenizer has no mask token")
	}
	var masks []int
	for k, id := range ids.I64 {
		if id == mask {
			masks = append(masks, k)
		}
	}
	if n := len(masks) * h.topK; n > maxFillings {
		return nil, schemas.Rejectf(schemas.ReasonTooLarge, "%d proposals for %d masks, at most %d", n, len(masks), maxFillings)
	}
	filled := slices.Clone(ids.I64)
	all, bytes := make([]schemas.Filling, 0, len(masks)*h.topK), 0
	for number, at := range masks {
		best, err := BestTokens(logits[at*width:(at+1)*width], h.topK, nil)
		if err != nil {
			return nil, err
		}
		for _, b := range best {
			filled[at] = int64(b.ID)
			// As the reference has it, padding is no part of a sequence, wherever it stands.
			sequence := slices.DeleteFunc(slices.Clone(filled), func(id int64) bool { return float64(id) == ids.Pad })
			f := schemas.Filling{
				Mask: number, Token: int(b.ID), Text: speller.Spell(filled[at:at+1], true), Sequence: speller.Spell(sequence, len(masks) > 1),
				Score: float32(b.Score),
			}
			if bytes += 56 + len(f.Text) + len(f.Sequence); bytes > fillingBytes {
				return nil, schemas.Rejectf(schemas.ReasonTooLarge, "proposals for %d masks of more than %d bytes together", len(masks), fillingBytes)
			}
			all = append(all, f)
		}
		filled[at] = mask
	}
	return all, nil
}
