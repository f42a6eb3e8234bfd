package heads

import (
	"errors"
	"fmt"
	"math"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// NLL is the negative log-likelihood, in nats, of each of ids under its row of logits [len(ids), width].
func NLL(logits []float32, ids []int64, width int) ([]float64, error) {
	if width < 1 || len(logits) != len(ids)*width {
		return nil, fmt.Errorf("%d logits for %d tokens of a vocabulary of %d", len(logits), len(ids), width)
	}
	out := make([]float64, len(ids))
	for i, id := range ids {
		if id < 0 || id >= int64(width) {
			return nil, fmt.Errorf("token %d is not in a vocabulary of %d", id, width)
		}
		row := logits[i*width : (i+1)*width]
		top, sum := math.Inf(-1), 0.0
		for _, v := range row {
			top = max(top, float64(v))
		}
		for _, v := range row {
			sum += math.Exp(float64(v) - top)
		}
		out[i] = top + math.Log(sum) - float64(row[id])
		if math.IsNaN(out[i]) || math.IsInf(out[i], 0) {
			return nil, ErrNotFinite
		}
	}
	return out, nil
}

// LikelihoodOf sums up tokens' negative log-likelihoods. Of no token at all it is zero; a perplexity beyond the largest number is an error.
func LikelihoodOf(nll []float64) (schemas.Likelihood, error) {
	if len(nll) == 0 {
		return schemas.Likelihood{}, nil
	}
	sum := 0.0
	for _, v := range nll {
		sum += v
	}
	l := schemas.Likelihood{Tokens: len(nll), NLL: sum / float64(len(nll))}
	if l.Perplexity = math.Exp(l.NLL); math.IsInf(l.Perplexity, 0) {
		return l, ErrNotFinite
	}
	return l, nil
}

// perplexity says how well a causal language model foresees a text, from logits [B, T, vocabulary].
type perplexity struct {
	head
	steps steps
}

func newPerplexity(h head, _ Config, spec *model.Spec, _ *model.Graph) (embed.Head, error) {
	if spec.Text == nil {
		return nil, errors.New("the checkpoint has no text configuration")
	}
	if !spec.Text.IsDecoder {
		return nil, errors.New("perplexity needs a model that sees no token behind the one it foresees, and is_decoder is false in config.json")
	}
	return &perplexity{head: h, steps: stepsOf(spec)}, nil
}

// foreseen is a window of a text: how well each token but the first was foreseen.
type foreseen struct {
	from, to int       // tokens of the text in the window
	before   int       // special tokens before them
	nll      []float64 // of the window's tokens from the second on
}

// Apply gives each sample its Likelihood; see Join.
func (h *perplexity) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	return embed.ApplyJoined(h, out, batch)
}

// Keeps counts each token's likelihood in a part, and in a slice of all that grows.
func (h *perplexity) Keeps() (row, step int64) { return 0, 8 + 3*8 }

// Parts foresees the tokens of each window. Samples need a Tag that is an [embed.Pieces].
func (h *perplexity) Parts(out *embed.Output, batch []embed.Sample) ([]any, error) {
	t, err := h.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	padded, width := int(t.Shape[1]), int(t.Shape[2])
	parts := make([]any, len(batch))
	for i := range batch {
		if parts[i], err = h.part(t.F32[i*padded*width:(i+1)*padded*width], width, &batch[i]); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return parts, nil
}

func (h *perplexity) part(logits []float32, width int, s *embed.Sample) (part foreseen, err error) {
	n, err := h.steps(s, len(logits)/width)
	if err != nil {
		return part, err
	}
	from, ok := s.Tag.(embed.Pieces)
	ids := input(s, "input_ids")
	if !ok || ids == nil || len(ids.I64) < n {
		return part, errors.New("the sample's tag and inputs do not say which tokens it has")
	}
	part.from, part.to = int(s.Start), int(s.End)
	for part.before < n && !from.Piece(part.before).Own {
		part.before++
	}
	part.nll, err = NLL(logits[:(n-1)*width], ids.I64[1:n], width)
	return part, err
}

// Join gives the Likelihood of a text: each token is foreseen from those before it in the first window that has it, as in the reference's guide to
// the perplexity of fixed-length models. The special token behind the text counts, that before it does not: nothing foresees it. Where windows
// share no tokens and nothing goes before a text, the first token of each window counts for nothing.
func (h *perplexity) Join(parts []any) (schemas.Payload, error) {
	var all []float64
	done := 0
	for i, p := range parts {
		w := p.(foreseen)
		first := w.before + max(done-w.from, 0) // place in the window of the first token that is new
		end := w.before + w.to - w.from
		if i == len(parts)-1 {
			end = len(w.nll) + 1 // what goes behind the text, too
		}
		if first, end = max(first, 1), min(end, len(w.nll)+1); first < end {
			all = append(all, w.nll[first-1:end-1]...)
		}
		done = max(done, w.to)
	}
	l, err := LikelihoodOf(all)
	return schemas.Payload{Likelihood: l}, err
}
