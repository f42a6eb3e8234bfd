package heads_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/model"
	"vecmill/schemas"
)

// ctcSpec is a checkpoint of four tokens whose frames are two samples long, at 10 samples a second.
func ctcSpec(t *testing.T) *model.Spec {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"vocab.json": `{"<pad>":0,"|":1,"A":2,"B":3}`, "preprocessor_config.json": `{"sampling_rate": 10}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spec := audioSpec("Data2VecAudioForCTC")
	spec.Dir, spec.Audio = dir, &model.AudioConfig{ConvKernel: []int{2}, ConvStride: []int{2}}
	return spec
}

// saying gives logits that say one token a frame, each with the same probability.
func saying(tokens ...int) []float32 {
	out := make([]float32, 4*len(tokens))
	for f, id := range tokens {
		out[4*f+id] = 3
	}
	return out
}

// sure is the probability of each.
var sure = float32(math.Exp(3) / (math.Exp(3) + 3))

func timed(words []schemas.Word) string {
	s := ""
	for _, w := range words {
		s += fmt.Sprintf("%s %.1f-%.1f %.3f;", w.Word, w.Start, w.End, w.Score)
	}
	return s
}

func TestTranscriptsHaveTimesOfWordsAndCharacters(t *testing.T) {
	spec := ctcSpec(t)
	for _, c := range []struct {
		name         string
		decoding     heads.Decoding
		words, chars string
	}{
		{"greedy", heads.Decoding{}, "AB 0.0-0.8 %[1]s;A 1.0-1.2 %[1]s;", "A 0.0-0.4 %[1]s;B 0.6-0.8 %[1]s;  0.8-1.0 %[1]s;A 1.0-1.2 %[1]s;"},
		{"with beams: the times are the reference's, of some path that reads so", heads.NewBeamDecoding(), "AB 0.0-0.4 %[1]s;A 1.0-1.2 %[1]s;", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			head, err := heads.New(heads.Config{Task: schemas.TaskTranscript, Decoding: c.decoding}, spec, graphWith(frameLogits(4)))
			if err != nil {
				t.Fatal(err)
			}
			p, err := head.Apply(tensor("logits", []int64{1, 6, 4}, saying(2, 2, 0, 3, 1, 2)...), []embed.Sample{audioSample(make([]float32, 12)...)})
			if err != nil {
				t.Fatal(err)
			}
			score := fmt.Sprintf("%.3f", sure)
			if want := fmt.Sprintf(c.words, score); p[0].Text != "AB A" || timed(p[0].Words) != want {
				t.Errorf("%q with %s, want %s", p[0].Text, timed(p[0].Words), want)
			}
			if want := fmt.Sprintf(c.chars, score); c.chars != "" && timed(p[0].Chars) != want || c.chars == "" && p[0].Chars != nil {
				t.Errorf("characters %s, want %s", timed(p[0].Chars), want)
			}
			if math.Abs(float64(p[0].Score-sure)) > 1e-6 {
				t.Errorf("score %v, want %v", p[0].Score, sure)
			}
		})
	}
}

// TestPhonesAreWordsAndCharacters has text whose pieces between spaces have a time and a score each.
func TestPhonesAreWordsAndCharacters(t *testing.T) {
	spec := ctcSpec(t)
	write(t, filepath.Join(spec.Dir, "tokenizer_config.json"), `{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer", "word_delimiter_token": "|"}`)
	head, err := heads.New(heads.Config{Task: schemas.TaskTranscript}, spec, graphWith(frameLogits(4)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := head.Apply(tensor("logits", []int64{1, 6, 4}, saying(2, 2, 0, 3, 1, 2)...), []embed.Sample{audioSample(make([]float32, 12)...)})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("A 0.0-0.4 %[1]s;B 0.6-0.8 %[1]s;A 1.0-1.2 %[1]s;", fmt.Sprintf("%.3f", sure))
	if p[0].Text != "A B A" || timed(p[0].Words) != want || timed(p[0].Chars) != want {
		t.Errorf("%q with %s and %s, want %s", p[0].Text, timed(p[0].Words), timed(p[0].Chars), want)
	}
}

// TestWindowsThatOverlapAreOneTranscript has the word's end in the context of the first window and its beginning in that of the second.
func TestWindowsThatOverlapAreOneTranscript(t *testing.T) {
	spec := ctcSpec(t)
	first, second := audioSample(make([]float32, 12)...), audioSample(make([]float32, 12)...)
	first.Tag, second.Tag = embed.Chunk{Start: 0, End: 12, Right: 4}, embed.Chunk{Start: 4, End: 16, Left: 4}
	batch := []embed.Sample{first, second}
	out := tensor("logits", []int64{2, 6, 4}, append(saying(2, 1, 2, 2, 0, 0), saying(0, 0, 2, 3, 1, 3)...)...)
	for _, c := range []struct {
		name, end string
		decoding  heads.Decoding
	}{{"greedy", "1.2", heads.Decoding{}}, {"with beams", "0.8", heads.NewBeamDecoding()}} {
		head, err := heads.New(heads.Config{Task: schemas.TaskTranscript, Decoding: c.decoding, Joined: true}, spec, graphWith(frameLogits(4)))
		if err != nil {
			t.Fatal(err)
		}
		joiner := head.(embed.Joiner)
		parts, err := joiner.Parts(out, batch)
		if err != nil {
			t.Fatal(err)
		}
		p, err := joiner.Join(parts)
		if err != nil {
			t.Fatal(err)
		}
		score := fmt.Sprintf("%.3f", sure)
		if want := fmt.Sprintf("A 0.0-0.2 %[1]s;AB 0.4-%[2]s %[1]s;B 1.4-1.6 %[1]s;", score, c.end); p.Text != "A AB B" || timed(p.Words) != want {
			t.Errorf("%s: %q with %s, want %s", c.name, p.Text, timed(p.Words), want)
		}
	}
}

func TestFramesOfWindowsThatOverlapAreJoined(t *testing.T) {
	spec := audioSpec("Data2VecAudioForAudioFrameClassification", "x", "y", "z", "w")
	spec.Dir, spec.Audio = ctcSpec(t).Dir, &model.AudioConfig{ConvKernel: []int{2}, ConvStride: []int{2}}
	head, err := heads.New(heads.Config{Task: schemas.TaskFrames, Joined: true}, spec, graphWith(frameLogits(4)))
	if err != nil {
		t.Fatal(err)
	}
	first, second := audioSample(make([]float32, 12)...), audioSample(make([]float32, 12)...)
	first.Tag, second.Tag = embed.Chunk{Start: 0, End: 12, Right: 4}, embed.Chunk{Start: 4, End: 16, Left: 4}
	joiner := head.(embed.Joiner)
	parts, err := joiner.Parts(tensor("logits", []int64{2, 6, 4}, append(saying(2, 1, 1, 1, 0, 0), saying(0, 0, 1, 1, 3, 3)...)...), []embed.Sample{first, second})
	if err != nil {
		t.Fatal(err)
	}
	p, err := joiner.Join(parts)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, s := range p.Segments {
		got += fmt.Sprintf("%s %.1f-%.1f;", s.Label, s.Start, s.End)
	}
	if want := "z 0.0-0.2;y 0.2-1.2;w 1.2-1.6;"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestDecodersThatDoNotFitAreRefused(t *testing.T) {
	spec := ctcSpec(t)
	bad := heads.NewBeamDecoding()
	bad.Options.Width = -1
	missing := heads.NewBeamDecoding()
	missing.LanguageModel = filepath.Join(spec.Dir, "none.arpa")
	for name, c := range map[string]struct {
		decoding heads.Decoding
		columns  int64
	}{
		"a width below one": {bad, 4}, "a language model that is not there": {missing, 4}, "another number of columns": {heads.NewBeamDecoding(), 5},
	} {
		if _, err := heads.New(heads.Config{Task: schemas.TaskTranscript, Decoding: c.decoding}, spec, graphWith(frameLogits(c.columns))); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestAnAdaptersStridesCount has windows of a model whose adapter halves the frames, the last of which is of half a hop.
func TestAnAdaptersStridesCount(t *testing.T) {
	spec := ctcSpec(t)
	spec.Audio.AddAdapter, spec.Audio.NumAdapterLayers, spec.Audio.AdapterStride, spec.Audio.AdapterKernelSize = true, 1, 2, 3
	head, err := heads.New(heads.Config{Task: schemas.TaskTranscript, Joined: true}, spec, graphWith(frameLogits(4)))
	if err != nil {
		t.Fatal(err)
	}
	first, second := audioSample(make([]float32, 16)...), audioSample(make([]float32, 10)...)
	first.Tag, second.Tag = embed.Chunk{Start: 0, End: 16, Right: 4}, embed.Chunk{Start: 8, End: 18, Left: 4}
	joiner := head.(embed.Joiner)
	parts, err := joiner.Parts(tensor("logits", []int64{2, 4, 4}, append(saying(2, 0, 3, 2), saying(2, 1, 2, 3)...)...), []embed.Sample{first, second})
	if err != nil {
		t.Fatal(err)
	}
	p, err := joiner.Join(parts)
	if err != nil {
		t.Fatal(err)
	}
	score := fmt.Sprintf("%.3f", sure)
	if want := fmt.Sprintf("AB 0.0-1.2 %[1]s;A 1.6-2.0 %[1]s;", score); p.Text != "AB A" || timed(p.Words) != want {
		t.Errorf("%q with %s, want %s", p.Text, timed(p.Words), want)
	}
}
