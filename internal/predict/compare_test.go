package predict

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/model"
)

// Of the bundled models, which are trained, other precisions decide the same.
func TestPrecisionsAreComparedOnTheUsersOwnSample(t *testing.T) {
	for _, c := range []struct {
		model, samples string
		words          bool
		options        Options
	}{
		{"audio-ctc", "audio/speech-*.flac", true, nil},
		{"audio-ctc", "audio/speech-*.flac", true, Options{"chunk_length_s": json.RawMessage("2")}},
		{"text-intent", "text/sentence-*.txt", false, nil},
		{"vision-digits", "image/digit-*.jpg", false, nil},
	} {
		for _, p := range []struct {
			asked, compared   model.Precision
			cosine, agreement float64
		}{{model.Single, model.Int8, 0.999, 0.98}, {model.Int8, model.Int8, 0.999, 0.98}, {model.Half, model.Half, 0.99999, 1}} {
			t.Run(fmt.Sprint(c.model, c.options, p.asked), func(t *testing.T) {
				all, lowest := compared(t, c.model, c.samples, p.asked, c.options)
				switch {
				case all.Inputs != 3 || all.Cosine.Lowest != lowest || all.Cosine.Mean < lowest || all.Precision != p.compared:
					t.Errorf("the sum %+v is not that of the lines", all)
				case lowest < p.cosine || lowest == 1:
					t.Errorf("lowest cosine %v: below %v, or %s did nothing", lowest, p.cosine, p.compared)
				case all.Agreement == nil || *all.Agreement < p.agreement:
					t.Errorf("agreement %v, want %v at least", *all.Agreement, p.agreement)
				case (all.WordError != nil) != c.words || c.words && *all.WordError > 0:
					t.Errorf("word error rate %v", all.WordError)
				}
			})
		}
	}
}

// compared runs three samples through a bundled model, and gives the line of all and the lowest cosine of the others.
func compared(t *testing.T, name, samples string, p model.Precision, o Options) (all likenesses, lowest float64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../demo/samples", samples))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	var out bytes.Buffer
	job := Job{Settings: Settings{Model: filepath.Join("../demo/models", name), Cache: t.TempDir(), Threads: 1, Precision: p}, Options: o}
	err = Compare(t.Context(), job, &out, func(do func(Input) error) error {
		for _, f := range files[:3] {
			if err := do(OfFile(f)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want one for each sample and one for all:\n%s", len(lines), out.String())
	}
	if err := json.Unmarshal([]byte(lines[3]), &all); err != nil {
		t.Fatal(err)
	}
	lowest = 1
	for _, raw := range lines[:3] {
		var l likeness
		if err := json.Unmarshal([]byte(raw), &l); err != nil {
			t.Fatal(err)
		}
		lowest = min(lowest, l.Cosine)
	}
	return all, lowest
}

// A regression's one logit points the same way whatever is wrong with it.
func TestModelsWithOneLogitAreComparedByTheirStates(t *testing.T) {
	dir := withProcessors(t, "Data2VecTextForSequenceClassification")
	for _, name := range []string{"config.json", "model.safetensors"} {
		b, err := os.ReadFile(filepath.Join(goldenRoot, "Data2VecTextForSequenceClassification", "regression", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	job := Job{Settings: Settings{Model: dir, Cache: t.TempDir(), Threads: 1}}
	if err := Compare(t.Context(), job, &out, func(do func(Input) error) error { return do(OfText("a b")) }); err != nil {
		t.Fatal(err)
	}
	var l likeness
	if err := json.NewDecoder(&out).Decode(&l); err != nil || l.Cosine < 0.9 || 1-l.Cosine < 1e-7 || l.Agreement != nil {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestATaskThatRunsTheModelItselfIsNotCompared(t *testing.T) {
	job := Job{Settings: Settings{Model: withProcessors(t, "Data2VecTextForCausalLM"), Cache: t.TempDir()}, Task: "perplexity"}
	err := Compare(t.Context(), job, &bytes.Buffer{}, func(do func(Input) error) error { return do(OfText("a b")) })
	if err == nil || !strings.Contains(err.Error(), "perplexity") {
		t.Errorf("%v", err)
	}
}

func TestEditsAreTheFewest(t *testing.T) {
	for _, c := range []struct {
		want, got string
		edits     int
	}{{"", "", 0}, {"a b c", "a b c", 0}, {"a b c", "a c", 1}, {"a c", "a b c", 1}, {"a b c", "a x c", 1}, {"a b", "", 2}, {"", "a b", 2}, {"a b c d", "b c d e", 2}} {
		if n := edits(strings.Fields(c.want), strings.Fields(c.got)); n != c.edits {
			t.Errorf("%q to %q: %d, want %d", c.want, c.got, n, c.edits)
		}
	}
}

func TestDecisionsAreCountedAlongTheLabels(t *testing.T) {
	at := func(name string, shape []int64, x ...float32) embed.Tensor {
		return embed.Tensor{Name: name, Shape: shape, F32: x}
	}
	const multi = "multi_label_classification"
	for _, c := range []struct {
		name      string
		x, y      embed.Tensor
		problem   string
		same, all int
	}{
		{"two labels", at("logits", []int64{1, 2}, 1, 2), at("logits", []int64{1, 2}, 3, 2), "", 0, 1},
		{"a label for each token", at("logits", []int64{1, 2, 2}, 1, 2, 4, 3), at("logits", []int64{1, 2, 2}, 1, 2, 3, 4), "", 1, 2},
		{"a label for each pixel", at("logits", []int64{1, 2, 1, 2}, 1, 9, 2, 8), at("logits", []int64{1, 2, 1, 2}, 1, 9, 2, 10), "", 1, 2},
		{"a begin", at("start_logits", []int64{1, 3}, 1, 2, 3), at("start_logits", []int64{1, 3}, 2, 2, 3), "", 1, 1},
		{"a regression", at("logits", []int64{1, 1}, 1), at("logits", []int64{1, 1}, 2), "", 0, 0},
		{"a regression of two", at("logits", []int64{1, 2}, 1, 2), at("logits", []int64{1, 2}, 2, 1), "regression", 0, 0},
		{"a state", at("last_hidden_state", []int64{1, 1, 2}, 1, 2), at("last_hidden_state", []int64{1, 1, 2}, 2, 1), "", 0, 0},
		{"every label by itself", at("logits", []int64{1, 3}, 1, -2, 3), at("logits", []int64{1, 3}, 2, 1, -3), multi, 1, 3},
		{"one label by itself", at("logits", []int64{1, 1}, 1), at("logits", []int64{1, 1}, 2), multi, 1, 1},
	} {
		same, all := decisions([]embed.Tensor{c.x}, []embed.Tensor{c.y}, c.problem)
		if same != c.same || all != c.all {
			t.Errorf("%s: %d of %d the same, want %d of %d", c.name, same, all, c.same, c.all)
		}
	}
}

// Where the transcript that is taken for right has no words, each that the other has is one too many; of two without words there is no rate.
func TestWordsThatAreInventedAreErrors(t *testing.T) {
	for _, c := range []struct {
		want, got string
		rate      float64 // below 0: none
	}{{"a b", "a c", 0.5}, {"", "a b", 2}, {"", "", -1}, {"a", "", 1}} {
		want, got := strings.Fields(c.want), strings.Fields(c.got)
		rate := wordErrors(edits(want, got), len(want))
		if (rate != nil) != (c.rate >= 0) || rate != nil && *rate != c.rate {
			t.Errorf("%q for %q: %v, want %v", c.got, c.want, rate, c.rate)
		}
	}
}

// A file that can be read once only, such as a pipe, is compared, too.
func TestAPipeIsCompared(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("Play some jazz"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out bytes.Buffer
	job := Job{Settings: Settings{Model: "../demo/models/text-intent", Cache: t.TempDir(), Threads: 1}}
	if err := Compare(t.Context(), job, &out, func(do func(Input) error) error { return do(OfFile(fmt.Sprintf("/dev/fd/%d", r.Fd()))) }); err != nil {
		t.Fatal(err)
	}
	var l likeness
	if err := json.NewDecoder(&out).Decode(&l); err != nil || l.Cosine < 0.99 {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestTheCosineOfZerosAndOfNoNumbers(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name string
		x, y []float32
		want float64
	}{
		{"both zero", []float32{0, 0}, []float32{0, 0}, 1},
		{"one zero", []float32{0, 0}, []float32{1, 0}, 0},
		{"the same way", []float32{1, 1}, []float32{2, 2}, 1},
		{"not a number", []float32{0, 0}, []float32{nan, 1}, math.NaN()},
	} {
		if got := cosine(c.x, c.y); math.IsNaN(got) != math.IsNaN(c.want) || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
