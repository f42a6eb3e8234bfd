package wire

import (
	"slices"
	"testing"

	"vecmill/embed/encoder"
	"vecmill/embed/heads"
	"vecmill/embed/image"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
)

// TestTheEncoderGivesThePipelinesVectors opens checkpoints of each modality as a pipeline and as a Go program do: the vectors are the same to the bit, one input at a time, and the model's digest is.
func TestTheEncoderGivesThePipelinesVectors(t *testing.T) {
	cases := classCases()
	cases = slices.DeleteFunc(cases, func(c classCase) bool {
		return !slices.Contains([]string{
			"Data2VecAudioModel", "Data2VecAudioForCTC", "Data2VecTextModel", "Data2VecTextForSequenceClassification", "Data2VecVisionModel", "Data2VecVisionForImageClassification",
		}, c.class)
	})
	if len(cases) != 6 {
		t.Fatalf("%d classes", len(cases))
	}
	for _, c := range cases {
		for _, pooling := range []heads.Pooling{heads.Mean, heads.FirstLast} {
			t.Run(c.class+" "+string(pooling), func(t *testing.T) {
				dir := c.checkpoint(t)
				cfg, p := pipelineFor(t, dir, "    heads: [{task: embedding, pooling: "+string(pooling)+"}]")
				m, items := load(t, cfg, p), itemsFor(c.class)
				items = slices.DeleteFunc(items, func(it item) bool { return it.ref.Companion() != "" }) // texts alone
				if len(items) < 2 {
					t.Fatalf("%d items", len(items))
				}
				rows, _ := rowsOf(t, p, m, items, 1)
				e, err := encoder.Open(t.Context(), dir, encoder.Options{Pooling: pooling, Threads: 1, Cache: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				for i, it := range items {
					if v := encoded(t, e, it.blob); len(v) == 0 || !slices.Equal(v, rows[i][0].Vector) {
						t.Errorf("item %d: the encoder gives %.6v, the pipeline %.6v", i, v, rows[i][0].Vector)
					}
				}
				if digest, err := e.Digest(t.Context()); err != nil || digest != m.digest {
					t.Errorf("digest %s, %v, and the pipeline's is %s", digest, err, m.digest)
				}
			})
		}
	}
}

// encoded is the vector of one input.
func encoded(t *testing.T, e *encoder.Encoder, blob []byte) []float32 {
	t.Helper()
	var v [][]float32
	var err error
	switch e.Modality() {
	case schemas.Audio:
		v, err = e.Recordings(t.Context(), [][]byte{blob})
	case schemas.Image:
		v, err = e.Pictures(t.Context(), [][]byte{blob})
	default:
		v, err = e.Texts(t.Context(), []string{string(blob)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return v[0]
}

// TestAPictureIsBoundAlikeInALibraryAndAPipeline compares what is reserved for a picture of which nothing is known, which the limits alone say.
func TestAPictureIsBoundAlikeInALibraryAndAPipeline(t *testing.T) {
	spec, err := model.Open("../demo/models/vision-digits")
	if err != nil {
		t.Fatal(err)
	}
	c, p := config.NewDefaultConfig(), config.NewDefaultPipeline()
	p.Image.Libraries = "off" // as in a library
	of, err := newPreprocessor(&p, spec, int64(c.Fetch.MaxObjectBytes))
	if err != nil {
		t.Fatal(err)
	}
	alone, err := image.New(spec, image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{-1, 1} { // unknown, and so the most; and without it
		want, err := of.Footprint(schemas.Ref{}, nil, size)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := alone.Footprint(schemas.Ref{}, nil, size); err != nil || got != want {
			t.Errorf("of %d bytes: %d, %v; a pipeline has %d", size, got, err, want)
		}
	}
}
