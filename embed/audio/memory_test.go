package audio

import (
	"math"
	"runtime"
	"testing"

	"vecmill/schemas"
)

// What a recording allocates at most, in bytes, from its bytes to its sample, once one of its kind has been decoded and given back, and what of it is for. The length of a recording does not matter.
var allocatedPerRecording = []struct {
	name, file string
	most       uint64
}{
	{"WAV", "", 8 << 10},
	{"FLAC", "corpus/speech-44100.flac", 8 << 10},
	{"MP3", "foreign/cbr.mp3", 8 << 10},
	{"Vorbis", "foreign/vorbis.ogg", 16 << 10},
	{"Opus, mono", "opus/celt-mono.opus", 24 << 10},
	{"Opus, stereo", "opus/celt-stereo.opus", 24 << 10},
	{"Opus of speech", "opus/silk-mono.opus", 24 << 10},
	{"Opus of both", "opus/hybrid.opus", 40 << 10}, // the library makes the half for speech anew
	{"Opus in WebM", "opus/celt.webm", 24 << 10},
}

// It takes the least of some rounds: pools forget what they have when garbage is collected, and at random under the race detector.
func TestASteadyStreamAllocatesLittle(t *testing.T) {
	for _, c := range allocatedPerRecording {
		t.Run(c.name, func(t *testing.T) {
			blob := tone(441_000, 44100)
			if c.file != "" {
				blob = readFile(t, c.file)
			}
			p := newPreprocessor(t, `{}`, Options{})
			least := uint64(math.MaxUint64)
			for range 30 {
				before := allocated()
				if _, err := p.Footprint(schemas.Ref{}, blob, int64(len(blob))); err != nil {
					t.Fatal(err)
				}
				samples, err := p.Preprocess(t.Context(), schemas.Ref{}, blob)
				if err != nil {
					t.Fatal(err)
				}
				for i := range samples {
					p.Recycle(&samples[i])
				}
				least = min(least, allocated()-before)
			}
			t.Logf("%d bytes a recording", least)
			if least > c.most {
				t.Errorf("%d bytes a recording, want %d at most", least, c.most)
			}
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
