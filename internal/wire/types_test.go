package wire

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/schemas"
)

// withTypes is a checkpoint with a tokenizer whose second texts have type 1, under a configuration.
func withTypes(t *testing.T, from string, settings map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	for _, of := range []string{filepath.Join(goldenCases, from), "../predict/testdata/typed"} {
		if err := os.CopyFS(dir, os.DirFS(of)); err != nil {
			t.Fatal(err)
		}
	}
	if settings != nil {
		write(t, filepath.Join(dir, "tokenizer_config.json"), settings)
	}
	return dir
}

// TestPairsHaveTheirTypes holds that the model of a pipeline is given the types of a pair's tokens, alone and in batches, under a digest of its own. That the numbers are
// the reference's is shown by internal/predict.
func TestPairsHaveTheirTypes(t *testing.T) {
	second := "the dog"
	pairs := []item{
		{schemas.Ref{ID: "0", TextPair: &second}, []byte("ann lee is in rome.")}, {schemas.Ref{ID: "1", TextPair: &second}, []byte("a")}, {schemas.Ref{ID: "2"}, []byte("the end of the sea")},
	}
	for _, c := range []struct {
		from, head string
		items      []item
	}{
		{"Data2VecTextForMultipleChoice/base", "{task: choice}", itemsFor("Data2VecTextForMultipleChoice")},
		{"Data2VecTextModel/padid_types_act", "{task: embedding}", pairs},
	} {
		t.Run(c.from, func(t *testing.T) {
			cfg, p := pipelineFor(t, withTypes(t, c.from, nil), "    heads: ["+c.head+"]")
			typed := load(t, cfg, p)
			rows := modelInAnyBatch(t, p, typed, c.items)
			other := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "model_input_names": []string{"input_ids", "attention_mask"}}
			_, q := pipelineFor(t, withTypes(t, c.from, other), "    heads: ["+c.head+"]")
			plain := load(t, cfg, q)
			if typed.digest == plain.digest || typed.pre.Digest() == plain.pre.Digest() {
				t.Error("a model that is given types and one that is not have one digest")
			}
			without, _ := rowsOf(t, q, plain, c.items, 1)
			others := 0
			for i := range rows {
				if different(t, rows[i], without[i]) != "" {
					others++
				}
			}
			if others == 0 {
				t.Error("all rows are those of a model without types")
			}
		})
	}
}

func TestPackedRowsTakeNoTypes(t *testing.T) {
	cfg, p := pipelineFor(t, withTypes(t, "Data2VecTextModel/padid_types_act", nil), "    heads: [{task: embedding}]")
	p.Batch.Packing = true
	_, err := loadModel(t.Context(), cfg, p, &stores{cfg: cfg}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "packed rows take no optional inputs, and token_type_ids are asked for") {
		t.Errorf("error %v", err)
	}
}
