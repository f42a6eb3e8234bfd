package wire

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"vecmill/schemas"
)

// speechCase is one of tools/golden/speech.py: what transformers' pipeline makes of a file.
type speechCase struct {
	Processor, File string
	Options         struct {
		Timestamps string  `json:"return_timestamps"`
		Chunk      float64 `json:"chunk_length_s"`
		Stride     any     `json:"stride_length_s"`
		Decoder    any     `json:"decoder_kwargs"`
	}
	Result struct {
		Text   string
		Chunks []struct {
			Text      string
			Timestamp [2]float64
		}
	}
}

// TestTranscriptsOfPipelinesEqualTheReference runs the reference's cases through config, engine and head: whole and in windows that overlap, greedily and with a
// language model. Texts and times are exact, and each item is one row.
func TestTranscriptsOfPipelinesEqualTheReference(t *testing.T) {
	raw, err := os.ReadFile("../predict/testdata/speech/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []speechCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, from := range []string{"../demo/models/audio-ctc", "../predict/testdata/speech"} {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	ran := 0
	for _, c := range cases {
		if c.Options.Stride != nil || c.Options.Decoder != nil || c.Options.Timestamps == "" {
			continue // pipelines have one stride for both sides; the options of the search are tested with predict
		}
		ran++
		search, audio := "greedy", ""
		if c.Processor == "Wav2Vec2ProcessorWithLM" {
			search = "beam"
		}
		if c.Options.Chunk > 0 {
			audio = fmt.Sprintf("    audio: {long: overlap, window_seconds: %v, max_seconds: %v}\n", c.Options.Chunk, c.Options.Chunk)
		}
		cfg, p := pipelineFor(t, dir, audio+fmt.Sprintf("    heads: [{task: transcript, decoding: {search: %s}}]", search))
		m := load(t, cfg, p)
		blob, err := os.ReadFile(filepath.Join("../demo/samples/audio", c.File))
		if err != nil {
			t.Fatal(err)
		}
		rows, _ := rowsOf(t, p, m, []item{{schemas.Ref{ID: "a", URI: "file:///a"}, blob}}, 4)
		checkTranscript(t, fmt.Sprintf("%s %s %+v", search, c.File, c.Options), rows[0], c)
	}
	if ran < 6 {
		t.Errorf("only %d cases", ran)
	}
}

func checkTranscript(t *testing.T, name string, rows []schemas.Row, want speechCase) {
	t.Helper()
	if len(rows) != 1 || rows[0].Text != want.Result.Text {
		t.Errorf("%s: %d rows, the first says %q, want %q", name, len(rows), rows[0].Text, want.Result.Text)
		return
	}
	got := rows[0].Words
	if want.Options.Timestamps == "char" {
		got = rows[0].Chars
	}
	if len(got) != len(want.Result.Chunks) {
		t.Errorf("%s: %v, want %v", name, got, want.Result.Chunks)
		return
	}
	for i, w := range want.Result.Chunks {
		if got[i].Word != w.Text || got[i].Start != w.Timestamp[0] || got[i].End != w.Timestamp[1] || !(got[i].Score > 0 && got[i].Score <= 1) {
			t.Errorf("%s: %v, want %v", name, got[i], w)
		}
	}
}
