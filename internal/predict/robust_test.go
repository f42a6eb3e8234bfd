package predict

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/model"
)

func TestAnInputThatFailsStopsTheOthersUnlessToldOtherwise(t *testing.T) {
	const lines = `{"text":"Play some jazz"}
not JSON
{"file":"/nowhere.txt"}
{"texts":"a"}
{"text":"Will it rain?"}
`
	cache := t.TempDir()
	for _, c := range []struct {
		name    string
		keep    bool
		results int
		want    []string // of the lines that failed
		err     string
	}{
		{"it stops", false, 1, nil, "line 2: not an input"},
		{"it goes on", true, 2, []string{"line 2: not an input", "line 3: stat /nowhere.txt", `line 4: not an input: there is no key "texts"`}, "3 of 5 inputs failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := Job{Settings: Settings{Model: "../demo/models/text-intent", Cache: cache, Threads: 1}, KeepGoing: c.keep}
			var b bytes.Buffer
			err := Run(t.Context(), job, &b, func(do func(Input) error) error { return ReadLines(strings.NewReader(lines), do) })
			if input := (InputError{}); !errors.As(err, &input) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want an InputError that says %q", err, c.err)
			}
			results, failed := 0, []string{}
			for line := range strings.Lines(b.String()) {
				var m struct {
					Input, Task, Result, Error any
				}
				if err := json.Unmarshal([]byte(line), &m); err != nil || m.Input == nil || m.Task != "text-classification" {
					t.Fatalf("%s: %v", line, err)
				}
				if m.Error != nil {
					failed = append(failed, m.Error.(string))
				} else if m.Result != nil {
					results++
				}
			}
			if results != c.results || len(failed) != len(c.want) {
				t.Fatalf("%d results, failures %q", results, failed)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(failed[i], want) {
					t.Errorf("failure %q, want %q", failed[i], want)
				}
			}
		})
	}
}

func TestAnInterruptionIsNoInputsFault(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	job := Job{Settings: Settings{Model: "../demo/models/text-intent", Cache: t.TempDir(), Threads: 1}, KeepGoing: true}
	var b bytes.Buffer
	err := Run(ctx, job, &b, func(do func(Input) error) error { return do(OfText("a")) })
	if input := (InputError{}); !errors.Is(err, context.Canceled) || errors.As(err, &input) || b.Len() > 0 {
		t.Errorf("error %v, printed %s", err, b.String())
	}
}

func TestContentsMayComeWithoutAFile(t *testing.T) {
	b, err := os.ReadFile("../demo/samples/audio/speech-02.wav")
	if err != nil {
		t.Fatal(err)
	}
	data, err := ReadFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	got := predictAll(t, Job{Settings: Settings{Model: "../demo/models/audio-ctc"}}, OfData("-", data))[0]
	if got["input"] != "-" || marshalled(t, got["result"]) != `{"text":"TWO ZERO TWO SIX"}` {
		t.Errorf("got %v", got)
	}
}

// TestArgumentsOfTheReferenceAreNeverIgnoredSilently holds that what is refused is refused by name, and what changes nothing is accepted.
func TestArgumentsOfTheReferenceAreNeverIgnoredSilently(t *testing.T) {
	for task, names := range refusals() {
		for name, no := range names {
			err := Options{name: json.RawMessage(`"x"`)}.read(task, nil)
			if err == nil || !strings.Contains(err.Error(), no.why) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s %s: %v", task, name, err)
			}
			neutral := Options{name: json.RawMessage("null")}
			if no.neutral != "" {
				neutral[name] = json.RawMessage(no.neutral)
			}
			if err := neutral.read(task, nil); err != nil {
				t.Errorf("%s refuses %s, which asks for nothing: %v", task, neutral, err)
			}
			if idle(task, name) {
				t.Errorf("%s %s is refused, and accepted", task, name)
			}
		}
	}
	for task, name := range map[string]string{"image-segmentation": "threshold", "text-generation": "num_workers", "question-answering": "max_question_len"} {
		if err := (Options{name: json.RawMessage("3")}).read(task, nil); err != nil {
			t.Errorf("%s: %v", task, err)
		}
	}
	if err := (Options{"threshold": json.RawMessage("3")}).read("image-classification", nil); err == nil {
		t.Error("image-classification accepted a threshold")
	}
}

func TestOptionsInAnOptionAreSpread(t *testing.T) {
	o, err := Options{"top_k": json.RawMessage("2"), "kwargs": json.RawMessage(`{"max_length":4}`)}.spread("kwargs")
	if err != nil || len(o) != 2 || string(o["max_length"]) != "4" {
		t.Errorf("%s, %v", o, err)
	}
	for _, bad := range []Options{
		{"a": json.RawMessage("1"), "kwargs": json.RawMessage(`{"a":2}`)}, {"kwargs": json.RawMessage(`[1]`)},
	} {
		if _, err := bad.spread("kwargs"); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	models := map[string]string{}
	for _, c := range []struct{ class, task, option, want string }{
		{"Data2VecTextForCausalLM", "text-generation", "num_beam_groups=2", "greedy, sampling and num_beams"},
		{"Data2VecTextForCausalLM", "text-generation", "return_full_text=true return_text=true", "excludes"},
		{"Data2VecTextForCausalLM", "text-generation", "num_return_sequences=2 do_sample=false", "one result"},
		{"Data2VecTextForCausalLM", "text-generation", "handle_long_generation=pit", "hole"},
		{"Data2VecTextForCausalLM", "text-generation", "padding=max_length", "none"},
		{"Data2VecTextForCausalLM", "text-generation", "handle_long_generation=hole max_new_tokens=99", "no room"},
		{"Data2VecTextForCausalLM", "perplexity", "stride=0", "stride"},
		{"Data2VecTextForCausalLM", "perplexity", "max_length=1", "at least 2"},
		{"Data2VecTextForCausalLM", "perplexity", "add_special_tokens=false max_length=2 truncation=true", ""},
		{"Data2VecTextForSequenceClassification", "text-classification", "truncation=sometimes", "only_first"},
		{"Data2VecTextForSequenceClassification", "text-classification", "max_length=1", "too few"},
		{"Data2VecTextForSequenceClassification", "perplexity", "stride=1", "needs the class"},
		{"Data2VecTextModel", "feature-extraction", "pooling=median", "not one of"},
		{"Data2VecTextModel", "feature-extraction", "normalize=true", "needs pooling"},
		{"Data2VecTextModel", "feature-extraction", "pooling=mean pool=true", "excludes"},
		{"Data2VecTextForTokenClassification", "token-classification", "is_split_into_words=true", "add_prefix_space"},
	} {
		if models[c.class] == "" {
			models[c.class] = withProcessors(t, c.class)
		}
		job := Job{Settings: Settings{Model: models[c.class], Cache: t.TempDir(), Threads: 1}, Task: c.task, Options: Options{}}
		for _, o := range strings.Fields(c.option) {
			if err := job.Options.Set(o); err != nil {
				t.Fatal(err)
			}
		}
		err := Run(t.Context(), job, &bytes.Buffer{}, func(do func(Input) error) error { return do(OfText("a cat")) })
		if c.want == "" {
			if err != nil {
				t.Errorf("%s %s: %v", c.task, c.option, err)
			}
			continue
		}
		if input := (InputError{}); !errors.As(err, &input) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: error %v, want an InputError that says %q", c.task, c.option, err, c.want)
		}
	}
}

func TestSpeakersAreComparedWithThoseBefore(t *testing.T) {
	const samples = "../demo/samples/audio/speech-0"
	dir, cache := withProcessors(t, "Data2VecAudioForXVector"), t.TempDir()
	files := []Input{OfFile(samples + "2.wav"), OfFile(samples + "5.wav"), OfFile(samples + "2.wav")}
	vectors := predictAll(t, Job{Settings: Settings{Model: dir, Cache: cache}, Options: Options{"compare": json.RawMessage("true")}}, files...)
	pairs := predictAll(t, Job{Settings: Settings{Model: dir, Cache: cache}, Task: "speaker-verification"}, files...)
	similar := func(i int) []any { s, _ := vectors[i]["result"].(map[string]any)["similarity"].([]any); return s }
	if len(similar(0)) != 0 || len(similar(1)) != 1 || len(similar(2)) != 2 || math.Abs(similar(2)[0].(float64)-1) > 1e-6 {
		t.Fatalf("similarities %v, %v, %v", similar(0), similar(1), similar(2))
	}
	score := func(i int) float64 { return pairs[i]["result"].(map[string]any)["score"].(float64) }
	if math.Abs(score(0)-1) > 1e-6 || math.Abs(score(1)-similar(1)[0].(float64)) > 1e-9 || pairs[2]["result"].(map[string]any)["same"] != true {
		t.Errorf("pairs %v", pairs)
	}
}

// TestRawTensorsOfATextAreThoseOfItsPrompt holds that generation with a cache writes what the forward pass gives.
func TestRawTensorsOfATextAreThoseOfItsPrompt(t *testing.T) {
	dir, out := withProcessors(t, "Data2VecTextForCausalLM"), filepath.Join(t.TempDir(), "out")
	predictAll(t, Job{Settings: Settings{Model: dir, Outputs: []string{"attentions"}}, TensorsOut: out, Options: Options{"do_sample": json.RawMessage("false")}}, OfText("a cat"))
	got, err := readTensors(out)
	if err != nil || !slices.Equal(got["logits"].Shape, []int64{1, 7, 60}) || !slices.Equal(got["attentions.0"].Shape, []int64{1, 2, 7, 7}) {
		t.Errorf("wrote %v, %v, %v", sorted(got), got["logits"].Shape, err)
	}
}

// TestPositionsAreTheForwardPasss compares what a decoder counts with a run in which the graph counts, padding in the text included.
func TestPositionsAreTheForwardPasss(t *testing.T) {
	d := decoder{cfg: &model.TextConfig{PadTokenID: 1}}
	if got := d.positions([]int32{0, 5, 1, 6, 1}); !slices.Equal(got, []int64{2, 3, 1, 4, 1}) {
		t.Errorf("positions %v", got)
	}
	d.fromZero = true
	if got := d.positions([]int32{0, 5, 1}); !slices.Equal(got, []int64{0, 1, 2}) {
		t.Errorf("positions %v", got)
	}
	dir := withProcessors(t, "Data2VecTextForCausalLM")
	spec, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	run := func(cached bool) []float32 {
		r := &runner{job: &Job{Settings: Settings{Cache: t.TempDir(), Threads: 1}}, spec: spec}
		d := &decoder{cfg: spec.Text, cached: cached, run: func(ctx context.Context, in []embed.Tensor) ([]embed.Tensor, error) {
			return r.compute(ctx, in, &prepared{cached: cached})
		}}
		if _, err := d.Start(t.Context(), []int32{0, 5, 1, 6}); err != nil {
			t.Fatal(err)
		}
		rows, err := d.Step(t.Context(), []int{0, 0}, []int32{1, 7})
		if err == nil {
			rows, err = d.Step(t.Context(), []int{1, 0, 0}, []int32{9, 9, 4})
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := r.loaded.close(); err != nil {
			t.Fatal(err)
		}
		return slices.Concat(rows...)
	}
	with, without := run(true), run(false)
	for i := range with {
		if math.Abs(float64(with[i]-without[i])) > 1e-5 {
			t.Fatalf("logit %d is %v with the cache, %v without", i, with[i], without[i])
		}
	}
}

// TestAPictureOfAnotherSizeTakesAnotherGraph holds that a result does not depend on the size of the pictures before.
func TestAPictureOfAnotherSizeTakesAnotherGraph(t *testing.T) {
	spec, err := model.Open(withProcessors(t, "Data2VecVisionModel"))
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{job: &Job{Settings: Settings{Cache: t.TempDir(), Threads: 1}}, spec: spec}
	states := func(h, w int64) []float32 {
		x := embed.Tensor{Name: "pixel_values", Shape: []int64{1, 3, h, w}, F32: make([]float32, 3*h*w)}
		for i := range x.F32 {
			x.F32[i] = float32(i%17) / 17
		}
		out, err := r.compute(t.Context(), []embed.Tensor{x}, &prepared{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := output(out, state)
		if err != nil {
			t.Fatal(err)
		}
		return s.F32
	}
	first, other, again := states(16, 16), states(24, 16), states(16, 16)
	if !slices.Equal(first, again) || len(other) <= len(first) {
		t.Errorf("%d values, then %d, then %d", len(first), len(other), len(again))
	}
	if err := r.loaded.close(); err != nil {
		t.Fatal(err)
	}
}
