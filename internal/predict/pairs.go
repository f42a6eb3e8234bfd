package predict

import (
	"context"
	"errors"
	"math"

	"vecmill/embed"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
)

// answers is question-answering.
type answers struct {
	texts             *texts
	reader            tasks.Reader
	maxSeqLen, stride int
	cls               int32
}

// unset is a number that nobody gives.
const unset = math.MinInt

func newAnswers(spec *model.Spec, o Options) (worker, error) {
	e, err := newTexts(spec)
	if err != nil {
		return nil, err
	}
	a := &answers{texts: e, reader: tasks.Reader{TopK: 1, MaxAnswerLen: 15, AlignToWords: true}, stride: unset, cls: -1}
	var topK, old *int
	if err := o.read("question-answering", map[string]any{
		"topk": &old, "top_k": &topK, "max_answer_len": &a.reader.MaxAnswerLen, "handle_impossible_answer": &a.reader.Impossible,
		"align_to_words": &a.reader.AlignToWords, "max_seq_len": &a.maxSeqLen, "doc_stride": &a.stride, "model_max_length": &e.maxLength,
		"padding": &e.padding, // changes no answer
	}); err != nil {
		return nil, err
	}
	if e.tok.PadsLeft() { // the reference then puts the context first, and takes answers from the question
		return nil, faultf("question-answering with a tokenizer that pads on the left (padding_side) is not supported")
	}
	if topK == nil {
		topK = old // deprecated there
	}
	if topK != nil {
		a.reader.TopK = *topK
	}
	if err := e.checkTruncation(); err != nil {
		return nil, err
	}
	if a.maxSeqLen == 0 {
		a.maxSeqLen = 384
		if e.maxLength > 0 {
			a.maxSeqLen = min(a.maxSeqLen, e.maxLength)
		}
	}
	if a.stride == unset {
		a.stride = min(a.maxSeqLen/2, 128)
	}
	switch {
	case a.reader.TopK < 1:
		return nil, faultf("option top_k: %d is not at least 1", a.reader.TopK)
	case a.reader.MaxAnswerLen < 1:
		return nil, faultf("option max_answer_len: %d is not at least 1", a.reader.MaxAnswerLen)
	case a.maxSeqLen < 0 || a.stride < 0:
		return nil, faultf("options max_seq_len and doc_stride: %d or %d is negative", a.maxSeqLen, a.stride)
	case a.stride > a.maxSeqLen:
		return nil, faultf("option doc_stride: %d is more than max_seq_len, %d", a.stride, a.maxSeqLen)
	}
	if id, ok := e.tok.Role("cls_token"); ok {
		a.cls = id
	}
	return a, nil
}

// asked is what finish needs of prepare.
type asked struct {
	context []rune
	windows []encoded
}

func (a *answers) prepare(_ context.Context, in *Input) (*prepared, error) {
	switch {
	case in.Question == nil || in.Context == nil:
		return nil, missing("question", "context")
	case *in.Question == "" || *in.Context == "": // so does the reference
		return nil, faultf("the question or the context is empty")
	}
	all, err := a.texts.pair(*in.Question, *in.Context, a.maxSeqLen, a.stride)
	if err != nil {
		return nil, err
	}
	return &prepared{runs: runs(all), tag: asked{[]rune(*in.Context), all}}, nil
}

func (a *answers) finish(p *prepared, out [][]embed.Tensor) (result, error) {
	in := p.tag.(asked)
	spans := make([]tasks.Span, len(out))
	for i := range out {
		start, err := output(out[i], "start_logits")
		if err != nil {
			return nil, err
		}
		end, err := output(out[i], "end_logits")
		if err != nil {
			return nil, err
		}
		e := &in.windows[i]
		s := tasks.Span{
			StartLogits: start.F32, EndLogits: end.F32, Offsets: e.offsets,
			Allowed: make([]bool, len(e.ids)), Words: make([]int32, len(e.ids)),
		}
		for k, id := range e.ids {
			s.Words[k] = -1
			if e.sequence[k] == 1 {
				s.Words[k] = e.words[k]
			}
			s.Allowed[k] = e.sequence[k] == 1 || id == a.cls
		}
		spans[i] = s
	}
	found := a.reader.Read(in.context, spans)
	if len(found) == 1 {
		return found[0], nil
	}
	return found, nil
}

// choices is multiple-choice: the probability of each choice.
type choices struct{ texts *texts }

func newChoices(spec *model.Spec, o Options) (worker, error) {
	e, err := newTexts(spec)
	if err != nil {
		return nil, err
	}
	return &choices{e}, errors.Join(o.read("multiple-choice", e.places()), e.checkTruncation())
}

func (c *choices) prepare(_ context.Context, in *Input) (*prepared, error) {
	if in.Prompt == nil || len(in.Choices) == 0 {
		return nil, missing("prompt", "choices")
	}
	var all []encoded
	longest := 0
	for _, choice := range in.Choices {
		e, err := c.texts.pair(*in.Prompt, choice, c.texts.limit(), -1)
		if err != nil {
			return nil, err
		}
		all = append(all, e[0])
		longest = max(longest, len(e[0].ids))
	}
	n := len(all) * longest
	ids, mask, types := make([]int64, n), make([]int64, n), make([]int64, n)
	for i, e := range all {
		copy(types[i*longest:], e.types)
		for k := range longest {
			ids[i*longest+k] = int64(c.texts.tok.Pad())
			if k < len(e.ids) {
				ids[i*longest+k], mask[i*longest+k] = int64(e.ids[k]), 1
			}
		}
	}
	shape := []int64{1, int64(len(all)), int64(longest)}
	run := []embed.Tensor{{Name: "input_ids", Shape: shape, I64: ids}, {Name: "attention_mask", Shape: shape, I64: mask}}
	if c.texts.typed {
		run = append(run, embed.Tensor{Name: "token_type_ids", Shape: shape, I64: types})
	}
	return &prepared{runs: [][]embed.Tensor{run}}, nil
}

func (c *choices) finish(_ *prepared, out [][]embed.Tensor) (result, error) {
	logits, err := output(out[0], "logits")
	if err != nil {
		return nil, err
	}
	return tasks.Softmax.Apply(logits.F32)
}
