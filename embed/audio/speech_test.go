package audio

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/schemas"
)

// utterances are recordings of speech at 16 kHz by espeak-ng, those of the demo.
func utterances(t *testing.T) (all [][]float32) {
	t.Helper()
	files, err := filepath.Glob("../../internal/demo/samples/audio/*.wav")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, f := range files[:4] {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		d, err := open(b)
		if err != nil || d.header().rate != 16000 {
			t.Fatalf("%s: %v", f, err)
		}
		x, err := drain(d, 4096)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	return all
}

// scene puts utterances into noise of a level in decibels, each with its pause in seconds before it, and returns where they are.
func scene(t *testing.T, noise float64, pauses ...float64) (x []float32, spoken [][2]float64) {
	t.Helper()
	all := utterances(t)
	r := rand.New(rand.NewPCG(1, 2))
	amplitude := float32(math.Pow(10, noise/20) * math.Sqrt(3))
	hiss := func(seconds float64) {
		for range int(seconds * 16000) {
			x = append(x, (2*r.Float32()-1)*amplitude)
		}
	}
	for i, p := range pauses {
		hiss(p)
		from := len(x)
		for _, v := range all[i%len(all)] {
			x = append(x, v+(2*r.Float32()-1)*amplitude)
		}
		spoken = append(spoken, [2]float64{float64(from) / 16000, float64(len(x)) / 16000})
	}
	hiss(3)
	return x, spoken
}

// asWAV is x as 16 bits.
func asWAV(x []float32) []byte {
	b := make([]byte, 0, 2*len(x))
	for _, v := range x {
		s := uint16(int16(math.Round(float64(v) * 32767)))
		b = append(b, byte(s), byte(s>>8))
	}
	return wav("fmt ", format(tagPCM, 1, 16000, 2, 16), "data", string(b))
}

// TestStretchesOfSpeechAreFoundInNoise places utterances of espeak-ng in noise 60 and 40 dB below full scale. It proves nothing for music, crowds and far microphones.
func TestStretchesOfSpeechAreFoundInNoise(t *testing.T) {
	for _, noise := range []float64{-60, -40} {
		x, spoken := scene(t, noise, 4, 6, 5, 8)
		p := newPreprocessor(t, `{}`, Options{Long: Speech, MaxSeconds: 10, WindowSeconds: 10})
		got := prepare(t, p, asWAV(x))
		if len(got) != len(spoken) {
			for _, s := range got {
				t.Logf("%v to %v", s.Start, s.End)
			}
			t.Fatalf("%v dB: %d stretches, want %d: %v", noise, len(got), len(spoken), spoken)
		}
		for i, s := range got {
			want := spoken[i]
			if s.Start < want[0]-0.3 || s.Start > want[0]+0.4 || s.End > want[1]+0.3 || s.End < want[1]-0.8 || s.Window != i {
				t.Errorf("%v dB: stretch %d is from %.2f to %.2f s, speech from %.2f to %.2f", noise, i, s.Start, s.End, want[0], want[1])
			}
			if n := len(s.Inputs[0].F32); math.Abs(float64(n)-(s.End-s.Start)*16000) > 0.5 {
				t.Errorf("stretch %d has %d samples", i, n)
			}
		}
	}
}

func TestSpeechWithoutAPauseIsCutAtQuietMoments(t *testing.T) {
	x, _ := scene(t, -60, 1, 0, 0, 0, 0, 0, 0, 0, 0)
	p := newPreprocessor(t, `{}`, Options{Long: Speech, MaxSeconds: 3, WindowSeconds: 2})
	got := prepare(t, p, asWAV(x))
	if len(got) < 5 {
		t.Fatalf("%d windows", len(got))
	}
	end := 0.0
	for i, s := range got {
		if d := s.End - s.Start; d > 2.02 || s.Start < end {
			t.Errorf("window %d is from %.2f to %.2f s, behind %.2f", i, s.Start, s.End, end)
		}
		end = s.End
	}
	windows, _ := p.Extent(schemas.Ref{}, asWAV(x)[:1000], int64(2*len(x)+44))
	if int64(len(got)) > windows {
		t.Errorf("%d windows, at most %d were foretold", len(got), windows)
	}
}

func TestARecordingWithoutSpeechIsItsBeginning(t *testing.T) {
	quiet := make([]float32, 16000*12)
	for i := range quiet {
		quiet[i] = 0.001 * float32(math.Sin(float64(i)))
	}
	p := newPreprocessor(t, `{}`, Options{Long: Speech, MaxSeconds: 10, WindowSeconds: 5})
	got := prepare(t, p, asWAV(quiet))
	if len(got) != 1 || got[0].Start != 0 || got[0].End != 5 {
		t.Errorf("%d windows", len(got))
	}
	// What is not long is not taken apart.
	if got := prepare(t, p, asWAV(quiet[:16000*10])); len(got) != 1 || got[0].End != 10 {
		t.Errorf("%d windows", len(got))
	}
}

func TestSteadyNoiseIsLeftOut(t *testing.T) {
	x, spoken := scene(t, -25, 40, 0)
	p := newPreprocessor(t, `{}`, Options{Long: Speech, MaxSeconds: 10, WindowSeconds: 10})
	for _, s := range prepare(t, p, asWAV(x)) {
		if s.Start > 12 && s.End < spoken[0][0] {
			t.Errorf("noise from %.2f to %.2f s is taken for speech", s.Start, s.End)
		}
	}
}

func TestSpeechIsHeldAWindowAtATime(t *testing.T) {
	x, _ := scene(t, -50, 2, 1, 3, 1, 2, 1, 5, 1, 2, 1, 3, 1)
	blob := asWAV(x)
	p := newPreprocessor(t, `{}`, Options{Long: Speech, MaxSeconds: 5, WindowSeconds: 5})
	c := &cutter{p: p, emit: func(embed.Sample) error { return nil }}
	d, err := open(blob)
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	err = p.pump(t.Context(), d, func(b block) error {
		err := c.take(b)
		most = max(most, len(c.x)+len(c.lead))
		return err
	})
	if err != nil || most > p.held(d.header()) {
		t.Errorf("%d samples are held, at most %d are reserved, %v", most, p.held(d.header()), err)
	}
}

// TestTheShortestWindowsOfSpeech are longer than the margins of what has just begun, which there is no quiet moment in.
func TestTheShortestWindowsOfSpeech(t *testing.T) {
	if _, err := New(specWith(t, `{}`), Options{Long: Speech, MaxSeconds: 3, WindowSeconds: 0.26}); err == nil || !strings.Contains(err.Error(), "window_seconds 0.26 is too short for stretches of speech") {
		t.Errorf("%v", err)
	}
	x, _ := scene(t, -60, 1, 0)
	got := prepare(t, newPreprocessor(t, `{}`, Options{Long: Speech, MaxSeconds: 3, WindowSeconds: 0.2601}), asWAV(x))
	for i, s := range got {
		if s.End-s.Start > 0.2601 {
			t.Errorf("window %d is from %v to %v s", i, s.Start, s.End)
		}
	}
	if len(got) < 5 {
		t.Errorf("%d windows", len(got))
	}
}
