package heads_test

import (
	"runtime"
	"testing"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/model"
	"vecmill/schemas"
)

// TestWhatJoiningTakesIsCounted joins ten minutes in windows, of speech with a character in every third frame, and of labels that change as often.
func TestWhatJoiningTakesIsCounted(t *testing.T) {
	labelled := audioSpec("Data2VecAudioForAudioFrameClassification", "one", "two")
	speech := ctcSpec(t)
	var said, two []float32
	for f := range 1000 {
		said = append(said, saying([]int{2, 0, 0, 3, 0, 0, 2, 0, 0, 1, 0, 0}[f%12])...)
		two = append(two, []float32{float32(f / 3 % 2), float32(1 - f/3%2)}...)
	}
	for _, c := range []struct {
		name   string
		cfg    heads.Config
		spec   *model.Spec
		width  int64
		logits []float32
	}{
		{"transcript", heads.Config{Task: schemas.TaskTranscript}, speech, 4, said},
		{"labels", heads.Config{Task: schemas.TaskFrames}, labelled, 2, two},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Joined = true
			head, err := heads.New(c.cfg, c.spec, graphWith(frameLogits(c.width)))
			if err != nil {
				t.Fatal(err)
			}
			j, ok := head.(embed.Joiner)
			k, keeps := head.(embed.Keeper)
			if !ok || !keeps {
				t.Fatalf("%T does not join and tell", head)
			}
			s := audioSample(make([]float32, 2000)...)
			s.Tag = embed.Chunk{Start: 0, End: 2000}
			out := tensor("logits", []int64{1, 1000, c.width}, c.logits...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var all []any
			for range 30 {
				parts, err := j.Parts(out, []embed.Sample{s})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, parts...)
			}
			p, err := j.Join(all)
			if err != nil || len(p.Chars)+len(p.Segments) < 5000 {
				t.Fatalf("%d characters, %d segments, %v", len(p.Chars), len(p.Segments), err)
			}
			runtime.ReadMemStats(&after)
			if took := int64(after.TotalAlloc-before.TotalAlloc) / 30_000; took > k.Keeps() {
				t.Errorf("%d bytes a frame are allocated, %d counted", took, k.Keeps())
			}
		})
	}
}
