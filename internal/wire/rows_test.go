package wire

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
)

// TestAQuestionBecomesRowsInAFile goes the whole way: references with questions in a manifest, two heads, one of them of whole texts, Parquet files, and
// back. A reference without a question is a dead letter.
func TestAQuestionBecomesRowsInAFile(t *testing.T) {
	out, manifest := t.TempDir(), filepath.Join(t.TempDir(), "questions.jsonl")
	long := strings.Repeat("the dog is at the end of the sea. ", 6)
	lines := fmt.Sprintf(`{"v":1,"id":"long","inline_text":%q,"question":"the cat"}
{"v":1,"id":"short","inline_text":"ann lee is in rome.","question":"the cat"}
{"v":1,"id":"none","inline_text":"ann lee is in rome."}
`, long)
	if err := os.WriteFile(manifest, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	class := "Data2VecTextForQuestionAnswering"
	cfg, p := pipelineFor(t, classCase{class, class + "/base"}.checkpoint(t), fmt.Sprintf(`    topics: ["manifest:questions"]
    text: {long: window, stride: 6, max_tokens: 30}
    heads: [{task: answers, top_k: 3, no_answer: true}, {task: embedding, dtype: fp16}]
    dead_letters: {url: "file://%s/dead"}`, out))
	p.Outputs[0].Parquet.URL = "file://" + out + "/rows"
	w, err := Open(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler), Source: ManifestSource(cfg, manifest, "questions", ReadOptions{})})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := w.Stats()[0].Stream; s.Dead[schemas.ReasonSchema] != 1 {
		t.Errorf("dead letters %v, want one of class schema", s.Dead)
	}
	st, err := dirstore.Open(filepath.Join(out, "rows"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := parquetsink.Chain(t.Context(), st, "", schemas.SourceID{Pipeline: "p", Topic: "manifest:questions"}, 0)
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	kinds := map[string]int{}
	for _, f := range files {
		rows, err := parquetsink.ReadRows(t.Context(), st, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			r := &rows[i]
			kinds[r.RefID+" "+r.Head]++
			switch r.Task {
			case schemas.TaskAnswers:
				if len(r.Answers) != 3 || r.Answers[0].Text != r.Text || r.Window != 0 || r.WindowStart != 0 || r.Vector != nil || r.Half != nil {
					t.Errorf("answers of %s: %+v", r.RefID, r)
				}
				for _, a := range r.Answers {
					if text := []rune(long); r.RefID == "long" && a.Text != string(text[a.Start:a.End]) {
						t.Errorf("%q is not at %d-%d of the text", a.Text, a.Start, a.End)
					}
				}
				if end := map[string]float64{"long": 66, "short": 14}[r.RefID]; r.WindowEnd < end/2 {
					t.Errorf("%s ends at token %g", r.RefID, r.WindowEnd)
				}
			case schemas.TaskEmbedding:
				if len(r.Half) != 16 || r.Vector != nil || r.Answers != nil {
					t.Errorf("embedding of %s: %+v", r.RefID, r)
				}
			}
		}
	}
	if kinds["long answers"] != 1 || kinds["short answers"] != 1 || kinds["short embedding"] != 1 || kinds["long embedding"] < 3 || len(kinds) != 4 {
		t.Errorf("rows: %v", kinds)
	}
}
