package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"vecmill/schemas"
)

// TestHeadsEqualTheReference compares rows with testdata/heads.json, which testdata/make.py wrote with the reference's models, tokenizers, processors and
// pipelines: words, places and numbers of classes exactly, values to 1e-4. The checkpoints have random weights.
func TestHeadsEqualTheReference(t *testing.T) {
	b, err := os.ReadFile("testdata/heads.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Class, Case, Data string
		Settings          map[string]json.RawMessage
		Heads             []json.RawMessage
		Ref               struct {
			TextPair *string `json:"text_pair"`
			Question string
			Choices  []string
		}
		Want []map[string]any
	}
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) < 40 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for i, c := range cases {
		t.Run(fmt.Sprintf("%d %s", i, c.Class), func(t *testing.T) {
			var settings []string
			for name, value := range c.Settings {
				settings = append(settings, fmt.Sprintf("    %s: %s", name, value))
			}
			var names []string
			for _, h := range c.Heads {
				names = append(names, string(h))
			}
			settings = append(settings, "    heads: ["+strings.Join(names, ", ")+"]")
			dir := classCase{c.Class, c.Class + "/" + c.Case}.checkpoint(t)
			cfg, p := pipelineFor(t, dir, strings.Join(settings, "\n"))
			blob, err := base64.StdEncoding.DecodeString(c.Data)
			if err != nil {
				t.Fatal(err)
			}
			ref := schemas.Ref{ID: "a", Inline: blob, TextPair: c.Ref.TextPair, Question: c.Ref.Question, Choices: c.Ref.Choices}
			rows, _ := rowsOf(t, p, load(t, cfg, p), []item{{ref, blob}}, 8)
			if len(rows[0]) != len(c.Want) {
				t.Fatalf("%d rows, want %d", len(rows[0]), len(c.Want))
			}
			for k, want := range c.Want {
				got := decoded(t, rows[0][k].Payload).(map[string]any)
				for name := range want {
					if d := differ(name, got[name], want[name], 1e-4); d != "" {
						t.Errorf("head %s: %s", c.Heads[k], d)
					}
				}
			}
		})
	}
}

func TestModelsSayWhatTheyCannot(t *testing.T) {
	for _, c := range []struct {
		name     string
		from     classCase
		settings string
		part     string
	}{
		{
			"segments of pictures of another size",
			classCase{"Data2VecVisionForSemanticSegmentation", "Data2VecVisionForSemanticSegmentation/base"},
			"    image: {height: 32, width: 16}\n    heads: [{task: masks}]", "own grid",
		},
		{
			"windows longer than the model",
			classCase{"Data2VecTextModel", "Data2VecTextModel/base"},
			"    text: {max_tokens: 4000}\n    heads: [{task: embedding}]", "max_tokens 4000",
		},
		{
			"a head of another class",
			classCase{"Data2VecTextForMaskedLM", "Data2VecTextForMaskedLM/base"},
			"    heads: [{task: perplexity}]", "Data2VecTextForCausalLM",
		},
		{
			"choices have no states to pool",
			classCase{"Data2VecTextForMultipleChoice", "Data2VecTextForMultipleChoice/base"},
			"    heads: [{task: embedding}]", "what fits this model: choice",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, p := pipelineFor(t, c.from.checkpoint(t), c.settings)
			m, err := loadModel(t.Context(), cfg, p, &stores{cfg: cfg}, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), c.part) {
				t.Errorf("%v, %v, want %q", m, err, c.part)
			}
		})
	}
}
