package audio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
)

func newFilter(in, out int) *filter {
	f, _ := designFilter(context.Background(), in, out) // its error is the context's
	return f
}

// resampleAll runs a whole signal through f in blocks of n.
func resampleAll(f *filter, x []float32, n int) []float32 {
	r := &resampler{}
	r.reset(f)
	var y []float32
	for b := range slices.Chunk(x, n) {
		y = r.push(y, b)
	}
	return r.finish(y)
}

// rates are pairs of every kind: down, up, close together, coprime (interpolated), to another model's rate.
func rates() [][2]int {
	return [][2]int{{44100, 16000}, {48000, 16000}, {8000, 16000}, {11025, 16000}, {22050, 16000}, {24000, 16000}, {32000, 16000}, {96000, 16000}, {44101, 16000}, {15999, 16000}, {192000, 16000}, {16000, 24000}}
}

func sine(n int, hz, rate float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(2 * math.Pi * hz / rate * float64(i)))
	}
	return x
}

// inner leaves out both ends, where the filter reaches over the signal's edges.
func inner(x []float32) []float32 { return x[len(x)/4 : 3*len(x)/4] }

func decibels(ratio float64) float64 { return 20 * math.Log10(ratio) }

func rms(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return math.Sqrt(s / float64(len(x)))
}

func TestSinesInThePassBandComeOutAsTheyWere(t *testing.T) {
	for _, r := range rates() {
		in, out := r[0], r[1]
		f, nyquist := newFilter(in, out), float64(min(in, out))/2
		for _, part := range []float64{0.01, 0.3, 0.7, 0.9, passband} {
			hz := part * nyquist
			got := resampleAll(f, sine(in, hz, float64(in)), 4096)
			want := sine(len(got), hz, float64(out))
			var worst float64
			for i, g := range inner(got) {
				worst = math.Max(worst, math.Abs(float64(g)-float64(inner(want)[i])))
			}
			if worst > 1e-4 { // 0.001 dB, with phase and delay
				t.Errorf("%d to %d Hz: a sine at %.2f of the Nyquist frequency is off by %.2g", in, out, part, worst)
			}
		}
	}
}

func TestSinesAboveTheModelsBandAreGone(t *testing.T) {
	for _, r := range rates() {
		in, out := r[0], r[1]
		if in < out+out/8 {
			continue
		}
		f, worst := newFilter(in, out), math.Inf(-1)
		for hz := float64(out) / 2 * stopband; hz < float64(in)/2; hz += float64(in) / 61 {
			got := resampleAll(f, sine(in/4, hz, float64(in)), 4096)
			worst = math.Max(worst, decibels(rms(inner(got))*math.Sqrt2))
		}
		if worst > -115 {
			t.Errorf("%d to %d Hz: an alias of %.1f dB", in, out, worst)
		}
	}
}

func TestImagesOfAnUpsampledSineAreGone(t *testing.T) {
	got := resampleAll(newFilter(8000, 16000), sine(8000, 3000, 8000), 4096)
	want := sine(len(got), 3000, 16000)
	for i := range got {
		got[i] -= want[i]
	}
	if d := decibels(rms(inner(got)) * math.Sqrt2); d > -115 {
		t.Errorf("what is not the sine is at %.1f dB", d)
	}
}

func TestAConstantStaysWhatItIs(t *testing.T) {
	for _, r := range rates() {
		x := make([]float32, r[0]/4)
		for i := range x {
			x[i] = 0.7
		}
		for _, v := range inner(resampleAll(newFilter(r[0], r[1]), x, 1000)) {
			if math.Abs(float64(v)-0.7) > 1e-6 { // float32 rounding of a few hundred products
				t.Errorf("%d to %d Hz: 0.7 becomes %v", r[0], r[1], v)
				break
			}
		}
	}
}

func TestLengthIsTheCeilingOfTheRatioHoweverTheBlocksFall(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, r := range rates() {
		f := newFilter(r[0], r[1])
		for _, n := range []int{1, 2, 100, 441, 442, 2000} {
			x := make([]float32, n)
			for i := range x {
				x[i] = rng.Float32() - 0.5
			}
			whole := resampleAll(f, x, n)
			if want := (n*r[1] + r[0] - 1) / r[0]; len(whole) != want {
				t.Errorf("%d samples from %d to %d Hz give %d, want %d", n, r[0], r[1], len(whole), want)
			}
			for _, block := range []int{1, 7, 333} {
				if got := resampleAll(f, x, block); !slices.Equal(got, whole) {
					t.Errorf("%d samples from %d to %d Hz differ in blocks of %d", n, r[0], r[1], block)
				}
			}
		}
	}
}

// TestSpeechAgreesWithSoxr compares with python-soxr's HQ recipe on speech. The first 50 samples are left out: for ratios that are not
// whole, soxr's filter begins there differently (-52 dB), ours sees zeros before the first sample.
func TestSpeechAgreesWithSoxr(t *testing.T) {
	c := readCorpus(t)
	for _, f := range c.Resample {
		t.Run(fmt.Sprint(f.Rate, " Hz"), func(t *testing.T) {
			d, err := open(readFile(t, "corpus/"+f.File))
			if err != nil {
				t.Fatal(err)
			}
			x, err := drain(d, 1024)
			if err != nil {
				t.Fatal(err)
			}
			got, want := resampleAll(newFilter(f.Rate, 16000), x, 1024), c.tensor(f.Want)
			if d := len(got) - len(want); d < 0 || d > 1 {
				t.Fatalf("%d samples, soxr has %d", len(got), len(want))
			}
			diff := make([]float32, len(want))
			for i := range want {
				diff[i] = got[i] - want[i]
			}
			diff = diff[50:]
			db := decibels(rms(diff) / rms(want))
			t.Logf("difference to soxr HQ: %.1f dB of the signal", db)
			if db > -80 {
				t.Errorf("difference to soxr HQ: %.1f dB", db)
			}
		})
	}
}

// TestTheDifferenceToSoxrIsThatOfTheTransitionBand compares with python-soxr's HQ recipe at every usual rate: on speech, and on noise that is white up to the Nyquist frequency. There the two
// filters' transitions, from 0.9136 of the lower Nyquist frequency to it, differ in shape, so noise is compared up to where both are flat as well. Where the rates have no small ratio, soxr's output is late by 2e-4
// samples, which is the -72 dB of noise at multiples of 11,025 Hz; elsewhere the pass band agrees to -123 dB. Both ends are left out.
func TestTheDifferenceToSoxrIsThatOfTheTransitionBand(t *testing.T) {
	for _, rate := range []int{8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000} {
		for _, c := range []struct {
			name         string
			limit, inner float64 // decibels, all and in the pass band
		}{{"speech", -85, -95}, {"noise", -50, -70}} {
			file := fmt.Sprintf("resample/%s-%d", c.name, rate)
			raw := readFile(t, file+".s16")
			x := make([]float32, len(raw)/2)
			for i := range x {
				x[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768
			}
			raw = readFile(t, file+".want.f32")
			got := resampleAll(newFilter(rate, 16000), x, 1000)
			diff, want := make([]float64, len(raw)/4), make([]float64, len(raw)/4)
			if len(got) < len(want) || len(got) > len(want)+1 {
				t.Fatalf("%s: %d samples, soxr has %d", file, len(got), len(want))
			}
			for i := range want {
				want[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
				diff[i] = float64(got[i]) - want[i]
			}
			edge := float64(min(rate, 16000)) / 16000 * passband
			all, pass := below(diff, 1)/below(want, 1), below(diff, edge)/below(want, edge)
			t.Logf("%s: difference to soxr HQ %.1f dB, %.1f in the pass band", file, 10*math.Log10(all), 10*math.Log10(pass))
			if 10*math.Log10(all) > c.limit || 10*math.Log10(pass) > c.inner {
				t.Errorf("%s: difference to soxr HQ %.1f dB, %.1f in the pass band", file, 10*math.Log10(all), 10*math.Log10(pass))
			}
		}
	}
}

// below is the power of x up to a part of its Nyquist frequency, by a Fourier transform of its middle under a Hann window.
func below(x []float64, part float64) float64 {
	x = x[80 : len(x)-80]
	n, sum := len(x), 0.0
	turns := make([][2]float64, n)
	for i := range turns {
		turns[i][0], turns[i][1] = math.Sincos(2 * math.Pi * float64(i) / float64(n))
	}
	for k := 0; float64(k) <= part*float64(n)/2; k++ {
		re, im := 0.0, 0.0
		for i, v := range x {
			v *= 0.5 - 0.5*turns[i][1]
			re, im = re+v*turns[k*i%n][1], im+v*turns[k*i%n][0]
		}
		sum += re*re + im*im
	}
	return sum
}

func TestFiltersAreKeptForTheLastRatesOnly(t *testing.T) {
	c := &filters{out: 16000}
	get := func(in int) *filter {
		f, err := c.get(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	a := get(8000)
	if get(8000) != a {
		t.Error("the same rate designs its filter twice")
	}
	for i := range 2 * maxFilters {
		get(4000 + 100*i)
	}
	if len(c.mu.banks) != maxFilters || len(c.mu.rates) != maxFilters {
		t.Errorf("%d filters kept, want %d", len(c.mu.banks), maxFilters)
	}
	if f := get(4000 + 100*(2*maxFilters-1)); f.down*16000 != f.up*int64(4000+100*(2*maxFilters-1)) {
		t.Error("a filter of another rate came back")
	}
	for in, most := range map[int]int{1: maxFilterBytes / 8, 2: maxFilterBytes / 4, 3: maxFilterBytes} { // the last of them is four times the bound
		c.find(in)
		c.settle(in, &filter{rows: make([]float32, most)})
	}
	held := 0
	for _, f := range c.mu.banks {
		held += 4 * len(f.rows)
	}
	if held != c.mu.bytes || held > maxFilterBytes && len(c.mu.banks) > 1 {
		t.Errorf("%d filters of %d bytes are kept, %d counted", len(c.mu.banks), held, c.mu.bytes)
	}
}

// TestAFilterWantedAtOnceIsDesignedOnce has callers that come while somebody designs the filter of their rate: they wait, and one takes over if that somebody gives up.
func TestAFilterWantedAtOnceIsDesignedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &filters{out: 16000}
		for name, made := range map[string]*filter{"it is made": {}, "it is not": nil} {
			in := 8000 + len(name)
			if _, _, mine := c.find(in); !mine {
				t.Fatal("the first caller does not design it")
			}
			ctx, cancel := context.WithCancel(t.Context())
			impatient := make(chan error, 1)
			go func() {
				_, err := c.get(ctx, in)
				impatient <- err
			}()
			got := make(chan *filter, 3)
			for range cap(got) {
				go func() {
					f, err := c.get(t.Context(), in)
					if err != nil {
						t.Error(err)
					}
					got <- f
				}()
			}
			synctest.Wait()
			cancel()
			if err := <-impatient; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: who does not wait any more gets %v", name, err)
			}
			if len(got) > 0 {
				t.Errorf("%s: somebody else designs it, too", name)
			}
			c.settle(in, made)
			first := <-got
			if first == nil || made != nil && first != made || <-got != first || <-got != first {
				t.Errorf("%s: several filters", name)
			}
		}
	})
}

func TestADesignEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &filters{out: 16000}
	if f, err := c.get(ctx, 767_999); f != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, _, mine := c.find(767_999); !mine {
		t.Error("nobody designs it any more")
	}
}

// TestProductsTakenTogetherAreThoseTakenOneByOne holds dot3 to dot bit for bit, so that a sample does not depend on how many come with it, and dot to the sum in double precision.
func TestProductsTakenTogetherAreThoseTakenOneByOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 0; n <= 544; n += lanes {
		for _, step := range []int{0, 1, 3, 441} {
			x, h := make([]float32, 2*step+n+3), make([]float32, n)
			for i := range x {
				x[i] = r.Float32() - 0.5
			}
			for i := range h {
				h[i] = r.Float32() - 0.5
			}
			a, b, c := dot3(x, step, h)
			d, e, f := dot3Plain(x, step, h)
			for i, got := range [][2]float32{{a, d}, {b, e}, {c, f}} {
				part := x[i*step : i*step+n]
				want := 0.0
				for k, v := range part {
					want += float64(v) * float64(h[k])
				}
				if one := dot(part, h); got[0] != one {
					t.Fatalf("%d products from %d on: %v together, %v alone", n, i*step, got[0], one)
				}
				if math.Abs(float64(got[0])-want) > 1e-5 || math.Abs(float64(got[1])-want) > 1e-5 {
					t.Fatalf("%d products from %d on: %v, without vectors %v, want %v", n, i*step, got[0], got[1], want)
				}
			}
		}
	}
}

func BenchmarkResample(b *testing.B) {
	for _, in := range []int{8000, 44100, 48000, 44101} {
		b.Run(fmt.Sprint(in, " Hz"), func(b *testing.B) {
			x := sine(in*10, 440, float64(in))
			r := &resampler{}
			f := newFilter(in, 16000)
			y := make([]float32, 0, 160001)
			for b.Loop() {
				r.reset(f)
				y = y[:0]
				for block := range slices.Chunk(x, blockSamples) {
					y = r.push(y, block)
				}
				y = r.finish(y)
			}
			b.ReportMetric(10*float64(b.N)/b.Elapsed().Seconds(), "x_realtime")
		})
	}
}
