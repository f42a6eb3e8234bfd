package predict

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"vecmill/embed"
	"vecmill/embed/audio"
	"vecmill/embed/heads"
	embedimage "vecmill/embed/image"
	"vecmill/embed/text"
	"vecmill/model"
	"vecmill/schemas"
)

// rig is a model with the preprocessor and the head that a pipeline gives it.
type rig struct {
	*loaded
	pre  embed.Preprocessor
	head embed.Head
}

func newRig(t *testing.T, dir string, cfg heads.Config, pre func(*model.Spec) (embed.Preprocessor, error)) *rig {
	t.Helper()
	spec, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := &rig{}
	if l.loaded, err = load(t.Context(), spec, Settings{Model: dir, Cache: t.TempDir()}, model.CompileOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
	})
	if l.pre, err = pre(spec); err != nil {
		t.Fatal(err)
	}
	if l.head, err = heads.New(cfg, spec, l.graph); err != nil {
		t.Fatal(err)
	}
	return l
}

// apply runs objects as one batch and gives the payloads and the raw output.
func (l *rig) apply(t *testing.T, blobs ...[]byte) ([]schemas.Payload, *embed.Output) {
	t.Helper()
	var batch []embed.Sample
	for _, b := range blobs {
		s, err := l.pre.Preprocess(t.Context(), schemas.Ref{}, b)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, s...)
	}
	in, err := embed.Collate(batch)
	if err != nil {
		t.Fatal(err)
	}
	out, err := l.session.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.head.Apply(out, batch)
	if err != nil {
		t.Fatal(err)
	}
	return got, out
}

// with copies a golden checkpoint and adds a preprocessor_config.json.
func with(t *testing.T, from, config string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "preprocessor_config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestEntitiesInRowsEqualThePipelines compares the rows of a tokens head with what the reference's pipeline says.
func TestEntitiesInRowsEqualThePipelines(t *testing.T) {
	b, err := os.ReadFile("testdata/pipelines.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Task    string
		Input   struct{ Text string }
		Options struct {
			Strategy heads.Strategy `json:"aggregation_strategy"`
			Stride   *int
			Grouped  *bool `json:"grouped_entities"`
			Subwords *bool `json:"ignore_subwords"`
		}
		Result json.RawMessage
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	dir := withProcessors(t, "Data2VecTextForTokenClassification")
	seen, entities := 0, 0
	for _, c := range cases {
		if c.Task != "token-classification" || c.Input.Text == "" || c.Options.Stride != nil || c.Options.Grouped != nil || c.Options.Subwords != nil { // windows are rows of their own; the rest is for predict
			continue
		}
		seen++
		if c.Options.Strategy == "" {
			c.Options.Strategy = heads.StrategyNone
		}
		var want []struct {
			Entity     string
			Group      string `json:"entity_group"`
			Score      float64
			Start, End int
		}
		if err := json.Unmarshal(c.Result, &want); err != nil {
			t.Fatal(err)
		}
		l := newRig(t, dir, heads.Config{Task: schemas.TaskTokens, Aggregation: c.Options.Strategy}, func(s *model.Spec) (embed.Preprocessor, error) {
			return text.New(s, text.Options{Long: text.Truncate})
		})
		got, _ := l.apply(t, []byte(c.Input.Text))
		all := got[0].Entities
		if len(all) != len(want) {
			t.Errorf("%q, %s: %d entities, want %d", c.Input.Text, c.Options.Strategy, len(all), len(want))
			continue
		}
		for i, w := range want {
			entities++
			e := all[i]
			if e.Label != w.Entity+w.Group || e.Start != w.Start || e.End != w.End || math.Abs(float64(e.Score)-w.Score) > 1e-4 || e.Text != c.Input.Text[w.Start:w.End] {
				t.Errorf("%q, %s, entity %d: %+v, want %+v", c.Input.Text, c.Options.Strategy, i, e, w)
			}
		}
	}
	if seen < 8 || entities < 20 {
		t.Errorf("%d cases with %d entities: nothing is shown", seen, entities)
	}
}

// TestMasksInRowsEqualThePipeline compares the runs of a masks head with the masks of image-segmentation.
func TestMasksInRowsEqualThePipeline(t *testing.T) {
	for _, dir := range []string{"Data2VecVisionForSemanticSegmentation/base", "TFData2VecVisionForSemanticSegmentation/cascade"} {
		t.Run(dir, func(t *testing.T) { compareMasks(t, filepath.Join(goldenRoot, dir)) })
	}
}

func compareMasks(t *testing.T, from string) {
	raw, err := os.ReadFile(filepath.Join(from, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Size int `json:"image_size"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{"image_processor_type": "BeitImageProcessor", "do_center_crop": false, "size": map[string]int{"height": c.Size, "width": c.Size}})
	if err != nil {
		t.Fatal(err)
	}
	dir := with(t, from, string(config))
	blob, file := noise(t, 41, 29)
	open := func() *rig {
		return newRig(t, dir, heads.Config{Task: schemas.TaskMasks}, func(s *model.Spec) (embed.Preprocessor, error) { return embedimage.New(s, embedimage.Options{}) })
	}
	_, out := open().apply(t, blob)
	level(t, filepath.Join(dir, "model.safetensors"), "decode_head.classifier.bias", out, 1)
	l := open()
	rows, _ := l.apply(t, blob)
	p := rows[0]
	if p.Mask.Width != 41 || p.Mask.Height != 29 || len(p.Areas) < 2 {
		t.Fatalf("a map of %dx%d, areas %+v", p.Mask.Width, p.Mask.Height, p.Areas)
	}
	var classes []string
	for _, r := range p.Mask.Runs {
		classes = append(classes, slices.Repeat([]string{l.spec.Labels[r.Class]}, r.Length)...)
	}
	got := predictAll(t, Job{Settings: Settings{Model: dir}}, Input{File: file})[0]["result"].([]any)
	if len(got) != len(p.Areas) {
		t.Fatalf("%d masks, %d areas", len(got), len(p.Areas))
	}
	for i, one := range got {
		segment := one.(map[string]any)
		data, err := base64.StdEncoding.DecodeString(segment["mask"].(string))
		if err != nil {
			t.Fatal(err)
		}
		mask, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for at, label := range classes {
			white := mask.At(at%41, at/41) == color.Gray{Y: 255}
			if white != (label == segment["label"]) {
				t.Fatalf("pixel %d is %s, and in the mask of %s: %v", at, label, segment["label"], white)
			}
			if white {
				n++
			}
		}
		if a := p.Areas[i]; a.Label != segment["label"] || a.Share != float64(n)/(41*29) {
			t.Errorf("%+v, want %s with %d pixels", a, segment["label"], n)
		}
	}
}

// level lowers the bias of each class by the mean of its logits, so that random weights see more than one. axis is that of the classes.
func level(t *testing.T, file, bias string, out *embed.Output, axis int) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data := b[8+binary.LittleEndian.Uint64(b):]
	var header map[string]struct {
		Offsets []int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:len(b)-len(data)], &header); err != nil {
		t.Fatal(err)
	}
	logits, ok := out.Tensor("logits")
	at := header[bias].Offsets
	if !ok || len(at) != 2 || at[1]-at[0] != 4*int(logits.Shape[axis]) {
		t.Fatalf("no bias for the logits: %v, %v", ok, at)
	}
	classes, inner := int(logits.Shape[axis]), 1
	for _, d := range logits.Shape[axis+1:] {
		inner *= int(d)
	}
	sums := make([]float32, classes)
	for i, v := range logits.F32 {
		sums[i/inner%classes] += v
	}
	for c, sum := range sums {
		place := data[at[0]+4*c:]
		was := math.Float32frombits(binary.LittleEndian.Uint32(place))
		binary.LittleEndian.PutUint32(place, math.Float32bits(was-sum*float32(classes)/float32(len(logits.F32))))
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// noise is a PNG, and a file of it.
func noise(t *testing.T, width, height int) ([]byte, string) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = byte(r.IntN(2) * 255)
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "noise.png")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), file
}

// hiss is a WAV file of noise that changes its loudness, 16 kHz.
func hiss(samples int) []byte {
	r := rand.New(rand.NewPCG(5, 6))
	b := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt "), 16, 0, 0, 0, 1, 0, 1, 0, 0x80, 0x3e, 0, 0, 0, 0x7d, 0, 0, 2, 0, 16, 0)
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), uint32(2*samples))
	for i := range samples {
		loud := 300 * (1 + i/2000%4*20)
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(r.IntN(2*loud)-loud)))
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

const waveConfig = `{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 16000, "do_normalize": true}`

func waves(s *model.Spec) (embed.Preprocessor, error) { return audio.New(s, audio.Options{}) }

// TestSegmentsInRowsFollowTheFrames compares with the best label of each raw frame; the shorter recording's come from a padded batch.
func TestSegmentsInRowsFollowTheFrames(t *testing.T) {
	dir := with(t, filepath.Join(goldenRoot, "Data2VecAudioForAudioFrameClassification", "base"), waveConfig)
	short, long := hiss(9000), hiss(16000)
	_, out := newRig(t, dir, heads.Config{Task: schemas.TaskFrames}, waves).apply(t, long)
	level(t, filepath.Join(dir, "model.safetensors"), "classifier.bias", out, 2)
	l := newRig(t, dir, heads.Config{Task: schemas.TaskFrames}, waves)
	rows, _ := l.apply(t, short, long)
	for i, blob := range [][]byte{short, long} {
		_, out := l.apply(t, blob)
		logits, ok := out.Tensor("logits")
		if !ok {
			t.Fatal("no logits")
		}
		hop, all, at := float64(l.spec.Audio.OutputHopSamples())/16000, rows[i].Segments, 0
		frames, width := int(logits.Shape[1]), int(logits.Shape[2])
		for f := range frames {
			if middle := (float64(f) + 0.5) * hop; middle > all[at].End {
				at++
			}
			row := logits.F32[f*width : (f+1)*width]
			if want := l.spec.Labels[slices.Index(row, slices.Max(row))]; all[at].Label != want {
				t.Errorf("recording %d, frame %d is in %+v, its best label is %s", i, f, all[at], want)
			}
		}
		if len(all) < 2 || at != len(all)-1 || math.Abs(all[at].End-float64(frames)*hop) > 1e-9 {
			t.Errorf("recording %d: the last of %d segments for %d frames is %+v", i, len(all), frames, all[at])
		}
	}
}

// TestSpeakerVectorsInRowsAreTheModels compares with the class's own output.
func TestSpeakerVectorsInRowsAreTheModels(t *testing.T) {
	l := newRig(t, with(t, filepath.Join(goldenRoot, "Data2VecAudioForXVector", "base"), waveConfig), heads.Config{Task: schemas.TaskXVector, Raw: true}, waves)
	rows, out := l.apply(t, hiss(16000))
	want, ok := out.Tensor("embeddings")
	if !ok || len(rows[0].Vector) < 2 || !slices.Equal(rows[0].Vector, want.F32) {
		t.Errorf("got %v, want %v", rows[0].Vector, want)
	}
}
