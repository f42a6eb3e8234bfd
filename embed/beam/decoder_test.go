package beam

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestAlphabetsAreBuiltLikeTheReferences has what build_alphabet of pyctcdecode 0.5.0 gives.
func TestAlphabetsAreBuiltLikeTheReferences(t *testing.T) {
	for _, c := range []struct {
		name         string
		tokens, want string
		pieces       bool
	}{
		{"of characters", "<pad>,<unk>,|,A", ",⁇, ,A", false},
		{"with an underscore for the blank", "_,a, ", ",a, ", false},
		{"without a blank: one more column", "a,b", "a,b,", false},
		{"a bar beside a space stays a bar", "|, ,a,<PAD>", "|, ,a,", false},
		{"of pieces", "▁,▁a,b,<unk>,<pad>", "▁,▁a,b,▁⁇▁,", true},
		{"of pieces with hashes", "[PAD],[UNK],the,##s,▁", ",▁⁇▁,▁the,s,▁", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := BuildAlphabet(strings.Split(c.tokens, ","))
			if err != nil || a.pieces != c.pieces || strings.Join(a.Labels(), ",") != c.want {
				t.Errorf("%v, %v, want %s", a, err, c.want)
			}
		})
	}
	for name, tokens := range map[string][]string{"a label twice": {"a", "a"}, "a space in a label": {"a b", "<pad>"}, "a space beside pieces": {"▁a", " "}} {
		if _, err := BuildAlphabet(tokens); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// noise are random logits of some frames.
func noise(d *Decoder, frames int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, frames*d.Columns())
	for i := range x {
		x[i] = float32(r.NormFloat64() * 3)
	}
	return x
}

func spelling(t testing.TB) *Decoder {
	t.Helper()
	a, err := BuildAlphabet([]string{"<pad>", "|", "a", "b", "c", "d"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadARPA(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	return NewDecoder(a, NewLanguageModel(m, []string{"a", "b"}, NewDefaultWeights()))
}

func TestDroppingDeadTextsChangesNothing(t *testing.T) {
	d := spelling(t)
	x := noise(d, 300)
	want, err := d.Decode(t.Context(), x, NewDefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	p, err := logProbs(x, d.Columns())
	if err != nil {
		t.Fatal(err)
	}
	s := d.start(NewDefaultOptions())
	s.frames = 300
	for f := range s.frames {
		s.tree.limit = 0
		s.frame(f, p[f*d.Columns():(f+1)*d.Columns()])
	}
	if len(s.tree.texts) > 300*100 {
		t.Errorf("%d texts are kept", len(s.tree.texts))
	}
	if got := s.finish(); !reflect.DeepEqual(got, want) {
		t.Errorf("the best is %q, want %q", got[0].Text, want[0].Text)
	}
}

func TestDecodingRefusesWhatMakesNoSense(t *testing.T) {
	d := spelling(t)
	for name, logits := range map[string][]float32{
		"part of a row": make([]float32, 7), "not a number": slices.Repeat([]float32{float32(math.NaN())}, 6), "infinite": slices.Repeat([]float32{float32(math.Inf(1))}, 6),
	} {
		if _, err := d.Decode(t.Context(), logits, NewDefaultOptions()); err == nil {
			t.Errorf("%s is decoded", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Decode(ctx, make([]float32, 6), NewDefaultOptions()); !errors.Is(err, context.Canceled) {
		t.Errorf("without a context: %v", err)
	}
	got, err := d.Decode(t.Context(), nil, NewDefaultOptions())
	if err != nil || len(got) != 1 || got[0].Text != "" {
		t.Errorf("no frames give %v, %v", got, err)
	}
	for name, o := range map[string]Options{"no width": {}, "a positive bound": {Width: 1, PruneLogP: 1}, "a positive threshold": {Width: 1, TokenMinLogP: 1}, "an endless weight": {Width: 1, HotWordWeight: math.Inf(1)}} {
		if o.Validate() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestConfidenceIsTheMeanOverEmittingFrames(t *testing.T) {
	d := spelling(t)
	row := func(id int, v float32) []float32 {
		x := make([]float32, 6)
		x[id] = v
		return x
	}
	p := func(v float64) float64 { return math.Exp(v) / (math.Exp(v) + 5) }
	x := slices.Concat(row(2, 4), row(2, 5), row(0, 9), row(3, 6), row(1, 9))
	r, err := d.Decode(t.Context(), x, NewDefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if len(r[0].Words) != 1 || r[0].Words[0].Text != "ab" {
		t.Fatalf("%+v", r[0])
	}
	mean, n := d.Confidence(x, r[0].Words[0])
	if want := (p(4) + p(5) + p(6)) / 3; n != 3 || math.Abs(mean-want) > 1e-6 {
		t.Errorf("%v over %d frames, want %v over 3", mean, n, want)
	}
}

// BenchmarkDecode is ten seconds of noise at 50 frames a second, which keeps every beam busy; speech is faster.
func BenchmarkDecode(b *testing.B) {
	d := spelling(b)
	x := noise(d, 500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(b.Context(), x, NewDefaultOptions()); err != nil {
			b.Fatal(err)
		}
	}
}
