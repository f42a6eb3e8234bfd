package text

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"vecmill/schemas"
)

// pairCase is a case of testdata/pairs.json, which the reference made.
type pairCase struct {
	A, B    string
	Max     int
	Left    bool // truncation_side
	Behind  bool // padding_side is left, so the question goes behind the text
	Stride  *int
	Windows []struct {
		IDs     []int64
		Offsets []*[2]int32
		Words   []*int32
	}
}

func ofClass(t *testing.T, class string, opts Options) *Preprocessor {
	t.Helper()
	spec := specOf("testdata/base", 32)
	spec.Class = class
	p, err := New(spec, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPairsEqualTheReference(t *testing.T) {
	b, err := os.ReadFile("testdata/pairs.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []pairCase
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) < 40 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for i, c := range cases {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			class, opts := "Data2VecTextForSequenceClassification", Options{MaxTokens: c.Max, Long: Truncate}
			ref, blob := schemas.Ref{TextPair: &c.B}, c.A
			if c.Stride != nil {
				class, opts = "Data2VecTextForQuestionAnswering", Options{MaxTokens: c.Max, Long: Window, Stride: *c.Stride}
				ref, blob = schemas.Ref{Question: c.A}, c.B
			}
			p := ofClass(t, class, opts)
			p.tokenizer.cutsLeft, p.tokenizer.padsLeft = c.Left, c.Behind
			got, err := p.Preprocess(t.Context(), ref, []byte(blob))
			if err != nil || len(got) != len(c.Windows) {
				t.Fatalf("%d windows, %v, want %d", len(got), err, len(c.Windows))
			}
			held := int64(2 * len(blob))
			for w, want := range c.Windows {
				s := got[w]
				held += s.Bytes() + 12*int64(s.Cost)
				if note := s.Notes[schemas.CompanionNote]; note != ref.Companion() && (c.B != "" || note != "") {
					t.Errorf("window %d is noted to have %q beside it", w, note)
				}
				if note := s.Notes[schemas.CompanionHashNote]; note != ref.CompanionHash() {
					t.Errorf("window %d is noted to have %s beside it, want %s", w, note, ref.CompanionHash())
				}
				if !slices.Equal(s.Inputs[0].I64, want.IDs) {
					t.Errorf("window %d: ids\n%v, want\n%v", w, s.Inputs[0].I64, want.IDs)
					continue
				}
				tag := s.Tag.(*Tokens)
				excerpt, from := tag.Excerpt()
				for k := range want.IDs {
					piece := tag.Piece(k)
					switch {
					case piece.Own != (want.Offsets[k] != nil):
						t.Errorf("window %d: token %d is the text's own: %v", w, k, piece.Own)
					case piece.Own && ([2]int32{int32(piece.Start), int32(piece.End)} != *want.Offsets[k] || int32(piece.Word) != *want.Words[k]):
						t.Errorf("window %d: token %d is %+v, want %v of word %v", w, k, piece, *want.Offsets[k], *want.Words[k])
					case piece.Own && (piece.Start < from || piece.End > from+len([]rune(excerpt))):
						t.Errorf("window %d: token %d at %d-%d is not in the excerpt from %d", w, k, piece.Start, piece.End, from)
					}
				}
			}
			if bound, err := p.Footprint(ref, nil, int64(len(blob))); err != nil || bound < held {
				t.Errorf("holds %d, footprint %d, %v", held, bound, err)
			}
		})
	}
}

// Two texts that are too long together, by each strategy of the reference; where it refuses, so does the preprocessor.
func TestTextsGiveWayAsTheReferenceHasIt(t *testing.T) {
	b, err := os.ReadFile("testdata/truncation.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		A, B     string
		Max      int
		Strategy Truncation
		Left     bool
		IDs      []int64
	}
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) < 80 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for i, c := range cases {
		p := ofClass(t, "Data2VecTextForSequenceClassification", Options{MaxTokens: c.Max, Long: Truncate, Truncation: c.Strategy})
		p.tokenizer.cutsLeft = c.Left
		got, err := p.Preprocess(t.Context(), schemas.Ref{TextPair: &c.B}, []byte(c.A))
		if c.IDs == nil {
			if reason, _ := schemas.Rejected(err); reason != schemas.ReasonTooLarge || !strings.Contains(err.Error(), "leaves nothing of a text") {
				t.Errorf("%d: %s: %v, the reference refuses it", i, c.Strategy, err)
			}
			continue
		}
		if err != nil || len(got) != 1 || !slices.Equal(got[0].Inputs[0].I64, c.IDs) {
			t.Errorf("%d: %s, cut on the left: %t: %v, %v, want %v", i, c.Strategy, c.Left, got, err, c.IDs)
		}
	}
}

func TestChoicesAreRowsOfOneSample(t *testing.T) {
	p := ofClass(t, "Data2VecTextForMultipleChoice", Options{})
	ref := schemas.Ref{Choices: []string{"one by one", "out", "é"}}
	got, err := p.Preprocess(t.Context(), ref, []byte("The harbour lights went"))
	if err != nil || len(got) != 1 {
		t.Fatalf("%d samples, %v", len(got), err)
	}
	ids, mask := got[0].Inputs[0], got[0].Inputs[1]
	rows, width := ids.Shape[0], ids.Shape[1]
	if rows != 3 || got[0].Cost != rows*width || !slices.Equal(ids.Shape, mask.Shape) || len(ids.I64) != rows*width {
		t.Fatalf("input_ids %v, attention_mask %v, cost %d", ids.Shape, mask.Shape, got[0].Cost)
	}
	pairs := ofClass(t, "Data2VecTextForSequenceClassification", Options{})
	for i := range ref.Choices {
		alone, err := pairs.Preprocess(t.Context(), schemas.Ref{TextPair: &ref.Choices[i]}, []byte("The harbour lights went"))
		if err != nil {
			t.Fatal(err)
		}
		row, n := ids.I64[i*width:(i+1)*width], alone[0].Cost
		if !slices.Equal(row[:n], alone[0].Inputs[0].I64) || slices.ContainsFunc(row[n:], func(id int64) bool { return id != 1 }) {
			t.Errorf("row %d is %v, want %v and padding", i, row, alone[0].Inputs[0].I64)
		}
		for k, m := range mask.I64[i*width : (i+1)*width] {
			if (m == 1) != (k < n) {
				t.Errorf("row %d: the mask at %d is %d", i, k, m)
			}
		}
	}
}

func TestReferencesMustHaveWhatTheClassTakes(t *testing.T) {
	pair, long := "x", strings.Repeat("one by one ", 20)
	for _, c := range []struct {
		name, class string
		opts        Options
		ref         schemas.Ref
		text        string
		reason      schemas.Reason
		part        string
	}{
		{"no question", "Data2VecTextForQuestionAnswering", Options{}, schemas.Ref{}, "a", schemas.ReasonSchema, "no question"},
		{"no choices", "Data2VecTextForMultipleChoice", Options{}, schemas.Ref{}, "a", schemas.ReasonSchema, "no choices"},
		{"a question to a classifier", "Data2VecTextForSequenceClassification", Options{}, schemas.Ref{Question: "x"}, "a", schemas.ReasonSchema, "takes a text_pair"},
		{"a pair of a language model", "Data2VecTextForMaskedLM", Options{}, schemas.Ref{TextPair: &pair}, "a", schemas.ReasonSchema, "a text alone"},
		{"choices in place of a question", "Data2VecTextForQuestionAnswering", Options{}, schemas.Ref{Choices: []string{"x"}}, "a", schemas.ReasonSchema, "has a choices"},
		{"a pair over the limit", "Data2VecTextForSequenceClassification", Options{}, schemas.Ref{TextPair: &pair}, long, schemas.ReasonTooLarge, "32 tokens together"},
		{"a pair is not cut into windows", "Data2VecTextForSequenceClassification", Options{Long: Window}, schemas.Ref{TextPair: &long}, "a", schemas.ReasonTooLarge, "32 tokens together, special ones included: set text.long: truncate to take longer texts"},
		{"a question over the limit", "Data2VecTextForQuestionAnswering", Options{Long: Window}, schemas.Ref{Question: long}, "a", schemas.ReasonTooLarge, "leaves 0 tokens"},
		{"a question that leaves less than the stride", "Data2VecTextForQuestionAnswering", Options{Long: Window, Stride: 27}, schemas.Ref{Question: "out"}, "a", schemas.ReasonTooLarge, "stride of 27"},
		{"a context over the limit", "Data2VecTextForQuestionAnswering", Options{}, schemas.Ref{Question: "out"}, long, schemas.ReasonTooLarge, "32 tokens together, special ones included: set text.long to take longer texts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := ofClass(t, c.class, c.opts)
			_, err := p.Preprocess(context.Background(), c.ref, []byte(c.text))
			wantRejection(t, err, c.reason, c.part)
			if _, err := p.Footprint(c.ref, nil, 10); err != nil {
				wantRejection(t, err, c.reason, "")
			}
		})
	}
}

func TestATruncatedContextIsFlagged(t *testing.T) {
	p := ofClass(t, "Data2VecTextForQuestionAnswering", Options{Long: Truncate})
	for text, want := range map[string]bool{"one by one": false, strings.Repeat("one by one ", 20): true} {
		got, err := p.Preprocess(t.Context(), schemas.Ref{Question: "out"}, []byte(text))
		if err != nil || len(got) != 1 || got[0].Truncated != want {
			t.Errorf("%q: %d samples, %v", text, len(got), err)
		}
	}
}

func TestTheTagSpells(t *testing.T) {
	s := prepare(t, newPreprocessor(t, Options{}), "out <mask> 42")[0]
	tag := s.Tag.(*Tokens)
	id, ok := tag.Mask()
	if !ok || !slices.Contains(s.Inputs[0].I64, id) {
		t.Fatalf("mask %d, %v in %v", id, ok, s.Inputs[0].I64)
	}
	ids := s.Inputs[0].I64
	if got := tag.Spell(ids, true); got != "<s>out<mask> 42</s>" {
		t.Errorf("with special tokens %q", got)
	}
	if got := tag.Spell(ids, false); got != "out 42" {
		t.Errorf("without %q", got)
	}
}
