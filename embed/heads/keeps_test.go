package heads_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/model"
	"vecmill/schemas"
)

// densest are the heads whose results grow with the length, on 1,000 steps that make as much of it as there can be: a character in each frame and a word in every second, or a phone in each, another label in each frame or token.
func densest(t *testing.T) []struct {
	name   string
	cfg    heads.Config
	spec   *model.Spec
	sample embed.Sample
	width  int64
	logits []float32
} {
	const n = 1000
	phones := ctcSpec(t)
	write(t, filepath.Join(phones.Dir, "tokenizer_config.json"), `{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer"}`)
	labelled := audioSpec("Data2VecAudioForAudioFrameClassification", "one", "two")
	var said, one, several []float32
	for f := range n {
		said = append(said, saying([]int{2, 1, 3, 1}[f%4])...)
		one = append(one, float32(f%2), float32(1-f%2))
		several = append(several, float32(8*(f%2)-4), float32(8*(f%2)-4))
	}
	sound := audioSample(make([]float32, 2*n)...)
	sound.Tag = embed.Chunk{Start: 0, End: 2 * n}
	text := taggedSample(strings.Repeat("Rome ", n-2), slices.Repeat([]int64{3}, n-2)...)
	tokens := oneHotTokens(len(tags))(t, []embed.Sample{text}, 0).Tensors[0].F32
	return []struct {
		name   string
		cfg    heads.Config
		spec   *model.Spec
		sample embed.Sample
		width  int64
		logits []float32
	}{
		{"transcript", heads.Config{Task: schemas.TaskTranscript}, ctcSpec(t), sound, 4, said},
		{"phones", heads.Config{Task: schemas.TaskTranscript}, phones, sound, 4, said},
		{"labels", heads.Config{Task: schemas.TaskFrames}, labelled, sound, 2, one},
		{"several labels", heads.Config{Task: schemas.TaskFrames, Transform: heads.Sigmoid}, labelled, sound, 2, several},
		{"entities", heads.Config{Task: schemas.TaskTokens, Aggregation: heads.StrategyNone}, textSpec("Data2VecTextForTokenClassification", tags...), text, 5, tokens},
		{"groups", heads.Config{Task: schemas.TaskTokens}, textSpec("Data2VecTextForTokenClassification", tags...), text, 5, tokens},
	}
}

// TestResultsOfAWindowAreCounted holds the densest results of a window, as rows are counted while they wait, to what is reserved for them.
func TestResultsOfAWindowAreCounted(t *testing.T) {
	for _, c := range densest(t) {
		t.Run(c.name, func(t *testing.T) {
			head, err := heads.New(c.cfg, c.spec, graphWith(frameLogits(c.width)))
			if err != nil {
				t.Fatal(err)
			}
			p, err := head.Apply(tensor("logits", []int64{1, 1000, c.width}, c.logits...), []embed.Sample{c.sample})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(p[0].Chars) + len(p[0].Segments) + len(p[0].Entities); n < 998 {
				t.Fatalf("%d characters, segments and entities", n)
			}
			row, step := head.(embed.Keeper).Keeps()
			r, none := schemas.Row{Payload: p[0]}, schemas.Row{}
			if held := r.Size() - none.Size(); held > row+1000*step {
				t.Errorf("%d bytes are held, %d counted", held, row+1000*step)
			} else if held < (row+1000*step)/8 {
				t.Errorf("%d bytes are held, and %d counted", held, row+1000*step)
			}
		})
	}
}

// TestWhatJoiningTakesIsCounted joins 30 such windows: what stays of each, and what joining allocates, garbage included, is what is reserved.
func TestWhatJoiningTakesIsCounted(t *testing.T) {
	for _, c := range densest(t) {
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
			out := tensor("logits", []int64{1, 1000, c.width}, c.logits...)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var all []any
			for i := range 30 {
				s := c.sample
				if tag, ok := s.Tag.(*pieces); ok { // each window is another part of the text
					s.Tag = later{tag, 10_000 * i}
				}
				parts, err := j.Parts(out, []embed.Sample{s})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, parts...)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			took := int64(after.HeapAlloc) - int64(before.HeapAlloc)
			before = after
			p, err := j.Join(all)
			if n := len(p.Chars) + len(p.Segments) + len(p.Entities); err != nil || n < 29_000 {
				t.Fatalf("%d characters, segments and entities, %v", n, err)
			}
			runtime.ReadMemStats(&after)
			row, step := k.Keeps()
			took, counted := (took+int64(after.TotalAlloc-before.TotalAlloc))/30_000, row/1000+step
			t.Logf("%d bytes a step, %d counted", took, counted)
			if took > counted {
				t.Errorf("%d bytes a step are allocated, %d counted", took, counted)
			}
		})
	}
}

// TestAMapOfClassesIsCounted makes the map that takes most, in which no two pixels beside each other have one class, and the one that takes least: what it allocates, but for the rows of logits that are being compared, is what
// is reserved for its pixels.
func TestAMapOfClassesIsCounted(t *testing.T) {
	const w, h = 300, 200
	for _, classes := range []int{2, 150, 300} {
		var labels []string
		for c := range classes {
			labels = append(labels, strconv.Itoa(c))
		}
		logits := make([]float32, classes*w*h)
		for y := range h {
			for x := range w {
				c := (x + y) % 2
				if classes > 2 {
					c = (x*x*7 + y*13 + x*y) % classes
				}
				logits[(c*h+y)*w+x] = 1
			}
		}
		s := picture(w, h)
		for _, form := range []heads.MaskForm{heads.MaskRuns, heads.MaskPNG, heads.MaskBoth} {
			t.Run(fmt.Sprintf("%d classes as %s", classes, form), func(t *testing.T) {
				head, err := heads.New(heads.Config{Task: schemas.TaskMasks, Mask: form}, imageSpec("Data2VecVisionForSemanticSegmentation", labels...), graphWith(planes(int64(classes))))
				if err != nil {
					t.Fatal(err)
				}
				out := tensor("logits", []int64{1, int64(classes), h, w}, logits...)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				p, err := head.Apply(out, []embed.Sample{s})
				if err != nil {
					t.Fatal(err)
				}
				runtime.ReadMemStats(&after)
				row, step := head.(embed.Keeper).Keeps()
				const compared = 8 + 8 + 4 + 4 + 12 + 24 // of a pixel of a row: its class, the best, where it is from
				took, counted := int64(after.TotalAlloc-before.TotalAlloc), row+step*w*h+int64(classes)*(2*4*w+8)+compared*(w+h)+64<<10
				t.Logf("%d bytes, %d counted; %d a pixel", took, counted, step)
				if took > counted {
					t.Errorf("%d bytes are allocated, %d counted", took, counted)
				}
				r, none := schemas.Row{Payload: p[0]}, schemas.Row{}
				if held := r.Size() - none.Size(); held > row+step*w*h {
					t.Errorf("%d bytes are held, %d counted", held, row+step*w*h)
				}
				if n := len(p[0].Mask.Runs); form != heads.MaskPNG && n < w*h*9/10 {
					t.Errorf("%d runs of %d pixels", n, w*h)
				}
			})
		}
	}
}

// later is a tag of a text that begins further on.
type later struct {
	*pieces
	by int
}

func (l later) Excerpt() (string, int) { return l.text, l.by }

func (l later) Piece(i int) embed.Piece {
	p := l.all[i]
	p.Start, p.End = p.Start+l.by, p.End+l.by
	return p
}

func TestVectorsAndLabelsAreCounted(t *testing.T) {
	half := heads.Config{Task: schemas.TaskEmbedding, Precision: heads.Half}
	for _, c := range []struct {
		name string
		cfg  heads.Config
		spec *model.Spec
		port model.Port
		want int64
	}{
		{"a vector", heads.Config{Task: schemas.TaskEmbedding}, textSpec("Data2VecTextModel"), model.Port{Name: "last_hidden_state", Shape: []int64{-1, -1, 768}}, 3072},
		{"in half precision", half, textSpec("Data2VecTextModel"), model.Port{Name: "last_hidden_state", Shape: []int64{-1, -1, 768}}, 1536},
		{"of a width that the graph does not say", half, textSpec("Data2VecTextModel"), model.Port{Name: "last_hidden_state", Shape: []int64{-1, -1, -1}}, 8192},
		{"a speaker's", heads.Config{Task: schemas.TaskXVector}, audioSpec("Data2VecAudioForXVector"), vectors(512), 2048},
		{"two labels of three", heads.Config{Task: schemas.TaskLabels, TopK: 2}, textSpec("Data2VecTextForSequenceClassification", "a", "b", "c"), itemLogits(3), 96},
	} {
		head, err := heads.New(c.cfg, c.spec, graphWith(c.port))
		if err != nil {
			t.Fatal(err)
		}
		if row, step := head.(embed.Keeper).Keeps(); row != c.want || step != 0 {
			t.Errorf("%s: %d bytes and %d a step, want %d", c.name, row, step, c.want)
		}
	}
}
