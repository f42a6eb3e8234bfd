package predict

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"vecmill/embed"
	"vecmill/embed/golden"
)

// The reference counts the frames of a clip with a mask by a formula, and takes what there is of one without: not the same with such an adapter.
func TestClipsWithoutAMaskArePooledWhole(t *testing.T) {
	cases, err := golden.Load(goldenRoot)
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	for _, c := range cases {
		for _, r := range c.Runs {
			if _, masked := r.Inputs["attention_mask"]; c.Class != "Data2VecAudioForXVector" || c.Name != "adapter_kernel" || masked {
				continue
			}
			runs++
			t.Run(r.Name, func(t *testing.T) { runCase(t, c, r) })
		}
	}
	if runs < 3 {
		t.Errorf("found %d runs without a mask", runs)
	}
}

// 1 << 40 samples are 3393554405 frames for an adapter of two layers with stride 3 behind strides of 36, of which Min with 106 made a negative number.
func TestTheLengthOfEverythingFitsTheRuntimesArithmetic(t *testing.T) {
	in := []embed.Tensor{{Name: "lengths", I64: []int64{5}}}
	unbounded(in)
	const longest = 6 * 3600 * 16000
	if n := in[0].I64[0]; n <= longest || n > math.MaxInt32 {
		t.Errorf("%d samples, want more than %d and 31 bits", n, longest)
	}
}

// A file's clip is pooled as the reference's extractor hands it over: return_attention_mask says whether with a mask.
func TestTheExtractorSaysWhetherAClipHasAMask(t *testing.T) {
	tensors := func(dir string, in []embed.Tensor) []float32 {
		t.Helper()
		path := filepath.Join(t.TempDir(), "in")
		if err := writeTensors(path, in); err != nil {
			t.Fatal(err)
		}
		if err := Tensors(t.Context(), Settings{Model: dir, Cache: t.TempDir(), HFPadding: true, Threads: 1}, path, path+".out"); err != nil {
			t.Fatal(err)
		}
		out, err := readTensors(path + ".out")
		if err != nil {
			t.Fatal(err)
		}
		return out["embeddings"].F32
	}
	var vectors [2][]float32
	for i, preprocessor := range []string{`{"return_attention_mask": false}`, `{"return_attention_mask": true}`} {
		dir := withConfig(t, filepath.Join(goldenRoot, "Data2VecAudioForXVector", "adapter_kernel"), nil, preprocessor)
		clip := "../demo/samples/audio/speech-01.wav"
		job := Job{Settings: Settings{Model: dir, HFPadding: true}, TensorsOut: filepath.Join(t.TempDir(), "out")}
		predictAll(t, job, OfFile(clip))
		out, err := readTensors(job.TensorsOut)
		if err != nil {
			t.Fatal(err)
		}
		job.Preprocess = true
		predictAll(t, job, OfFile(clip))
		prepared, err := readTensors(job.TensorsOut)
		if err != nil {
			t.Fatal(err)
		}
		var in []embed.Tensor
		for _, name := range sorted(prepared) {
			in = append(in, prepared[name])
		}
		vectors[i] = out["embeddings"].F32
		if _, masked := prepared["attention_mask"]; masked != (i == 1) || len(vectors[i]) == 0 || !slices.Equal(vectors[i], tensors(dir, in)) {
			t.Errorf("%s: inputs %v, vector %v", preprocessor, sorted(prepared), vectors[i])
		}
	}
	if slices.Equal(vectors[0], vectors[1]) {
		t.Error("the mask makes no difference: the clip tests nothing")
	}
}
