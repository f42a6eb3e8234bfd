package wire

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/model/checkpoint"
	"vecmill/model/graph"
	"vecmill/schemas"
)

const exports = "../../embed/embedtest/exported/testdata"

// readyMade makes a checkpoint of what torch.onnx.export made of a class.
func readyMade(t *testing.T, class, variant string) string {
	t.Helper()
	return classCase{class: class}.complete(t, filepath.Join(exports, class, variant), "model.onnx")
}

// TestReadyMadeGraphsOfEveryClass runs the exports of all classes as a pipeline does, with every head that fits them: an item alone gets what it gets in
// a batch, though exports of audio take no mask.
func TestReadyMadeGraphsOfEveryClass(t *testing.T) {
	for _, class := range graph.Classes() {
		if strings.HasPrefix(class, "TF") {
			continue
		}
		variants := []string{"torch"}
		if class == "Data2VecAudioForCTC" {
			variants = append(variants, "masked")
		}
		for _, variant := range variants {
			t.Run(class+"/"+variant, func(t *testing.T) {
				dir := readyMade(t, class, variant)
				var settings []string
				for _, task := range fittingHeads(t, dir) {
					for _, s := range headSettings(task) {
						if !strings.Contains(s, "first_last") { // of states that exports do not give
							settings = append(settings, s)
						}
					}
				}
				if len(settings) == 0 {
					t.Fatal("no head fits")
				}
				sameInAnyBatch(t, dir, class, settings)
			})
		}
	}
}

// TestRowsOfReadyMadeGraphsAreTorchs gives pipelines the very samples that torch had, and holds the rows against what torch gave.
func TestRowsOfReadyMadeGraphsAreTorchs(t *testing.T) {
	for class, c := range map[string]struct {
		head, output string
		row          func(values []float64, width int) []float64 // of torch's output for one item
		got          func(r *schemas.Row) []float64
	}{
		"Data2VecAudioModel":                       {"{task: embedding, normalize: false}", "last_hidden_state", meanOf, vectorOf},
		"Data2VecAudioForXVector":                  {"{task: xvector, normalize: false}", "embeddings", whole, vectorOf},
		"Data2VecAudioForSequenceClassification":   {"{task: classification, top_k: 2}", "logits", sortedSoftmax, scoresOf},
		"Data2VecAudioForAudioFrameClassification": {"{task: frames}", "logits", longest, segmentsOf},
	} {
		t.Run(class, func(t *testing.T) {
			stored, err := checkpoint.OpenFile(filepath.Join(exports, class, "torch", "expected.safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stored.Close() }()
			values := func(name string) ([]float32, []int) {
				x, _ := stored.Tensor(name)
				v, err := x.Float32()
				if err != nil {
					t.Fatal(err)
				}
				return v, x.Shape
			}
			in, shape := values("input_values")
			want, outShape := values("expected." + c.output)
			var items []item
			for i := range shape[0] {
				items = append(items, item{schemas.Ref{ID: "x"}, floats(in[i*shape[1]:][:shape[1]])})
			}
			dir := readyMade(t, class, "torch")
			write(t, filepath.Join(dir, "preprocessor_config.json"), map[string]any{"sampling_rate": 16000, "do_normalize": false})
			cfg, p := pipelineFor(t, dir, "    heads: ["+c.head+"]")
			rows, _ := rowsOf(t, p, load(t, cfg, p), items, len(items))
			each := len(want) / len(items)
			for i := range items {
				var one []float64
				for _, v := range want[i*each:][:each] {
					one = append(one, float64(v))
				}
				expected := c.row(one, outShape[len(outShape)-1])
				got := c.got(&rows[i][0])
				if len(got) != len(expected) || slices.ContainsFunc(expected, func(v float64) bool { return v != v }) {
					t.Fatalf("item %d: %v, want %v", i, got, expected)
				}
				for k := range got {
					if math.Abs(got[k]-expected[k]) > 1e-5*max(1, math.Abs(expected[k])) {
						t.Errorf("item %d: value %d is %v, want %v", i, k, got[k], expected[k])
					}
				}
			}
		})
	}
}

func whole(values []float64, _ int) []float64 { return values }

func meanOf(values []float64, width int) []float64 {
	out := make([]float64, width)
	for i, v := range values {
		out[i%width] += v / float64(len(values)/width)
	}
	return out
}

func sortedSoftmax(values []float64, _ int) []float64 {
	sum := 0.0
	for _, v := range values {
		sum += math.Exp(v)
	}
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Exp(v) / sum
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

// longest is the number of frames of the best labels, one run of frames after another.
func longest(values []float64, width int) []float64 {
	var runs []float64
	before := -1
	for at := 0; at < len(values); at += width {
		row := values[at : at+width]
		if best := slices.Index(row, slices.Max(row)); best != before {
			runs, before = append(runs, 0), best
		}
		runs[len(runs)-1]++
	}
	return runs
}

func vectorOf(r *schemas.Row) []float64 {
	var out []float64
	for _, v := range r.Vector {
		out = append(out, float64(v))
	}
	return out
}

func scoresOf(r *schemas.Row) []float64 {
	var out []float64
	for _, l := range r.Labels {
		out = append(out, float64(l.Score))
	}
	return out
}

// segmentsOf are the lengths of timed segments in frames of 20 samples.
func segmentsOf(r *schemas.Row) []float64 {
	var out []float64
	for _, s := range r.Segments {
		out = append(out, math.Round((s.End-s.Start)*16000/20))
	}
	return out
}

// floats is a WAV file of float samples at 16 kHz.
func floats(x []float32) []byte {
	b := []byte("RIFF....WAVEfmt \x10\x00\x00\x00\x03\x00\x01\x00\x80\x3e\x00\x00\x00\xfa\x00\x00\x04\x00\x20\x00data....")
	binary.LittleEndian.PutUint32(b[4:], uint32(36+4*len(x)))
	binary.LittleEndian.PutUint32(b[40:], uint32(4*len(x)))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func TestReadyMadeGraphsSayWhatTheyLack(t *testing.T) {
	for _, c := range []struct{ class, settings, part string }{
		{"Data2VecAudioModel", "    heads: [{task: embedding, pooling: first_last}]", "has no output hidden_states.1, which is asked for; it has last_hidden_state, extract_features"},
		{"Data2VecAudioForCTC", "    heads: [{task: embedding}]", "what fits this model: transcript"},
		{"Data2VecVisionForImageClassification", "    image: {height: 32, width: 16}\n    heads: [{task: classification}]", "takes pictures of 16 x 16 (height x width), not of 32 x 16"},
	} {
		cfg, p := pipelineFor(t, readyMade(t, c.class, "torch"), c.settings)
		m, err := loadModel(t.Context(), cfg, p, &stores{cfg: cfg}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: %v, %v, want %q", c.class, m, err, c.part)
		}
	}
}

// TestReadyMadeAudioGraphsSayThatTheyTakeOneLength at a time, at the start and by the doctor. Graphs of ours take lengths, and batches of text have a mask.
func TestReadyMadeAudioGraphsSayThatTheyTakeOneLength(t *testing.T) {
	for _, c := range []struct {
		name, dir, head string
		says            bool
	}{
		{"audio", readyMade(t, "Data2VecAudioModel", "torch"), "embedding", true},
		{"audio with a mask", readyMade(t, "Data2VecAudioForCTC", "masked"), "transcript", true},
		{"text", readyMade(t, "Data2VecTextModel", "torch"), "embedding", false},
		{"audio of weights", classCase{"Data2VecAudioModel", "Data2VecAudioModel/base"}.checkpoint(t), "embedding", false},
	} {
		cfg, p := pipelineFor(t, c.dir, "    heads: [{task: "+c.head+"}]")
		const words = "takes no lengths: recordings are computed one length at a time"
		var log bytes.Buffer
		m, err := loadModel(t.Context(), cfg, p, &stores{cfg: cfg}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.close(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), words) != c.says {
			t.Errorf("%s: the start says %q", c.name, log.String())
		}
		var doubts []string
		m, _ = newDoctor(cfg, func(f Finding) {
			if f.Check == "model p" && f.Grade == Doubt {
				doubts = append(doubts, f.Text)
			}
		}).model(t.Context(), p)
		if err := m.close(); err != nil {
			t.Fatal(err)
		}
		if (len(doubts) == 1 && strings.Contains(doubts[0], words)) != c.says || len(doubts) > 1 {
			t.Errorf("%s: the doctor says %q", c.name, doubts)
		}
	}
}
