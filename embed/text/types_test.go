package text

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// tokenizerWith is base/ with another post-processor and configuration.
func tokenizerWith(t *testing.T, config string, post any) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range map[string][]byte{"tokenizer.json": edited(t, "post_processor", post), "tokenizer_config.json": []byte(config)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestTypesEqualTheReference compares with testdata/types.json: the types of one text and of two, and whether the model is given them.
func TestTypesEqualTheReference(t *testing.T) {
	b, err := os.ReadFile("testdata/types.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Config  json.RawMessage
		Post    any `json:"post_processor"`
		A       string
		B       *string
		Special bool
		IDs     []int32
		Types   []int64
	}
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) < 50 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	given := 0
	for i, c := range cases {
		dir := tokenizerWith(t, string(c.Config), c.Post)
		k, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if k.listsTypes != (c.Types != nil) {
			t.Errorf("%d: %s: types are given: %v", i, c.Config, k.listsTypes)
		}
		lengths := []int{len(k.Encode(c.A, Parse, 0).IDs)}
		if c.B != nil {
			lengths = append(lengths, len(k.Encode(*c.B, Parse, 0).IDs))
		}
		got := k.Types(c.Special, lengths...)
		if len(got) != len(c.IDs) {
			t.Errorf("%d: %s, special tokens %v: %d types, want %d", i, c.Config, c.Special, len(got), len(c.IDs))
		}
		if c.Types != nil && !slices.Equal(got, c.Types) {
			t.Errorf("%d: %s, special tokens %v: types %v, want %v", i, c.Config, c.Special, got, c.Types)
		}
		if slices.Contains(c.Types, 1) {
			given++
		}
	}
	if given < 12 {
		t.Errorf("%d cases with a type other than 0: nothing is shown", given)
	}
}

// TestSamplesHaveTheTypesThatTheModelIsGiven is of a tokenizer whose second texts have a type of their own, and of those whose samples, and digests, stay as they were.
func TestSamplesHaveTheTypesThatTheModelIsGiven(t *testing.T) {
	parts := templateOf("<s> A </s>", "<s> A </s> B </s>")
	for _, at := range []int{3, 4} {
		for _, part := range parts["pair"].([]any)[at].(map[string]any) {
			part.(map[string]any)["type_id"] = 1
		}
	}
	const fast = `{"tokenizer_class": "PreTrainedTokenizerFast"}`
	other := "out one by one"
	digests := map[string]string{}
	for _, c := range []struct {
		name, class, config string
		kinds               int
		typed               bool
	}{
		{"pairs", "Data2VecTextForSequenceClassification", fast, 2, true},
		{"choices", "Data2VecTextForMultipleChoice", fast, 2, true},
		{"a class of texts alone", "Data2VecTextForTokenClassification", fast, 2, false},
		{"a model of one type", "Data2VecTextForSequenceClassification", fast, 1, false},
		{"RoBERTa's own tokenizer", "Data2VecTextForSequenceClassification", `{"tokenizer_class": "RobertaTokenizer"}`, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := specOf(tokenizerWith(t, c.config, parts), 32)
			spec.Class, spec.Text.TypeVocabSize = c.class, c.kinds
			p, err := New(spec, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if typed := slices.Equal(p.Inputs(), []string{"token_type_ids"}); typed != c.typed || !typed && p.Inputs() != nil {
				t.Fatalf("inputs %v", p.Inputs())
			}
			digests[c.name] = p.Digest()
			ref := schemas.Ref{TextPair: &other}
			switch c.class {
			case "Data2VecTextForMultipleChoice":
				ref = schemas.Ref{Choices: []string{"went", other}}
			case "Data2VecTextForTokenClassification":
				ref = schemas.Ref{}
			}
			got, err := p.Preprocess(t.Context(), ref, []byte("the harbour"))
			if err != nil || len(got) != 1 {
				t.Fatalf("%d samples, %v", len(got), err)
			}
			if !c.typed {
				if len(got[0].Inputs) != 2 {
					t.Errorf("%d inputs", len(got[0].Inputs))
				}
				return
			}
			ids, types := got[0].Inputs[0], got[0].Inputs[2]
			if types.Name != "token_type_ids" || !slices.Equal(types.Shape, ids.Shape) || types.Pad != 0 {
				t.Fatalf("%+v beside ids %v", types, ids.Shape)
			}
			width := ids.Shape[len(ids.Shape)-1]
			for row := range len(ids.I64) / width {
				seen := 0 // ends of texts before a token
				for k, id := range ids.I64[row*width : (row+1)*width] {
					if want := seen == 1; (types.I64[row*width+k] == 1) != want {
						t.Errorf("row %d: token %d of %v has type %d", row, k, ids.I64, types.I64[row*width+k])
					}
					if id == 2 {
						seen++
					}
				}
			}
			if _, err := embed.Collate(got); err != nil {
				t.Error(err)
			}
		})
	}
	if digests["pairs"] == digests["a model of one type"] {
		t.Error("samples with types and without have one digest")
	}
	parts["pair"].([]any)[3].(map[string]any)["Sequence"].(map[string]any)["type_id"] = 2
	spec := specOf(tokenizerWith(t, fast, parts), 32)
	spec.Class, spec.Text.TypeVocabSize = "Data2VecTextForSequenceClassification", 2
	if _, err := New(spec, Options{}); err == nil || !strings.Contains(err.Error(), "the type 2, config.json has a type_vocab_size of 2") {
		t.Errorf("a type that the model lacks: %v", err)
	}
}

// TestAReadyMadeGraphIsGivenTheInputsThatItHas is of one that was exported without types, and runs as it is.
func TestAReadyMadeGraphIsGivenTheInputsThatItHas(t *testing.T) {
	k, err := Load("testdata/added")
	if err != nil {
		t.Fatal(err)
	}
	spec := &model.Spec{Class: "Data2VecTextModel", Text: &model.TextConfig{TypeVocabSize: 2}}
	if !k.Typed(spec, true) || k.Typed(spec, false) {
		t.Errorf("of two texts %v, of one %v", k.Typed(spec, true), k.Typed(spec, false))
	}
	if spec.ONNX = "model.onnx"; k.Typed(spec, true) {
		t.Error("a graph without the input is given it")
	}
	if fmt.Sprint(k.Types(true, 1, 1)) != "[0 1]" {
		t.Errorf("types %v", k.Types(true, 1, 1))
	}
}
