package heads_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/model"
	"vecmill/schemas"
)

// applied makes a head and applies it to one sample.
func applied(t *testing.T, cfg heads.Config, spec *model.Spec, port model.Port, out *embed.Output, s embed.Sample) (schemas.Payload, error) {
	t.Helper()
	h, err := heads.New(cfg, spec, graphWith(port))
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.Apply(out, []embed.Sample{s})
	if err != nil {
		return schemas.Payload{}, err
	}
	return got[0], nil
}

func TestFramesOfOneLabelJoin(t *testing.T) {
	half, sure := float32(math.Log(2)), float32(100) // over two zeros: probability 1/2, and 1
	for _, c := range []struct {
		name   string
		start  float64
		frames [][3]float32
		want   string
	}{
		{"one label from end to end", 0, [][3]float32{{sure}, {half}}, "a 0-4 0.750"},
		{"each change begins a segment", 0, [][3]float32{{sure}, {0, half}, {0, sure}, {half}}, "a 0-2 1.000|b 2-6 0.750|a 6-8 0.500"},
		{"of equal logits the first", 0, [][3]float32{{}, {sure}}, "a 0-4 0.667"},
		{"a window counts from the object's start", 1, [][3]float32{{0, 0, sure}}, "c 16000-16002 1.000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var logits []float32
			for _, f := range c.frames {
				logits = append(logits, f[:]...)
			}
			n := len(c.frames)
			s := audioSample(make([]float32, 2*n)...)
			s.Start = c.start
			p, err := applied(t, heads.Config{Task: schemas.TaskFrames}, audioSpec("Data2VecAudioForAudioFrameClassification", "a", "b", "c"),
				frameLogits(3), tensor("logits", []int64{1, int64(n), 3}, logits...), s)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range p.Segments {
				got = append(got, fmt.Sprintf("%s %.6g-%.6g %.3f", g.Label, g.Start*16000, g.End*16000, g.Score))
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

func TestFramesMayHaveSeveralLabels(t *testing.T) {
	yes, no := float32(2), float32(-2) // probabilities 0.88 and 0.12
	for _, c := range []struct {
		name      string
		threshold float64
		frames    [][2]float32
		want      string
	}{
		{"labels overlap", 0, [][2]float32{{yes, no}, {yes, yes}, {no, yes}}, "a 0-4|b 2-6"},
		{"no label at all", 0, [][2]float32{{no, no}, {no, no}}, ""},
		{"a pause between", 0, [][2]float32{{yes, no}, {no, no}, {yes, no}}, "a 0-2|a 4-6"},
		{"a low threshold", 0.1, [][2]float32{{no, yes}, {yes, no}}, "a 0-4|b 0-4"},
		{"a high one", 0.9, [][2]float32{{yes, yes}, {3, yes}}, "a 2-4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var logits []float32
			for _, f := range c.frames {
				logits = append(logits, f[:]...)
			}
			n := len(c.frames)
			p, err := applied(t, heads.Config{Task: schemas.TaskFrames, Transform: heads.Sigmoid, Threshold: c.threshold},
				audioSpec("Data2VecAudioForAudioFrameClassification", "a", "b"), frameLogits(2), tensor("logits", []int64{1, int64(n), 2}, logits...), audioSample(make([]float32, 2*n)...))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range p.Segments {
				got = append(got, fmt.Sprintf("%s %.6g-%.6g", g.Label, g.Start*16000, g.End*16000))
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
	for _, bad := range []heads.Config{{Transform: heads.None}, {Threshold: 1}, {Threshold: -0.1}} {
		bad.Task = schemas.TaskFrames
		if _, err := heads.New(bad, audioSpec("Data2VecAudioForAudioFrameClassification", "a", "b"), graphWith(frameLogits(2))); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

func TestSpeakerVectorsHaveLengthOneUnlessTold(t *testing.T) {
	for raw, want := range map[bool][]float32{false: {0.6, 0.8}, true: {3, 4}} {
		p, err := applied(t, heads.Config{Task: schemas.TaskXVector, Raw: raw}, audioSpec("Data2VecAudioForXVector"), vectors(2),
			tensor("embeddings", []int64{1, 2}, 3, 4), audioSample(0, 0))
		if err != nil || !slices.EqualFunc(p.Vector, want, near) {
			t.Errorf("raw %v: %v, %v, want %v", raw, p.Vector, err, want)
		}
	}
	_, err := applied(t, heads.Config{Task: schemas.TaskXVector}, audioSpec("Data2VecAudioForXVector"), vectors(2),
		tensor("embeddings", []int64{1, 2}, 3, float32(math.NaN())), audioSample(0, 0))
	if err == nil || !strings.Contains(err.Error(), "not a finite number") {
		t.Errorf("a deviation over one frame gives %v", err)
	}
}

func TestEntitiesHaveTheTextOfTheirOffsets(t *testing.T) {
	for _, c := range []struct {
		name     string
		strategy heads.Strategy
		sample   embed.Sample
		want     string
	}{
		{"simple by default", "", taggedSample("Zoë Lee in Rome", 1, 2, 0, 3), `PER "Zoë Lee" 0-7|LOC "Rome" 11-15`},
		{"a window counts from the object's start", "", taggedWindow(100, "in Rome", 0, 3), `LOC "Rome" 103-107`},
		{"each token alone", heads.StrategyNone, taggedSample("Ann Lee in", 1, 2, 0), `B-PER "Ann" 0-3|I-PER "Lee" 4-7`},
		{"words", heads.StrategyFirst, taggedSample("Ann Lee", 1, 2), `PER "Ann Lee" 0-7`},
		{"none in this text", "", taggedSample("in to", 0, 0), ""},
		{"no text at all", "", taggedSample(""), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := applied(t, heads.Config{Task: schemas.TaskTokens, Aggregation: c.strategy}, textSpec("Data2VecTextForTokenClassification", tags...),
				frameLogits(5), oneHotTokens(5)(t, []embed.Sample{c.sample}, 0), c.sample)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range p.Entities {
				got = append(got, fmt.Sprintf("%s %q %d-%d", e.Label, e.Text, e.Start, e.End))
				if e.Score < 0.5 || e.Score > 1 {
					t.Errorf("%s has the score %v", e.Text, e.Score)
				}
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

func TestTagsThatDoNotFit(t *testing.T) {
	far := taggedSample("Ann", 1)
	far.Tag.(*pieces).all[1].End = 9
	tokens := func(s embed.Sample) (schemas.Payload, error) {
		return applied(t, heads.Config{Task: schemas.TaskTokens}, textSpec("Data2VecTextForTokenClassification", tags...), frameLogits(5),
			oneHotTokens(5)(t, []embed.Sample{s}, 0), s)
	}
	masks := func(s embed.Sample) (schemas.Payload, error) {
		return applied(t, heads.Config{Task: schemas.TaskMasks}, imageSpec("Data2VecVisionForSemanticSegmentation", "sky", "sea"), planes(2),
			classPlanes(t, []embed.Sample{s}, 0), s)
	}
	for _, c := range []struct {
		name   string
		apply  func(embed.Sample) (schemas.Payload, error)
		sample embed.Sample
		part   string
	}{
		{"a text without a tag", tokens, textSample(0, 11, 2), "where its tokens are from"},
		{"a token behind the text", tokens, far, "[0, 9)"},
		{"a picture without a tag", masks, imageSample(1, 2, 3, 4), "how large the picture is"},
		{"a picture without pixels", masks, picture(0, 3, 1, 2, 3, 4), "0x3"},
	} {
		if _, err := c.apply(c.sample); err == nil || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: %v, want %q", c.name, err, c.part)
		}
	}
}

func TestMasksCoverThePicture(t *testing.T) {
	for _, c := range []struct {
		name   string
		sample embed.Sample
		want   string
	}{
		{"runs go on in the next row", picture(2, 2, -1, 1, 1, -1), "sky 0.50 sea 0.50: 0x1 1x2 0x1"},
		{"one class alone", picture(3, 2, -1, -1, -1, -1), "sky 1.00: 0x6"},
		{"wider than the logits", picture(4, 1, -3, 1, -3, 1), "sky 0.75 sea 0.25: 0x3 1x1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := applied(t, heads.Config{Task: schemas.TaskMasks}, imageSpec("Data2VecVisionForSemanticSegmentation", "sky", "sea"), planes(2),
				classPlanes(t, []embed.Sample{c.sample}, 0), c.sample)
			if err != nil {
				t.Fatal(err)
			}
			var areas, runs []string
			for _, a := range p.Areas {
				areas = append(areas, fmt.Sprintf("%s %.2f", a.Label, a.Share))
			}
			for _, r := range p.Mask.Runs {
				runs = append(runs, fmt.Sprintf("%dx%d", r.Class, r.Length))
			}
			if s := strings.Join(areas, " ") + ": " + strings.Join(runs, " "); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

func TestMasksComeInTheFormAskedFor(t *testing.T) {
	s := picture(2, 2, -1, 1, 1, -1)
	for form, want := range map[heads.MaskForm][2]bool{"": {true, false}, heads.MaskRuns: {true, false}, heads.MaskPNG: {false, true}, heads.MaskBoth: {true, true}} {
		p, err := applied(t, heads.Config{Task: schemas.TaskMasks, Mask: form}, imageSpec("Data2VecVisionForSemanticSegmentation", "sky", "sea"), planes(2),
			classPlanes(t, []embed.Sample{s}, 0), s)
		if err != nil || (p.Mask.Runs != nil) != want[0] || (p.Mask.PNG != nil) != want[1] || len(p.Areas) != 2 {
			t.Errorf("form %q: %+v, %v", form, p, err)
		}
	}
}

func TestWindowsOfEntitiesJoin(t *testing.T) {
	for strategy, want := range map[heads.Strategy]string{
		heads.StrategySimple: `PER "Ann Lee" 0-7|LOC "Rome" 11-15`,
		heads.StrategyNone:   `B-PER "Ann" 0-3|I-PER "Lee" 4-7|B-LOC "Rome" 11-15`,
	} {
		h, err := heads.New(heads.Config{Task: schemas.TaskTokens, Aggregation: strategy}, textSpec("Data2VecTextForTokenClassification", tags...), graphWith(frameLogits(5)))
		if err != nil {
			t.Fatal(err)
		}
		windows := []embed.Sample{taggedSample("Ann Lee in", 1, 2, 0), taggedWindow(4, "Lee in Rome", 2, 0, 3)}
		j := h.(embed.Joiner)
		parts, err := j.Parts(oneHotTokens(5)(t, windows, 0), windows)
		if err != nil {
			t.Fatal(err)
		}
		p, err := j.Join(parts)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range p.Entities {
			got = append(got, fmt.Sprintf("%s %q %d-%d", e.Label, e.Text, e.Start, e.End))
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("%s: got %s\nwant %s", strategy, s, want)
		}
	}
}

// TestClassRowsEqualTheInterpolationOfEachPixel compares with the formula, written down once more without the rows that are kept.
func TestClassRowsEqualTheInterpolationOfEachPixel(t *testing.T) {
	const classes, h, w = 5, 4, 3
	r := rand.New(rand.NewPCG(1, 2))
	logits := make([]float32, classes*h*w)
	for i := range logits {
		logits[i] = r.Float32()
	}
	place := func(i, n, m int) (a, b int, f float64) {
		at := max(float64(n)/float64(m)*(float64(i)+0.5)-0.5, 0)
		a = min(int(at), n-1)
		return a, min(a+1, n-1), at - float64(a)
	}
	for _, picture := range [][2]int{{4, 3}, {1, 1}, {2, 7}, {9, 2}, {16, 12}, {31, 33}} {
		y := 0
		for row := range heads.ClassRows(logits, h, w, picture[0], picture[1]) {
			if len(row) != picture[1] {
				t.Fatalf("%v: a row of %d", picture, len(row))
			}
			ya, yb, yf := place(y, h, picture[0])
			for x, got := range row {
				xa, xb, xf := place(x, w, picture[1])
				value := func(c int) float64 {
					at := func(y, x int) float64 { return float64(logits[(c*h+y)*w+x]) }
					return (at(ya, xa)*(1-xf)+at(ya, xb)*xf)*(1-yf) + (at(yb, xa)*(1-xf)+at(yb, xb)*xf)*yf
				}
				for c := range classes {
					if value(c) > value(got)+1e-5 {
						t.Errorf("%v: pixel %d, %d is of class %d, but %d has more", picture, y, x, got, c)
					}
				}
			}
			y++
		}
		if y != picture[0] {
			t.Errorf("%v: %d rows", picture, y)
		}
	}
	for range heads.ClassRows(logits, h, w, 9, 9) {
		break // a caller may stop
	}
}
