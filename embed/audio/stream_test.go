package audio

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"vecmill/embed"
	"vecmill/schemas"
)

// wholeWindows cuts a whole recording the plain way: what Stream has to give without holding it.
func wholeWindows(t *testing.T, p *Preprocessor, x []float32) (all []embed.Sample) {
	t.Helper()
	if p.opts.Long == Overlap {
		chunks, err := p.chunks(len(x))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			s := p.sample(slices.Clone(x[c.Start:c.End]), len(all), c.Start, false)
			s.Tag = c
			all = append(all, s)
		}
		return all
	}
	if int64(len(x)) <= p.maxSamples {
		return []embed.Sample{p.sample(slices.Clone(x), 0, 0, false)}
	}
	for at := 0; at < len(x); {
		end := min(at+int(p.windowSamples), len(x))
		if end < len(x) && !p.suffices(len(x)-end) {
			end = len(x)
		}
		all = append(all, p.sample(slices.Clone(x[at:end]), len(all), at, false))
		at = end
	}
	return all
}

// TestStreamedWindowsAreThoseOfTheWholeRecording tries lengths around every edge: of what is one window, of windows, of tails of one frame and less, of what a stride drops.
func TestStreamedWindowsAreThoseOfTheWholeRecording(t *testing.T) {
	for _, o := range []Options{
		{Long: Window, MaxSeconds: 0.5, WindowSeconds: 0.25},
		{Long: Window, MaxSeconds: 0.3},
		{Long: Overlap, MaxSeconds: 0.5, WindowSeconds: 0.5, StrideSeconds: 0.1},
		{Long: Overlap, MaxSeconds: 0.5, WindowSeconds: 0.3, StrideSeconds: 0.02},
	} {
		p := newPreprocessor(t, `{}`, o)
		w := int(p.windowSamples)
		lengths := []int{400, 401, 3999, 4000, 4001, 8000, 8001, 8399, 8400, 20000, 33333}
		for _, k := range []int{1, 2, 3} {
			for _, d := range []int{-1, 0, 1, 319, 320, 399, 400, 401, 1600, 1601} {
				lengths = append(lengths, k*w+d)
			}
		}
		for _, n := range lengths {
			for _, rate := range []int{16000, 44100} {
				blob := tone(n*rate/16000, rate)
				x, err := p.Waveform(t.Context(), blob)
				if err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("%s of %v s, %d samples from %d Hz", o.Long, o.WindowSeconds, len(x), rate)
				if p.cfg.OutputFrames(len(x)) == 0 {
					continue
				}
				got, want := prepare(t, p, blob), wholeWindows(t, p, x)
				if len(got) != len(want) {
					t.Fatalf("%s: %d windows, want %d", name, len(got), len(want))
				}
				for i, g := range got {
					if w := want[i]; g.Start != w.Start || g.End != w.End || g.Tag != w.Tag || g.Window != i || g.Cost != w.Cost || !slices.Equal(g.Inputs[0].F32, w.Inputs[0].F32) {
						t.Fatalf("%s: window %d is from %v to %v (%v), want %v to %v (%v)", name, i, g.Start, g.End, g.Tag, w.Start, w.End, w.Tag)
					}
				}
			}
		}
	}
}

// TestChunksAreThoseOfTheWholeRecording tries lengths around every edge, with strides of two lengths and none.
func TestChunksAreThoseOfTheWholeRecording(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{MaxSeconds: 3})
	for _, c := range []embed.Chunking{{Length: 0.5, Left: 0.1, Right: 0.1}, {Length: 0.3, Left: 0.02, Right: 0.06}, {Length: 0.3, Right: 0.1}, {Length: 0.2}} {
		c.Rate, c.Ratio = 16000, 320
		length, left, right, err := c.Samples()
		if err != nil {
			t.Fatal(err)
		}
		lengths := []int{1, 399, 400, 33333, 48000}
		for k := range 4 {
			for _, d := range []int{-1, 0, 1, 319, 320, 399, 400, 401} {
				lengths = append(lengths, length+k*(length-left-right)+d, k*(length-left-right)+left+d)
			}
		}
		refused := 0
		for _, n := range lengths {
			if n < 1 {
				continue
			}
			blob := tone(n, 16000)
			x, err := p.Waveform(t.Context(), blob)
			if err != nil {
				t.Fatal(err)
			}
			chunks, err := c.Chunks(len(x))
			if err != nil {
				t.Fatal(err)
			}
			var want error // the first chunk without a frame
			var got []embed.Sample
			err = p.Chunks(t.Context(), blob, c, func(s embed.Sample) error {
				got = append(got, s)
				return nil
			})
			for i, chunk := range chunks {
				sample, refusal := p.Prepare(x[chunk.Start:chunk.End])
				if refusal != nil {
					want, chunks = refusal, chunks[:i]
					refused++
					break
				}
				if i >= len(got) || got[i].Tag != chunk || got[i].Cost != sample.Cost || !slices.Equal(got[i].Inputs[0].F32, sample.Inputs[0].F32) {
					t.Fatalf("%+v, %d samples: chunk %d of %d is not %v", c, n, i, len(got), chunk)
				}
			}
			if len(got) != len(chunks) || fmt.Sprint(err) != fmt.Sprint(want) {
				t.Errorf("%+v, %d samples: %d chunks and %v, want %d and %v", c, n, len(got), err, len(chunks), want)
			}
		}
		if refused == 0 {
			t.Errorf("%+v: no chunk is too short", c)
		}
	}
	err := p.Chunks(t.Context(), tone(48001, 16000), embed.Chunking{Length: 1, Rate: 16000, Ratio: 320}, func(embed.Sample) error { return nil })
	wantRejection(t, err, schemas.ReasonTooLarge, "")
}

// TestSixHoursAreHeldAWindowAtATime takes a recording of six hours apart, of a model of 1,000 samples a second to be quick, and holds the process's memory to the footprint.
func TestSixHoursAreHeldAWindowAtATime(t *testing.T) {
	const hours, rate = 6, 1000
	blob := wav("fmt ", format(tagPCM, 1, rate, 1, 8), "data", string(make([]byte, hours*3600*rate)))
	for i := range blob[44:] {
		blob[44+i] = byte(i * i >> 7)
	}
	for _, long := range []Long{Window, Overlap} {
		p := newPreprocessor(t, `{"sampling_rate": 1000}`, Options{Long: long})
		bound, err := p.Footprint(schemas.Ref{}, blob[:1024], int64(len(blob)))
		if err != nil {
			t.Fatal(err)
		}
		bound -= int64(len(blob))
		if bound > fixedBytes+sampleBytes*20*30*rate { // 16 windows, one in the making, and a block
			t.Errorf("%s: a bound of %d bytes beside the file", long, bound)
		}
		windows, frames := p.Extent(schemas.Ref{}, blob[:1024], int64(len(blob)))
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		n, cost, end := 0, 0, 0.0
		err = p.Stream(t.Context(), schemas.Ref{}, blob, func(s embed.Sample) error {
			if n%100 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&now)
				if held := int64(now.HeapAlloc) - int64(before.HeapAlloc); held > bound {
					t.Errorf("%s: %d bytes are held at window %d, at most %d are reserved", long, held, n, bound)
				}
			}
			n, cost, end = n+1, cost+s.Cost, s.End
			if c, ok := s.Tag.(embed.Chunk); ok {
				cost -= s.Cost * (c.Left + c.Right) / (c.End - c.Start)
			}
			return nil
		})
		if err != nil || n < hours*120 || end != hours*3600 {
			t.Errorf("%s: %d windows up to %v s, %v", long, n, end, err)
		}
		if int64(n) > windows || int64(cost) > frames {
			t.Errorf("%s: %d windows of %d frames, at most %d of %d were foretold", long, n, cost, windows, frames)
		}
	}
}

func TestAStreamEndsWithTheErrorOfItsTaker(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{Long: Window, MaxSeconds: 0.1})
	enough, n := errors.New("enough"), 0
	err := p.Stream(t.Context(), schemas.Ref{}, tone(16000, 16000), func(embed.Sample) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 3 {
		t.Errorf("%v after %d windows", err, n)
	}
}
