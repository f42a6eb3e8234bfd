package predict

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/model"
)

const goldenRoot = "../../model/golden"

// TestTensorsEqualTheReference takes one case of each class through files, under the reference's names. embed/golden runs all of them.
func TestTensorsEqualTheReference(t *testing.T) {
	cases, err := golden.Load(goldenRoot)
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]bool{}
	for _, c := range cases {
		for _, r := range c.Runs {
			if done[c.Class] || r.Beyond != "" || len(r.Outputs) == 0 {
				continue
			}
			done[c.Class] = true
			t.Run(c.Class, func(t *testing.T) { runCase(t, c, r) })
		}
	}
	if len(done) < 15 {
		t.Errorf("found cases of %d classes only", len(done))
	}
}

func runCase(t *testing.T, c golden.Case, r golden.Run) {
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	var given []embed.Tensor
	for _, name := range sorted(r.Inputs) {
		given = append(given, r.Inputs[name])
	}
	if err := writeTensors(in, given); err != nil {
		t.Fatal(err)
	}
	var asked []string
	for name := range r.Outputs {
		if group, _, many := strings.Cut(name, "."); many && !slices.Contains(asked, group) {
			asked = append(asked, group)
		}
	}
	s := Settings{Model: c.Dir, Cache: t.TempDir(), HFPadding: true, Outputs: asked, Threads: 1}
	if err := Tensors(context.Background(), s, in, out); err != nil {
		t.Fatal(err)
	}
	got, err := readTensors(out)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range r.Outputs {
		have, ok := got[name]
		if !ok {
			t.Errorf("no output %s; there are %v", name, sorted(got))
			continue
		}
		if _, err := want.Compare(&have); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, state := got[state]; state && strings.Contains(c.Class, "For") {
		t.Errorf("the head class gives last_hidden_state, which the reference's does not")
	}
}

func TestTensorsRefuseWhatDoesNotFit(t *testing.T) {
	text := filepath.Join(goldenRoot, "Data2VecTextModel", "base")
	audio := filepath.Join(goldenRoot, "Data2VecAudioModel", "base")
	ids := embed.Tensor{Name: "input_ids", Shape: []int64{1, 3}, I64: []int64{0, 5, 2}}
	for _, c := range []struct {
		name, model string
		in          []embed.Tensor
		want        string
	}{
		{"no checkpoint", "/nowhere", []embed.Tensor{ids}, "no such file"},
		{"no model named", "", []embed.Tensor{ids}, "--model"},
		{"inputs of another modality", audio, []embed.Tensor{ids}, "input_values of Data2VecAudioModel is missing"},
		{"an unknown input", text, []embed.Tensor{ids, {Name: "pixels", Shape: []int64{1}, F32: []float32{1}}}, "pixels"},
		{"ids without a batch", text, []embed.Tensor{{Name: "input_ids", Shape: []int64{3}, I64: []int64{0, 5, 2}}}, "want 2 axes"},
		{"ids with fractions", text, []embed.Tensor{{Name: "input_ids", Shape: []int64{1, 1}, F32: []float32{.5}}}, "whole numbers"},
		{"an id outside the vocabulary", text, []embed.Tensor{{Name: "input_ids", Shape: []int64{1, 2}, I64: []int64{0, 99999}}}, "input_ids has the value 99999"},
		{"an id below zero", text, []embed.Tensor{{Name: "input_ids", Shape: []int64{1, 2}, I64: []int64{0, -1}}}, "input_ids has the value -1"},
		{"a position below zero", text, []embed.Tensor{ids, {Name: "position_ids", Shape: []int64{1, 3}, I64: []int64{1, 2, -3}}}, "position_ids has the value -3"},
		{"a mask of another shape", text, []embed.Tensor{ids, {Name: "attention_mask", Shape: []int64{1, 2}, I64: []int64{1, 1}}}, "attention_mask has shape [1 2]"},
		{"samples of whole numbers", audio, []embed.Tensor{{Name: "input_values", Shape: []int64{1, 3}, I64: []int64{0, 5, 2}}}, "want F32"},
		{"too few samples", audio, []embed.Tensor{{Name: "input_values", Shape: []int64{1, 3}, F32: []float32{0, 5, 2}}}, "too few for a single frame"},
		{"nothing in it", text, []embed.Tensor{{Name: "input_ids", Shape: []int64{0, 3}, I64: []int64{}}}, "nothing in it"},
		{"positions of another shape", text, []embed.Tensor{ids, {Name: "position_ids", Shape: []int64{1, 3, 1}, I64: []int64{1, 2, 3}}}, "position_ids"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := filepath.Join(t.TempDir(), "in")
			if err := writeTensors(in, c.in); err != nil {
				t.Fatal(err)
			}
			err := Tensors(context.Background(), Settings{Model: c.model, Cache: t.TempDir(), Threads: 1}, in, in+".out")
			if input := (InputError{}); !errors.As(err, &input) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want an InputError that says %q", err, c.want)
			}
		})
	}
}

// withConfig is a copy of a checkpoint with other values in its configuration, and a preprocessor's beside it.
func withConfig(t *testing.T, from string, set map[string]any, preprocessor string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	path, doc := filepath.Join(dir, "config.json"), map[string]any{}
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(doc, set)
	for name, content := range map[string]string{path: marshalled(t, doc), filepath.Join(dir, "preprocessor_config.json"): preprocessor} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// An adapter's kernel may be longer than the frames of a clip: ONNX Runtime would fail in the middle of the graph.
func TestClipsTooShortForTheAdapterAreRefusedByName(t *testing.T) {
	dir := withConfig(t, filepath.Join(goldenRoot, "Data2VecAudioForXVector", "adapter_kernel"), map[string]any{"adapter_kernel_size": 9}, `{}`)
	for _, compatible := range []bool{false, true} {
		s := Settings{Model: dir, Cache: t.TempDir(), HFPadding: compatible, Threads: 1}
		in := filepath.Join(t.TempDir(), "in")
		if err := writeTensors(in, []embed.Tensor{{Name: "input_values", Shape: []int64{1, 90}, F32: make([]float32, 90)}}); err != nil {
			t.Fatal(err)
		}
		err := Tensors(t.Context(), s, in, in+".out")
		if input := (InputError{}); !errors.As(err, &input) || !strings.Contains(err.Error(), "too few for the adapter (adapter_kernel_size 9") {
			t.Errorf("tensors: %v", err)
		}
		clip := filepath.Join(t.TempDir(), "clip.wav")
		header := "RIFF\xd8\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\xb4\x00\x00\x00"
		if err := os.WriteFile(clip, []byte(header+strings.Repeat("\x10\x00", 90)), 0o600); err != nil {
			t.Fatal(err)
		}
		err = Run(t.Context(), Job{Settings: s}, io.Discard, func(do func(Input) error) error { return do(OfFile(clip)) })
		if input := (InputError{}); !errors.As(err, &input) || !strings.Contains(err.Error(), "too few for the model's adapter") {
			t.Errorf("a file: %v", err)
		}
	}
}

// The dilated convolutions of x-vectors want nine frames here: a shorter recording is refused in words, raw inputs get what docs/parity.md says.
func TestClipsTooShortForAnXVectorAreRefusedByName(t *testing.T) {
	dir := withConfig(t, filepath.Join(goldenRoot, "Data2VecAudioForXVector", "base"), nil, `{}`)
	const least = 30 + 8*20
	run := func(s Settings, samples int, task string) error {
		clip := filepath.Join(t.TempDir(), "clip.wav")
		if err := os.WriteFile(clip, wave(samples), 0o600); err != nil {
			t.Fatal(err)
		}
		return Run(t.Context(), Job{Settings: s, Task: task}, io.Discard, func(do func(Input) error) error { return do(OfFile(clip)) })
	}
	for _, compatible := range []bool{false, true} {
		s := Settings{Model: dir, Cache: t.TempDir(), HFPadding: compatible, Threads: 1}
		for _, task := range []string{"audio-xvector", "speaker-verification"} {
			if err, input := run(s, least-1, task), (InputError{}); !errors.As(err, &input) || !strings.Contains(err.Error(), "8 frames, too few for an x-vector") {
				t.Errorf("%s: %v", task, err)
			}
		}
		if err := run(s, least+20, ""); err != nil {
			t.Errorf("a clip of two pooled frames: %v", err)
		}
		// The deviation of a single frame is 0 here, and not a number in the reference.
		if err, input := run(s, least, ""), (InputError{}); compatible && (!errors.As(err, &input) || !strings.Contains(err.Error(), "x-vector of a single frame")) || !compatible && err != nil {
			t.Errorf("a clip of one pooled frame: %v", err)
		}
		if err, input := run(s, least-1, "feature-extraction"), (InputError{}); compatible && (!errors.As(err, &input) || !strings.Contains(err.Error(), "too few for the TDNN layers")) || !compatible && err != nil {
			t.Errorf("the states of a short clip: %v", err)
		}
		in := filepath.Join(t.TempDir(), "in")
		if err := writeTensors(in, []embed.Tensor{{Name: "input_values", Shape: []int64{1, 90}, F32: make([]float32, 90)}}); err != nil {
			t.Fatal(err)
		}
		err := Tensors(t.Context(), s, in, in+".out")
		if input := (InputError{}); compatible && (!errors.As(err, &input) || !strings.Contains(err.Error(), "too few for the TDNN layers (tdnn_kernel [5 3 1]")) {
			t.Errorf("tensors: %v", err)
		}
		if compatible {
			continue
		}
		out, err := readTensors(in + ".out")
		if err != nil || !math.IsNaN(float64(out["embeddings"].F32[0])) {
			t.Errorf("tensors: %v, %v", out["embeddings"], err)
		}
	}
}

// wave is a WAV file of so many samples at 16 kHz.
func wave(samples int) []byte {
	b := []byte("RIFF....WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data....")
	binary.LittleEndian.PutUint32(b[4:], uint32(36+2*samples))
	binary.LittleEndian.PutUint32(b[40:], uint32(2*samples))
	for i := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(i*i*37))
	}
	return b
}

func TestPaddingIsToldByTheSumOfTheMask(t *testing.T) {
	spec, err := model.Open(filepath.Join(goldenRoot, "Data2VecAudioModel", "base"))
	if err != nil {
		t.Fatal(err)
	}
	x := embed.Tensor{Name: "input_values", Shape: []int64{3, 4}, F32: make([]float32, 12)}
	for name, c := range map[string]struct {
		mask []int64
		want []int64
	}{
		"no mask is no padding":                  {nil, []int64{4, 4, 4}},
		"on the right, on the left, nothing but": {[]int64{1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0}, []int64{2, 3, 0}},
	} {
		in := map[string]embed.Tensor{"input_values": x}
		if c.mask != nil {
			in["attention_mask"] = embed.Tensor{Name: "attention_mask", Shape: x.Shape, I64: c.mask}
		}
		fed, _, err := feed(spec, in)
		if err != nil || len(fed) != 2 || fed[1].Name != "lengths" || !slices.Equal(fed[1].I64, c.want) {
			t.Errorf("%s: %v, %v", name, fed, err)
		}
	}
}

func TestAHeadMaskWithOneAxisIsForEveryLayer(t *testing.T) {
	spec, err := model.Open(filepath.Join(goldenRoot, "Data2VecTextModel", "base"))
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]embed.Tensor{
		"input_ids": {Name: "input_ids", Shape: []int64{1, 2}, I64: []int64{5, 6}},
		"head_mask": {Name: "head_mask", Shape: []int64{2}, F32: []float32{1, .5}},
	}
	fed, _, err := feed(spec, in)
	if err != nil || len(fed) != 3 {
		t.Fatalf("%v, %v", fed, err)
	}
	layers := spec.Text.NumHiddenLayers
	if got := fed[2]; !slices.Equal(got.Shape, []int64{int64(layers), 2}) || !slices.Equal(got.F32, slices.Repeat([]float32{1, .5}, layers)) {
		t.Errorf("head mask %+v of %d layers", got, layers)
	}
}

func TestTensorFilesRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t")
	in := []embed.Tensor{
		{Name: "b", Shape: []int64{2, 1}, F32: []float32{1.5, -2}},
		{Name: "a", Shape: []int64{3}, I64: []int64{1, -2, 1 << 40}},
		{Name: "scalar", F32: []float32{7}},
	}
	if err := writeTensors(path, in); err != nil {
		t.Fatal(err)
	}
	out, err := readTensors(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range in {
		got := out[want.Name]
		if !slices.Equal(got.Shape, want.Shape) || !slices.Equal(got.F32, want.F32) || !slices.Equal(got.I64, want.I64) {
			t.Errorf("wrote %+v, read %+v", want, got)
		}
	}
	if err := writeTensors(path, append(in, in[0])); err == nil {
		t.Error("wrote two tensors of one name")
	}
	if _, err := readTensors(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("read a file that is not there")
	}
}

func TestOptionsAreNamedAndTyped(t *testing.T) {
	o := Options{}
	for _, s := range []string{"top_k=3", "function_to_apply=sigmoid", "x=null"} {
		if err := o.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	k, f := 5, ""
	if err := o.read("t", map[string]any{"top_k": &k, "function_to_apply": &f, "x": &k}); err != nil || k != 3 || f != "sigmoid" {
		t.Errorf("top_k %d, function %q, %v", k, f, err)
	}
	if err := o.read("t", map[string]any{"top_k": &k}); err == nil || !strings.Contains(err.Error(), "it has top_k") {
		t.Errorf("unknown options give %v", err)
	}
	if err := o.Set("top_k"); err == nil {
		t.Error("accepted an option without a value")
	}
	if err := (Options{"top_k": json.RawMessage(`"many"`)}).read("t", map[string]any{"top_k": &k}); err == nil {
		t.Error("accepted many")
	}
}

func TestLinesNameTheirFaults(t *testing.T) {
	var got []string
	each := func(in Input) error {
		s, err := in.text()
		got = append(got, s)
		return err
	}
	if err := ReadLines(strings.NewReader("{\"text\":\"a\"}\n\n {\"text\":\"\"}\n"), each); err != nil || !slices.Equal(got, []string{"a", ""}) {
		t.Errorf("read %q, %v", got, err)
	}
	for line, want := range map[string]string{
		"hello":                   "line 1: not an input",
		`{"texts":"a"}`:           "texts",
		`{"text":"a"} {}`:         "more than one",
		`{"file":"/nowhere.txt"}`: "no such file",
		`{}`:                      "has none",
	} {
		if err := ReadLines(strings.NewReader(line), each); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", line, err, want)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(`{"file":"a.wav"}`))
	f.Add([]byte(`{"prompt":"p","choices":["a","b"]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		in, err := parseLine(line)
		if err != nil {
			return
		}
		if _, err := json.Marshal(in.shown); err != nil {
			t.Errorf("accepted %q, which cannot be shown: %v", line, err)
		}
	})
}

// predictAll runs a job and decodes its lines.
func predictAll(t *testing.T, job Job, inputs ...Input) []map[string]any {
	t.Helper()
	if job.Settings.Threads = 1; job.Settings.Cache == "" {
		job.Settings.Cache = t.TempDir()
	}
	var b bytes.Buffer
	err := Run(context.Background(), job, &b, func(do func(Input) error) error {
		for _, in := range inputs {
			if err := do(in); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for line := range strings.Lines(b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// marshalled encodes a value for comparison.
func marshalled(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheBundledModelsSayWhatTheySay(t *testing.T) {
	const models, samples = "../demo/models/", "../demo/samples/"
	speech := OfFile(samples + "audio/speech-02.wav")
	for _, c := range []struct {
		name    string
		job     Job
		in      Input
		task    string
		want    []string // in the result's JSON
		without string
	}{
		{"speech", Job{Settings: Settings{Model: models + "audio-ctc"}}, speech, "automatic-speech-recognition", []string{`{"text":"TWO ZERO TWO SIX"}`}, "chunks"},
		{"speech in a packed row", Job{Settings: Settings{Model: models + "audio-ctc", Packed: true}}, speech, "automatic-speech-recognition", []string{`{"text":"TWO ZERO TWO SIX"}`}, "chunks"},
		{
			"speech with times of words",
			Job{Settings: Settings{Model: models + "audio-ctc"}, Options: Options{"return_timestamps": json.RawMessage(`"word"`)}},
			speech, "automatic-speech-recognition",
			[]string{`"text":"TWO ZERO TWO SIX"`, `"text":"ZERO","timestamp":`},
			"",
		},
		{
			"speech in chunks",
			Job{Settings: Settings{Model: models + "audio-ctc"}, Options: Options{"chunk_length_s": json.RawMessage(`2`), "stride_length_s": json.RawMessage(`[0.6,0.6]`), "batch_size": json.RawMessage("2")}},
			speech, "automatic-speech-recognition",
			[]string{"SIX"},
			"",
		},
		{"a picture's best label", Job{Settings: Settings{Model: models + "vision-digits"}, Options: Options{"top_k": json.RawMessage("1")}}, OfFile(samples + "image/digit-01.png"), "image-classification", []string{`[{"label":`}, "},{"},
		{"a text's label", Job{Settings: Settings{Model: models + "text-intent"}}, OfText("Will it rain in Paris tomorrow?"), "text-classification", []string{"GetWeather"}, "},{"},
		{"all of a text's labels", Job{Settings: Settings{Model: models + "text-intent"}, Options: Options{"top_k": json.RawMessage("null")}}, OfFile(samples + "text/sentence-01.txt"), "text-classification", []string{"},{"}, ""},
		{"features of a text", Job{Settings: Settings{Model: models + "text-intent"}, Task: "feature-extraction"}, OfText("a"), "feature-extraction", []string{"[["}, "label"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := predictAll(t, c.job, c.in)
			if len(all) != 1 || all[0]["task"] != c.task || all[0]["input"] == nil {
				t.Fatalf("got %v", all)
			}
			got := marshalled(t, all[0]["result"])
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %s in %s", want, got)
				}
			}
			if c.without != "" && strings.Contains(got, c.without) {
				t.Errorf("%s in %s", c.without, got)
			}
		})
	}
}

func TestRawTensorsOfRealInputsAreWritten(t *testing.T) {
	const models = "../demo/models/"
	out := filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		name string
		job  Job
		in   []Input
		want []string
	}{
		{"outputs of one input under their own names", Job{}, []Input{OfText("a")}, []string{"logits"}},
		{"of two, numbered", Job{}, []Input{OfText("a"), OfText("b")}, []string{"0/logits", "1/logits"}},
		{"preprocessed only", Job{Preprocess: true}, []Input{OfText("a")}, []string{"attention_mask", "input_ids"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.job.Settings.Model, c.job.TensorsOut = models+"text-intent", out
			if lines := predictAll(t, c.job, c.in...); (len(lines) > 0) == c.job.Preprocess {
				t.Errorf("printed %d lines", len(lines))
			}
			got, err := readTensors(out)
			if err != nil || !slices.Equal(sorted(got), c.want) {
				t.Errorf("wrote %v, %v, want %v", sorted(got), err, c.want)
			}
		})
	}
}

func TestRunRefusesWhatDoesNotFit(t *testing.T) {
	const models = "../demo/models/"
	bad := filepath.Join(t.TempDir(), "bad.wav")
	if err := os.WriteFile(bad, []byte("not audio"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		job  Job
		in   Input
		want string
	}{
		{"an unknown task", Job{Settings: Settings{Model: models + "audio-ctc"}, Task: "translation"}, OfText("a"), `no task "translation"`},
		{"a task of another class", Job{Settings: Settings{Model: models + "audio-ctc"}, Task: "fill-mask"}, OfText("a"), "needs the class Data2VecTextForMaskedLM"},
		{"an unknown option", Job{Settings: Settings{Model: models + "audio-ctc"}, Options: Options{"speed": json.RawMessage("1")}}, OfText("a"), "chunk_length_s"},
		{"a text for a model of files", Job{Settings: Settings{Model: models + "audio-ctc"}}, OfText("a"), "takes files"},
		{"a file that is no audio", Job{Settings: Settings{Model: models + "audio-ctc"}}, OfFile(bad), ""},
		{"a text that is too long", Job{Settings: Settings{Model: models + "text-intent"}}, OfText(strings.Repeat("word ", 2000)), "the model takes"},
		{"no text", Job{Settings: Settings{Model: models + "text-intent"}}, Input{}, "has none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.job.Settings.Cache = t.TempDir()
			err := Run(context.Background(), c.job, &bytes.Buffer{}, func(do func(Input) error) error { return do(c.in) })
			if input := (InputError{}); !errors.As(err, &input) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want an InputError that says %q", err, c.want)
			}
		})
	}
}
