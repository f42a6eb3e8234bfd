package heads_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/embed/heads"
	"vecmill/model"
	"vecmill/schemas"
)

// maskID stands for a token that is to be guessed.
const maskID = 4

// Mask and Spell make pieces an embed.Speller: tokens are spelled by their numbers, special ones below 4.
func (p *pieces) Mask() (int64, bool) { return maskID, true }

func (p *pieces) Spell(ids []int64, specials bool) string {
	var all []string
	for _, id := range ids {
		if specials || id > maskID {
			all = append(all, fmt.Sprint(id))
		}
	}
	return strings.Join(all, " ")
}

// window is a sample of a window of a text whose words are its tokens, from word `first` on, with their ids.
func window(first int, ids ...int64) embed.Sample {
	s := taggedWindow(2*first, strings.Repeat("x ", len(ids)), make([]int64, len(ids))...)
	copy(s.Inputs[0].I64[1:], ids)
	s.Start, s.End = float64(first), float64(first+len(ids))
	return s
}

// byID gives logits [B, T, vocab] that depend on the token at each place alone.
func byID(vocab int) func(*testing.T, []embed.Sample, float32) *embed.Output {
	return func(_ *testing.T, batch []embed.Sample, garbage float32) *embed.Output {
		longest := 0
		for i := range batch {
			longest = max(longest, len(batch[i].Inputs[0].I64))
		}
		t := embed.Tensor{Name: "logits", Shape: []int64{int64(len(batch)), int64(longest), int64(vocab)}}
		for i := range batch {
			ids := batch[i].Inputs[0].I64
			for k := range longest {
				for v := range vocab {
					x := garbage
					if k < len(ids) {
						x = float32((int(ids[k])*7+v*5)%11) / 3
					}
					t.F32 = append(t.F32, x)
				}
			}
		}
		return &embed.Output{Tensors: []embed.Tensor{t}}
	}
}

// spans gives start_logits and end_logits [B, T] that are highest at the token 10 and at the token 11.
func spans(_ *testing.T, batch []embed.Sample, garbage float32) *embed.Output {
	out := byID(1)(nil, batch, garbage)
	var both []embed.Tensor
	for want, name := range []string{"start_logits", "end_logits"} {
		t := embed.Tensor{Name: name, Shape: out.Tensors[0].Shape[:2], F32: make([]float32, len(out.Tensors[0].F32))}
		longest := int(t.Shape[1])
		for i := range batch {
			for k := range longest {
				v := garbage
				if ids := batch[i].Inputs[0].I64; k < len(ids) {
					v = float32(k%3) / 2
					if ids[k] == int64(10+want) {
						v = 6
					}
				}
				t.F32[i*longest+k] = v
			}
		}
		both = append(both, t)
	}
	return &embed.Output{Tensors: both}
}

// alternatives is a sample with so many choices; their logits are the first ids of each.
func alternatives(ids ...int64) embed.Sample {
	shape := []int{len(ids), 1}
	return embed.Sample{Cost: len(ids), Inputs: []embed.Input{{Name: "input_ids", Shape: shape, I64: ids}, {Name: "attention_mask", Shape: shape, I64: ids}}}
}

func choiceLogits(_ *testing.T, batch []embed.Sample, garbage float32) *embed.Output {
	most := 0
	for i := range batch {
		most = max(most, len(batch[i].Inputs[0].I64))
	}
	t := embed.Tensor{Name: "logits", Shape: []int64{int64(len(batch)), int64(most)}}
	for i := range batch {
		for k := range most {
			v := garbage
			if ids := batch[i].Inputs[0].I64; k < len(ids) {
				v = float32(ids[k])
			}
			t.F32 = append(t.F32, v)
		}
	}
	return &embed.Output{Tensors: []embed.Tensor{t}}
}

func decoder() *model.Spec {
	s := textSpec("Data2VecTextForCausalLM")
	s.Text.IsDecoder = true
	return s
}

func tokenScores(name string) model.Port {
	return model.Port{Name: name, Type: "float32", Shape: []int64{-1, -1}}
}

func TestHeadsOfLanguageModelsPassTheSuite(t *testing.T) {
	texts := []embed.Sample{window(0, 10, maskID, 11), window(0, maskID, 12), window(0, 10, 13, 11, maskID, 14)}
	for _, c := range []struct {
		name    string
		cfg     heads.Config
		spec    *model.Spec
		graph   *model.Graph
		samples []embed.Sample
		output  func(*testing.T, []embed.Sample, float32) *embed.Output
	}{
		{"fill", heads.Config{Task: schemas.TaskFill, TopK: 2}, textSpec("Data2VecTextForMaskedLM"), graphWith(frameLogits(16)), texts, byID(16)},
		{"perplexity", heads.Config{Task: schemas.TaskPerplexity}, decoder(), graphWith(frameLogits(16)), texts, byID(16)},
		{
			"answers",
			heads.Config{Task: schemas.TaskAnswers, TopK: 2},
			textSpec("Data2VecTextForQuestionAnswering"), graphWith(tokenScores("start_logits"), tokenScores("end_logits")), texts, spans,
		},
		{
			"choice",
			heads.Config{Task: schemas.TaskChoice},
			textSpec("Data2VecTextForMultipleChoice"), graphWith(tokenScores("logits")),
			[]embed.Sample{alternatives(3, 4), alternatives(5), alternatives(1, 2, 6)},
			choiceLogits,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := heads.New(c.cfg, c.spec, c.graph)
			if err != nil {
				t.Fatal(err)
			}
			embedtest.TestHead(t, embedtest.HeadCase{Head: h, Samples: c.samples, Output: c.output})
		})
	}
}

func TestLanguageModelsThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   heads.Config
		spec  *model.Spec
		graph *model.Graph
		part  string
	}{
		{"a model that sees what it foresees", heads.Config{Task: schemas.TaskPerplexity}, textSpec("Data2VecTextForCausalLM"), graphWith(frameLogits(9)), "is_decoder"},
		{"more proposals than a text may have", heads.Config{Task: schemas.TaskFill, TopK: 5000}, textSpec("Data2VecTextForMaskedLM"), graphWith(frameLogits(9)), "top_k"},
		{"starts without ends", heads.Config{Task: schemas.TaskAnswers}, textSpec("Data2VecTextForQuestionAnswering"), graphWith(tokenScores("start_logits")), "end_logits"},
		{"an answer of less than nothing", heads.Config{Task: schemas.TaskAnswers, MaxAnswerTokens: -1}, textSpec("Data2VecTextForQuestionAnswering"), graphWith(tokenScores("start_logits"), tokenScores("end_logits")), "max_answer_tokens"},
		{"choices of a classifier", heads.Config{Task: schemas.TaskChoice}, textSpec("Data2VecTextForSequenceClassification", "a"), graphWith(itemLogits(1)), "Data2VecTextForMultipleChoice"},
		{"both ends without the first layer", heads.Config{Task: schemas.TaskEmbedding, Pooling: heads.FirstLast}, textSpec("Data2VecTextModel"), graphWith(state()), "hidden_states.1"},
		{"another precision", heads.Config{Task: schemas.TaskEmbedding, Precision: "fp8"}, textSpec("Data2VecTextModel"), graphWith(state()), `"fp8"`},
		{"another form of masks", heads.Config{Task: schemas.TaskMasks, Mask: "svg"}, imageSpec("Data2VecVisionForSemanticSegmentation", "a", "b"), graphWith(planes(2)), `"svg"`},
	} {
		if h, err := heads.New(c.cfg, c.spec, c.graph); err == nil || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: %v, %v, want %q", c.name, h, err, c.part)
		}
	}
}

// TestWindowsCountEachTokenOnce has logits under which each token's likelihood depends on the one before it, so that a text in windows that share at
// least one token has the likelihood of the whole.
func TestWindowsCountEachTokenOnce(t *testing.T) {
	h, err := heads.New(heads.Config{Task: schemas.TaskPerplexity}, decoder(), graphWith(frameLogits(16)))
	if err != nil {
		t.Fatal(err)
	}
	join := func(windows ...embed.Sample) schemas.Likelihood {
		j := h.(embed.Joiner)
		parts, err := j.Parts(byID(16)(t, windows, 0), windows)
		if err != nil {
			t.Fatal(err)
		}
		p, err := j.Join(parts)
		if err != nil {
			t.Fatal(err)
		}
		return p.Likelihood
	}
	whole := join(window(0, 10, 11, 7, 12, 9, 13))
	if whole.Tokens != 7 { // </s>, too
		t.Errorf("the whole has %d tokens", whole.Tokens)
	}
	for name, got := range map[string]schemas.Likelihood{
		"sharing one":  join(window(0, 10, 11, 7), window(2, 7, 12, 9), window(4, 9, 13)),
		"sharing two":  join(window(0, 10, 11, 7, 12), window(2, 7, 12, 9, 13)),
		"one in front": join(window(0, 10, 11, 7, 12, 9, 13), window(4, 9, 13)),
	} {
		if got.Tokens != whole.Tokens || math.Abs(got.NLL-whole.NLL) > 1e-12 {
			t.Errorf("%s: %+v, want %+v", name, got, whole)
		}
	}
	if apart := join(window(0, 10, 11, 7), window(3, 12, 9, 13)); apart.Tokens != 7 || apart.NLL == whole.NLL {
		t.Errorf("sharing none: %+v, the whole has %+v: the first token of the second window is foreseen from <s>", apart, whole)
	}
}

func TestTooManyMasksAreRefused(t *testing.T) {
	many := make([]int64, 600)
	for i := range many {
		many[i] = maskID
	}
	s := window(0, many...)
	_, err := applied(t, heads.Config{Task: schemas.TaskFill, TopK: 2}, textSpec("Data2VecTextForMaskedLM"), frameLogits(16), byID(16)(t, []embed.Sample{s}, 0), s)
	if reason, _ := schemas.Rejected(err); reason != schemas.ReasonTooLarge || !strings.Contains(err.Error(), "600 masks") {
		t.Errorf("got %v", err)
	}
}

// TestProposalsTakeNoMoreThanIsReserved has a text of 1,000 tokens, which each proposal has whole.
func TestProposalsTakeNoMoreThanIsReserved(t *testing.T) {
	cfg, spec := heads.Config{Task: schemas.TaskFill, TopK: 2}, textSpec("Data2VecTextForMaskedLM")
	head, err := heads.New(cfg, spec, graphWith(frameLogits(16)))
	if err != nil {
		t.Fatal(err)
	}
	most, _ := head.(embed.Keeper).Keeps()
	for masks, taken := range map[int]bool{100: true, 500: false} {
		ids := slices.Repeat([]int64{12}, 1000)
		for i := range masks {
			ids[i] = maskID
		}
		s := window(0, ids...)
		p, err := applied(t, cfg, spec, frameLogits(16), byID(16)(t, []embed.Sample{s}, 0), s)
		r, none := schemas.Row{Payload: p}, schemas.Row{}
		if held := r.Size() - none.Size(); taken && (err != nil || len(p.Fillings) != 2*masks || held > most) {
			t.Errorf("%d masks: %d proposals of %d bytes, %v", masks, len(p.Fillings), held, err)
		}
		if reason, _ := schemas.Rejected(err); !taken && (reason != schemas.ReasonTooLarge || !strings.Contains(err.Error(), "bytes together")) {
			t.Errorf("%d masks: %v", masks, err)
		}
	}
}

func TestATextWithoutAMaskHasNoProposals(t *testing.T) {
	s := window(0, 10, 11)
	p, err := applied(t, heads.Config{Task: schemas.TaskFill}, textSpec("Data2VecTextForMaskedLM"), frameLogits(16), byID(16)(t, []embed.Sample{s}, 0), s)
	if err != nil || len(p.Fillings) > 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestNLLRefusesWhatDoesNotFit(t *testing.T) {
	for name, f := range map[string]func() ([]float64, error){
		"fewer logits":       func() ([]float64, error) { return heads.NLL([]float32{1, 2, 3}, []int64{0, 1}, 2) },
		"a token behind":     func() ([]float64, error) { return heads.NLL([]float32{1, 2}, []int64{2}, 2) },
		"a token before":     func() ([]float64, error) { return heads.NLL([]float32{1, 2}, []int64{-1}, 2) },
		"not a number":       func() ([]float64, error) { return heads.NLL([]float32{1, float32(math.NaN())}, []int64{0}, 2) },
		"an impossible word": func() ([]float64, error) { return heads.NLL([]float32{1, float32(math.Inf(-1))}, []int64{1}, 2) },
	} {
		if got, err := f(); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	got, err := heads.NLL([]float32{0, 0, 0, 0}, []int64{3}, 4)
	if err != nil || math.Abs(got[0]-math.Log(4)) > 1e-12 {
		t.Errorf("%v, %v", got, err)
	}
}
