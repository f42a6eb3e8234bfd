package audio

import (
	"slices"
	"testing"

	"vecmill/embed"
)

// TestWindowsThatOverlapAreTheReferencesChunks compares with what Prepare makes of the same stretches.
func TestWindowsThatOverlapAreTheReferencesChunks(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{Long: Overlap, MaxSeconds: 0.6, WindowSeconds: 0.6, StrideSeconds: 0.1})
	blob := tone(16000, 16000)
	whole, err := p.Waveform(t.Context(), blob)
	if err != nil {
		t.Fatal(err)
	}
	samples := prepare(t, p, blob)
	want := []embed.Chunk{{Start: 0, End: 9600, Right: 1600}, {Start: 6400, End: 16000, Left: 1600}}
	if len(samples) != len(want) {
		t.Fatalf("%d windows, want %d", len(samples), len(want))
	}
	for i, s := range samples {
		alone, err := p.Prepare(whole[want[i].Start:want[i].End])
		if err != nil {
			t.Fatal(err)
		}
		if s.Tag != want[i] || s.Window != i || !slices.Equal(s.Inputs[0].F32, alone.Inputs[0].F32) {
			t.Errorf("window %d is %v (%v), want %v", i, s.Tag, s.Window, want[i])
		}
		if s.Start != float64(want[i].Start)/16000 || s.End != float64(want[i].End)/16000 {
			t.Errorf("window %d is from %v to %v", i, s.Start, s.End)
		}
	}
}

func TestOverlapHasTheReferencesDefaultAndLimits(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{Long: Overlap, WindowSeconds: 12})
	if p.opts.StrideSeconds != 2 {
		t.Errorf("a stride of %v s, want a sixth of the window", p.opts.StrideSeconds)
	}
	if s := prepare(t, p, tone(16000, 16000)); len(s) != 1 || s[0].Tag != (embed.Chunk{End: 16000}) {
		t.Errorf("%d windows of short audio, the first %v", len(s), s[0].Tag)
	}
	for name, o := range map[string]Options{
		"half of the window":                {Long: Overlap, WindowSeconds: 1, StrideSeconds: 0.5},
		"a negative stride":                 {Long: Overlap, WindowSeconds: 1, StrideSeconds: -1},
		"nothing left in frames of a model": {Long: Overlap, WindowSeconds: 0.05, StrideSeconds: 0.024},
	} {
		if _, err := New(specWith(t, `{}`), o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestWindowsBehindAnAdapterAreOfItsFrames would otherwise lose or repeat part of a frame at each seam.
func TestWindowsBehindAnAdapterAreOfItsFrames(t *testing.T) {
	o := Options{Long: Overlap, MaxSeconds: 1, StrideSeconds: 0.2}
	plain, spec := newPreprocessor(t, `{}`, o), specWith(t, `{}`)
	spec.Audio.AddAdapter, spec.Audio.AdapterKernelSize, spec.Audio.AdapterStride, spec.Audio.NumAdapterLayers = true, 3, 2, 3
	p, err := New(spec, o)
	if err != nil {
		t.Fatal(err)
	}
	const hop = 8 * 320
	want := []embed.Chunk{{Start: 0, End: 6 * hop, Right: hop}, {Start: 4 * hop, End: 10 * hop, Left: hop, Right: hop}, {Start: 8 * hop, End: 30000, Left: hop}}
	var got []embed.Chunk
	for _, s := range prepare(t, p, tone(30000, 16000)) {
		got = append(got, s.Tag.(embed.Chunk))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if p.Digest() == plain.Digest() {
		t.Error("rows of other windows are known")
	}
	apart, err := New(spec, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if apart.Digest() != newPreprocessor(t, `{}`, Options{}).Digest() {
		t.Error("rows without windows are computed again")
	}
}
