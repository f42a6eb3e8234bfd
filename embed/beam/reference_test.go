package beam

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestDecodingEqualsTheReference runs the cases that tools/golden/beams.py makes with pyctcdecode 0.5 and kenlm 0.3: random logits, alphabets of
// characters and of pieces, every kind of language model. VECMILL_BEAM_CASES names a directory of more.
func TestDecodingEqualsTheReference(t *testing.T) {
	dir := "testdata/reference"
	if more := os.Getenv("VECMILL_BEAM_CASES"); more != "" {
		dir = more
	}
	cases, err := filepath.Glob(filepath.Join(dir, "*", "case.json"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases in %s (%v)", dir, err)
	}
	for _, path := range cases {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) { testCase(t, filepath.Dir(path)) })
	}
}

// want is a case: the options, the reference's beams as [text, [[word, start, end]...], logit score, score], and sentences with their scores.
type want struct {
	Kind, Style string
	Options     struct {
		Width    *int     `json:"beam_width"`
		Prune    *float64 `json:"beam_prune_logp"`
		Min      *float64 `json:"token_min_logp"`
		History  bool     `json:"prune_history"`
		Hot      []string `json:"hotwords"`
		HotScore *float64 `json:"hotword_weight"`
	}
	Count     int               // of beams
	Beams     []json.RawMessage // the best ones
	Sentences []json.RawMessage
}

func (w *want) options() Options {
	o := NewDefaultOptions()
	set(&o.Width, w.Options.Width)
	set(&o.PruneLogP, w.Options.Prune)
	set(&o.TokenMinLogP, w.Options.Min)
	set(&o.HotWordWeight, w.Options.HotScore)
	o.PruneHistory, o.HotWords = w.Options.History, w.Options.Hot
	return o
}

func set[T any](field *T, v *T) {
	if v != nil {
		*field = *v
	}
}

func decodeJSON(t *testing.T, raw json.RawMessage, into ...any) {
	t.Helper()
	if err := json.Unmarshal(raw, &into); err != nil {
		t.Fatal(err)
	}
}

func testCase(t *testing.T, dir string) {
	raw, err := os.ReadFile(filepath.Join(dir, "case.json"))
	if err != nil {
		t.Fatal(err)
	}
	var w want
	if err := json.Unmarshal(raw, &w); err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d.lm != nil {
		defer func() {
			if err := d.lm.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	for _, s := range w.Sentences {
		var text string
		var score float64
		decodeJSON(t, s, &text, &score)
		if got := d.lm.model.LogProb(split(text)...); math.Abs(got-score) > 1e-4 {
			t.Errorf("%s: %q scores %v, want %v", w.Kind, text, got, score)
		}
	}
	logits := readLogits(t, filepath.Join(dir, "logits.f32"))
	results, err := d.Decode(t.Context(), logits, w.options())
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != w.Count {
		t.Errorf("%s %s: %d beams, want %d", w.Kind, w.Style, len(results), w.Count)
	}
	for i := range min(len(results), len(w.Beams)) {
		checkBeam(t, i, &results[i], w.Beams[i])
	}
}

func checkBeam(t *testing.T, i int, got *Result, raw json.RawMessage) {
	t.Helper()
	var text string
	var logit, score float64
	var frames []json.RawMessage
	decodeJSON(t, raw, &text, &frames, &logit, &score)
	if got.Text != text || math.Abs(got.LogitScore-logit) > 1e-4 || math.Abs(got.Score-score) > 1e-4 {
		t.Errorf("beam %d is %q, %v, %v, want %q, %v, %v", i, got.Text, got.LogitScore, got.Score, text, logit, score)
	}
	var words []Word
	for _, f := range frames {
		var w Word
		decodeJSON(t, f, &w.Text, &w.Start, &w.End)
		words = append(words, w)
	}
	if !slices.EqualFunc(got.Words, words, func(a, b Word) bool { return a.Text == b.Text && a.Start == b.Start && a.End == b.End }) {
		t.Errorf("beam %d has the words %v, want %v", i, got.Words, words)
	}
}

func readLogits(t *testing.T, path string) []float32 {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, len(raw)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return x
}
