package heads

import (
	"errors"
	"fmt"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// defaultAnswerTokens is the longest answer of the reference's pipeline.
const defaultAnswerTokens = 15

// answers finds the answers to a question in a text, from start_logits and end_logits [B, T].
type answers struct {
	head
	steps  steps
	reader Reader
}

func newAnswers(h head, cfg Config, spec *model.Spec, graph *model.Graph) (embed.Head, error) {
	if _, has := graph.Output(endOutput); !has {
		return nil, fmt.Errorf("needs the output %s beside %s", endOutput, startOutput)
	}
	a := &answers{head: h, steps: stepsOf(spec), reader: Reader{TopK: cfg.TopK, MaxAnswerLen: cfg.MaxAnswerTokens, Impossible: cfg.NoAnswer, AlignToWords: true}}
	if a.reader.TopK == 0 {
		a.reader.TopK = 1
	}
	if a.reader.MaxAnswerLen == 0 {
		a.reader.MaxAnswerLen = defaultAnswerTokens
	}
	switch {
	case a.reader.TopK < 0:
		return nil, fmt.Errorf("top_k: %d is negative", cfg.TopK)
	case a.reader.MaxAnswerLen < 0:
		return nil, fmt.Errorf("max_answer_tokens: %d is negative", cfg.MaxAnswerTokens)
	}
	return a, nil
}

// Apply gives each sample its Answers, with the best as Text and Score.
func (h *answers) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	return embed.ApplyJoined(h, out, batch)
}

// Keeps counts the candidates of a window and what becomes of them; their texts are parts of the object's.
func (h *answers) Keeps() (row, step int64) { return 4 * 64 * int64(h.reader.TopK), 0 }

// Parts finds the candidates of each window. Samples need a Tag that is an [embed.Pieces].
func (h *answers) Parts(out *embed.Output, batch []embed.Sample) ([]any, error) {
	start, err := h.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	last := h.head
	last.output = endOutput
	end, err := last.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	if end.Shape[1] != start.Shape[1] {
		return nil, fmt.Errorf("output %s has shape %v, %s has %v", startOutput, start.Shape, endOutput, end.Shape)
	}
	padded := int(start.Shape[1])
	parts := make([]any, len(batch))
	for i := range batch {
		n, err := h.steps(&batch[i], padded)
		if err == nil {
			at := i * padded
			parts[i], err = h.part(start.F32[at:at+n], end.F32[at:at+n], batch[i].Tag)
		}
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return parts, nil
}

func (h *answers) part(start, end []float32, tag any) (SpanAnswers, error) {
	from, ok := tag.(embed.Pieces)
	if !ok {
		return SpanAnswers{}, errors.New("the sample's tag does not say where its tokens are from")
	}
	if !finite(identity(start)) || !finite(identity(end)) {
		return SpanAnswers{}, ErrNotFinite
	}
	excerpt, first := from.Excerpt()
	text, n := []rune(excerpt), len(start)
	s := Span{StartLogits: start, EndLogits: end, Allowed: make([]bool, n), Offsets: make([][2]int32, n), Words: make([]int32, n)}
	for k := range n {
		p := from.Piece(k)
		s.Allowed[k], s.Words[k] = p.Own || p.Class, -1
		if !p.Own {
			continue
		}
		if p.Start < first || p.End < p.Start || p.End > first+len(text) {
			return SpanAnswers{}, fmt.Errorf("token %d is from [%d, %d) of the text, the sample from [%d, %d)", k, p.Start, p.End, first, first+len(text))
		}
		s.Offsets[k], s.Words[k] = [2]int32{int32(p.Start), int32(p.End)}, int32(p.Word)
	}
	return h.reader.ReadSpan(text, first, &s), nil
}

// Join gives the best answers of a text, and the best of them as Text and Score.
func (h *answers) Join(parts []any) (schemas.Payload, error) {
	spans := make([]SpanAnswers, len(parts))
	for i := range parts {
		spans[i] = parts[i].(SpanAnswers)
	}
	var p schemas.Payload
	for _, a := range h.reader.Best(spans) {
		p.Answers = append(p.Answers, schemas.Answer{Text: a.Answer, Start: a.Start, End: a.End, Score: float32(a.Score)})
	}
	if len(p.Answers) > 0 {
		p.Text, p.Score = p.Answers[0].Text, p.Answers[0].Score
	}
	return p, nil
}
