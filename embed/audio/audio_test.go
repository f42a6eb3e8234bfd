package audio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// standardConfig is the convolution stack of the published checkpoints: 400 samples for a first frame, 320 for each further one.
func standardConfig() *model.AudioConfig {
	return &model.AudioConfig{ConvKernel: []int{10, 3, 3, 3, 3, 2, 2}, ConvStride: []int{5, 2, 2, 2, 2, 2, 2}}
}

// specWith makes a checkpoint directory with the given preprocessor_config.json.
func specWith(tb testing.TB, config string) *model.Spec {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "preprocessor_config.json"), []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	return &model.Spec{Dir: dir, Class: "Data2VecAudioModel", Modality: schemas.Audio, Audio: standardConfig()}
}

func newPreprocessor(tb testing.TB, config string, opts Options) *Preprocessor {
	tb.Helper()
	p, err := New(specWith(tb, config), opts)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// tone is a 16-bit mono WAV of n samples.
func tone(n, rate int) []byte {
	data := make([]byte, 0, 2*n)
	for _, v := range sine(n, 300, float64(rate)) {
		s := int16(v * 8000)
		data = append(data, byte(s), byte(s>>8))
	}
	return wav("fmt ", format(tagPCM, 1, rate, 2, 16), "data", string(data))
}

func prepare(tb testing.TB, p *Preprocessor, blob []byte) []embed.Sample {
	tb.Helper()
	s, err := p.Preprocess(context.Background(), schemas.Ref{}, blob)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestNormalisationEqualsTheReference compares with Wav2Vec2FeatureExtractor on speech, on an offset of 350 standard deviations, on
// silence and on a signal near the epsilon: to the last bit.
func TestNormalisationEqualsTheReference(t *testing.T) {
	c := readCorpus(t)
	for _, f := range c.Extract {
		p := newPreprocessor(t, fmt.Sprintf(`{"do_normalize": %v}`, f.Normalize), Options{})
		got := p.sample(append([]float32(nil), c.tensor(f.In)...), 0, 0, false).Inputs[0].F32
		if d := largest(got, c.tensor(f.Want)); d != 0 {
			t.Errorf("%s, normalize %v: differs by %g", f.Name, f.Normalize, d)
		}
	}
}

func TestASampleCarriesItsLengthItsCostAndItsTimes(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{})
	got := prepare(t, p, tone(8000, 8000))
	if len(got) != 1 {
		t.Fatalf("%d samples, want 1", len(got))
	}
	s := got[0]
	values, lengths := s.Inputs[0], s.Inputs[1]
	if values.Name != "input_values" || len(values.F32) != 16000 || len(values.Shape) != 1 || values.Shape[0] != 16000 || values.Pad != 0 {
		t.Errorf("input_values: %s %v with %d values", values.Name, values.Shape, len(values.F32))
	}
	if lengths.Name != "lengths" || len(lengths.Shape) != 0 || lengths.I64[0] != 16000 {
		t.Errorf("lengths: %s %v %v", lengths.Name, lengths.Shape, lengths.I64)
	}
	if s.Cost != 49 || s.Start != 0 || s.End != 1 || s.Truncated || s.Window != 0 {
		t.Errorf("cost %d, times %v to %v, truncated %v, window %d", s.Cost, s.Start, s.End, s.Truncated, s.Window)
	}
	var sum, square float64
	for _, v := range values.F32 {
		sum, square = sum+float64(v), square+float64(v)*float64(v)
	}
	if n := float64(len(values.F32)); math.Abs(sum/n) > 1e-6 || math.Abs(square/n-1) > 1e-5 {
		t.Errorf("mean %g, variance %g", sum/n, square/n)
	}
	if _, err := embed.Collate(got); err != nil {
		t.Error(err)
	}
}

func TestTooLittleAudioIsTooShort(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{})
	for _, c := range []struct {
		name string
		blob []byte
		fits bool
	}{
		{"no bytes", nil, false},
		{"a file without samples", tone(0, 16000), false},
		{"399 samples", tone(399, 16000), false},
		{"400 samples, one frame", tone(400, 16000), true},
		{"401 samples", tone(401, 16000), true},
		{"200 samples at half the rate", tone(200, 8000), true},
		{"401 samples at three times the rate", tone(401, 48000), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := p.Preprocess(context.Background(), schemas.Ref{}, c.blob)
			if !c.fits {
				wantRejection(t, err, schemas.ReasonTooShort, "")
			} else if err != nil || s[0].Cost != 1 {
				t.Errorf("%v, %v", s, err)
			}
		})
	}
}

// An adapter whose kernel is longer than the frames of a clip makes none of them: the graph would fail on it.
func TestAudioTooShortForTheAdapterIsTooShort(t *testing.T) {
	spec := specWith(t, `{}`) // 400 samples for a frame, 320 for each further one; the kernel takes 7 frames and the two of its padding
	spec.Audio.AddAdapter, spec.Audio.AdapterKernelSize, spec.Audio.AdapterStride, spec.Audio.NumAdapterLayers = true, 9, 2, 1
	const least = 400 + 6*320
	open := func(o Options) *Preprocessor {
		t.Helper()
		p, err := New(spec, o)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := open(Options{})
	_, err := p.Preprocess(t.Context(), schemas.Ref{}, tone(least-1, 16000))
	wantRejection(t, err, schemas.ReasonTooShort, "2319 samples at 16000 Hz are 6 frames, too few for the model's adapter")
	_, err = p.Prepare(make([]float32, least-1))
	wantRejection(t, err, schemas.ReasonTooShort, "adapter")
	if s := prepare(t, p, tone(least, 16000)); len(s) != 1 || s[0].Cost != 7 {
		t.Errorf("%d samples, want one of 7 frames", len(s))
	}
	if _, err := New(spec, Options{WindowSeconds: (least - 1) / 16000.}); err == nil {
		t.Error("windows too short for the adapter are taken")
	}
	for _, c := range []struct {
		name    string
		opts    Options
		samples int
		ends    []int
	}{
		{"a tail that is too short stays with its window", Options{Long: Window, MaxSeconds: 1}, 32000 + least - 1, []int{16000, 32000 + least - 1}},
		{"a tail that suffices is a window", Options{Long: Window, MaxSeconds: 1}, 32000 + least, []int{16000, 32000, 32000 + least}},
		{"an overlapping tail that is too short stays, too", Options{Long: Overlap, MaxSeconds: 1, StrideSeconds: 0.04}, 14720 + 2000, []int{14720 + 2000}},
		{"an overlapping tail that suffices is a window", Options{Long: Overlap, MaxSeconds: 1, StrideSeconds: 0.04}, 14720 + 2400, []int{16000, 14720 + 2400}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := prepare(t, open(c.opts), tone(c.samples, 16000))
			var ends []int
			for _, s := range got {
				ends = append(ends, int(math.Round(s.End*16000)))
			}
			if !slices.Equal(ends, c.ends) {
				t.Errorf("windows end at %v, want %v", ends, c.ends)
			}
			if last, ok := got[len(got)-1].Tag.(embed.Chunk); ok && (last.Right != 0 || last.End != c.samples) {
				t.Errorf("the last window is %v", last)
			}
		})
	}
}

// X-vectors want the frames that the dilated convolutions take. The same checkpoint's states do not.
func TestAudioTooShortForAnXVectorIsTooShort(t *testing.T) {
	spec := specWith(t, `{}`)
	spec.Audio.TDNNKernel, spec.Audio.TDNNDilation = []int{5, 3, 3, 1, 1}, []int{1, 2, 3, 1, 1} // the class's own: they lose 14 frames
	const least = 400 + 14*320
	open := func(o Options) *Preprocessor {
		t.Helper()
		p, err := New(spec, o)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := open(Options{XVectors: true})
	_, err := p.Preprocess(t.Context(), schemas.Ref{}, tone(least-1, 16000))
	wantRejection(t, err, schemas.ReasonTooShort, "4879 samples at 16000 Hz are 14 frames, too few for an x-vector: the model's TDNN layers take more than 14")
	_, err = p.Prepare(make([]float32, least-1))
	wantRejection(t, err, schemas.ReasonTooShort, "x-vector")
	if s := prepare(t, p, tone(least, 16000)); len(s) != 1 || s[0].Cost != 15 {
		t.Errorf("%d samples, want one of 15 frames", len(s))
	}
	if s := prepare(t, open(Options{}), tone(400, 16000)); len(s) != 1 {
		t.Errorf("without x-vectors: %d samples", len(s))
	}
	if _, err := New(spec, Options{XVectors: true, WindowSeconds: (least - 1) / 16000.}); err == nil || !strings.Contains(err.Error(), "window_seconds") {
		t.Errorf("windows too short for an x-vector: %v", err)
	}
	for tail, want := range map[int]int{least - 1: 1, least: 2} {
		if got := prepare(t, open(Options{XVectors: true, Long: Window, MaxSeconds: 1}), tone(16000+tail, 16000)); len(got) != want || got[want-1].End != float64(16000+tail)/16000 {
			t.Errorf("with a tail of %d samples there are %d windows, want %d", tail, len(got), want)
		}
	}
	if p.Digest() == open(Options{}).Digest() {
		t.Error("x-vectors cut windows otherwise, and the digest does not show it")
	}
}

// Options that came later leave the digests of pipelines that do not use them as they were: ids of rows are made of them.
func TestTheDigestOfPlainOptionsStays(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{Long: Window})
	said := implementation + "\nnone\n{MaxSeconds:30 Long:window WindowSeconds:30 StrideSeconds:5 MaxDecodedSeconds:21600 Decoder:builtin Program:}\n" +
		fmt.Sprintf("%+v", p.extractor) + "\n[10 3 3 3 3 2 2] [5 2 2 2 2 2 2]"
	if sum := sha256.Sum256([]byte(said)); p.Digest() != hex.EncodeToString(sum[:]) {
		t.Error("the digest is not that of the plain options")
	}
}

func TestLongAudioFollowsThePolicy(t *testing.T) {
	second := tone(16000, 16000)
	streamed := readFile(t, "corpus/flac-pipe.flac") // 641 samples, not declared
	for _, c := range []struct {
		name      string
		opts      Options
		blob      []byte
		lengths   []int // of the windows; nil: refused
		truncated bool
	}{
		{"fail: just fits", Options{MaxSeconds: 1}, second, []int{16000}, false},
		{"fail: a sample too much", Options{MaxSeconds: 15999. / 16000}, second, nil, false},
		{"fail: found out while decoding", Options{MaxSeconds: 640. / 16000}, streamed, nil, false},
		{"fail: resampled", Options{MaxSeconds: 0.5}, tone(8000, 8000), nil, false},
		{"truncate: just fits", Options{MaxSeconds: 1, Long: Truncate}, second, []int{16000}, false},
		{"truncate: cut", Options{MaxSeconds: 0.5, Long: Truncate}, second, []int{8000}, true},
		{"truncate: resampled", Options{MaxSeconds: 0.5, Long: Truncate}, tone(44100, 44100), []int{8000}, true},
		{"truncate: length not declared", Options{MaxSeconds: 600. / 16000, Long: Truncate}, streamed, []int{600}, true},
		{"window: fits whole", Options{MaxSeconds: 1, WindowSeconds: 0.5, Long: Window}, second, []int{16000}, false},
		{"window: even", Options{MaxSeconds: 0.5, Long: Window}, second, []int{8000, 8000}, false},
		{"window: a shorter last one", Options{MaxSeconds: 0.4, Long: Window}, second, []int{6400, 6400, 3200}, false},
		{"window: a tail of 399 joins the last", Options{MaxSeconds: 15601. / 16000, Long: Window}, second, []int{16000}, false},
		{"window: a tail of 400 stands alone", Options{MaxSeconds: 15600. / 16000, Long: Window}, second, []int{15600, 400}, false},
		{"window: over what is taken apart", Options{MaxSeconds: 0.5, MaxDecodedSeconds: 0.9, Long: Window}, second, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPreprocessor(t, `{}`, c.opts)
			got, err := p.Preprocess(context.Background(), schemas.Ref{}, c.blob)
			if c.lengths == nil {
				remedy := "(audio.max_seconds): set audio.long to take longer ones"
				if c.opts.Long != "" {
					remedy = "(audio.max_decoded_seconds)"
				}
				wantRejection(t, err, schemas.ReasonTooLarge, remedy)
				return
			}
			if err != nil || len(got) != len(c.lengths) {
				t.Fatalf("%d windows, %v; want %v", len(got), err, c.lengths)
			}
			at := 0
			for i, s := range got {
				n := len(s.Inputs[0].F32)
				if n != c.lengths[i] || s.Window != i || s.Truncated != c.truncated || s.Cost != p.cfg.Frames(n) {
					t.Errorf("window %d: number %d, %d samples, cost %d, truncated %v", i, s.Window, n, s.Cost, s.Truncated)
				}
				if s.Start != float64(at)/16000 || s.End != float64(at+n)/16000 {
					t.Errorf("window %d: %v to %v s", i, s.Start, s.End)
				}
				at += n
			}
		})
	}
}

func TestAWindowIsWhatItsAudioAloneWouldBe(t *testing.T) {
	blob := tone(16000, 16000)
	header := 44
	p := newPreprocessor(t, `{}`, Options{MaxSeconds: 0.25, Long: Window})
	for i, s := range prepare(t, p, blob) {
		part := wav("fmt ", format(tagPCM, 1, 16000, 2, 16), "data", string(blob[header+8000*i:header+8000*(i+1)]))
		alone := prepare(t, p, part)[0]
		if d := largest(s.Inputs[0].F32, alone.Inputs[0].F32); d != 0 {
			t.Errorf("window %d differs by %g", i, d)
		}
	}
}

func TestFootprintBoundsWhatPreprocessingHolds(t *testing.T) {
	long := tone(100_000, 16000)
	junk := wav("LIST", strings.Repeat("x", 300), "fmt ", format(tagPCM, 1, 8000, 1, 8), "data", strings.Repeat("x", 5000))
	for _, c := range []struct {
		name string
		opts Options
		head []byte
		size int64
		want int64 // without the fixed part; -1: refused
	}{
		{"unknown size", Options{}, nil, -1, unknownSize - fixedBytes},
		{"no head: as long as one sample may be", Options{MaxSeconds: 1}, nil, 1000, 1000 + 3*sampleBytes*(16000+1+16*blockSamples) + vorbisBytes},
		{"the header says how long it is", Options{}, long[:100], int64(len(long)), int64(len(long)) + sampleBytes*100_000},
		{"the header is truth for FLAC, too", Options{}, readFile(t, "corpus/speech-44100.flac")[:64], 5000, 5000 + sampleBytes*1920},
		{
			"truncate never holds more than it keeps",
			Options{MaxSeconds: 1, Long: Truncate},
			long[:100], int64(len(long)),
			int64(len(long)) + sampleBytes*(16000+1+blockSamples),
		},
		{"the data chunk is out of sight", Options{}, junk[:348], int64(len(junk)), int64(len(junk)) + sampleBytes*2*int64(len(junk))},
		{"too long for fail", Options{MaxSeconds: 1}, long[:100], int64(len(long)), -1},
		{"the file is shorter than its header says", Options{}, long[:100], 1000, -1},
		{"another format", Options{}, []byte("OggS" + strings.Repeat("\x00", 24) + "OpusHead" + strings.Repeat("x", 64)), 1000, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPreprocessor(t, `{}`, c.opts)
			got, err := p.Footprint(schemas.Ref{}, c.head, c.size)
			if c.want < 0 {
				if _, ok := schemas.Rejected(err); !ok {
					t.Errorf("%d, %v; want a rejection", got, err)
				}
				return
			}
			if err != nil || got != c.want+fixedBytes {
				t.Errorf("%d, %v; want %d", got-fixedBytes, err, c.want)
			}
		})
	}
}

func TestEveryFileOfTheCorpusStaysInsideItsFootprint(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no corpus", err)
	}
	p := newPreprocessor(t, `{}`, Options{})
	for _, name := range files {
		blob, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bound, err := p.Footprint(schemas.Ref{}, blob[:min(len(blob), 256)], int64(len(blob)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		held := int64(len(blob))
		for _, s := range prepare(t, p, blob) {
			held += s.Bytes()
		}
		if held > bound {
			t.Errorf("%s: holds %d, footprint %d", name, held, bound)
		}
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	good := specWith(t, `{}`)
	for _, c := range []struct {
		name, config string
		opts         Options
		words        string
	}{
		{"not JSON", `{`, Options{}, "preprocessor_config.json"},
		{"another extractor", `{"feature_extractor_type": "WhisperFeatureExtractor"}`, Options{}, "WhisperFeatureExtractor is not"},
		{"features", `{"feature_size": 80}`, Options{}, "feature_size 80"},
		{"no rate", `{"sampling_rate": 0}`, Options{}, "sampling_rate 0"},
		{"a policy that does not exist", `{}`, Options{Long: "drop"}, `long: "drop"`},
		{"negative seconds", `{}`, Options{MaxSeconds: -1}, "max_seconds"},
		{"NaN seconds", `{}`, Options{MaxSeconds: math.NaN()}, "max_seconds"},
		{"a window longer than a sample", `{}`, Options{WindowSeconds: 31, Long: Window}, "window_seconds"},
		{"a window shorter than a frame", `{}`, Options{WindowSeconds: 0.01, Long: Window}, "less than one frame"},
		{"less decoded than sampled", `{}`, Options{MaxSeconds: 60, MaxDecodedSeconds: 30}, "max_decoded_seconds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(specWith(t, c.config), c.opts)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("error %v, want one with %q", err, c.words)
			}
		})
	}
	empty := *good
	empty.Dir = t.TempDir()
	if _, err := New(&empty, Options{}); err == nil || !strings.Contains(err.Error(), "has no preprocessor_config.json") {
		t.Errorf("error %v for a missing configuration", err)
	}
	nested := filepath.Join(empty.Dir, "processor_config.json")
	if err := os.WriteFile(nested, []byte(`{"feature_extractor": {"sampling_rate": 8000}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := New(&empty, Options{}); err != nil || p.SampleRate() != 8000 || p.StepSeconds() != 0.04 {
		t.Errorf("the newer file alone: %v", err)
	}
	empty.Audio = nil
	if _, err := New(&empty, Options{}); err == nil || !strings.Contains(err.Error(), "not an audio checkpoint") {
		t.Errorf("error %v for a text checkpoint", err)
	}
}

func TestDigestFollowsEveryOption(t *testing.T) {
	seen := map[string]string{}
	add := func(name, config string, opts Options) {
		d := newPreprocessor(t, config, opts).Digest()
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[d] = name
	}
	add("default", `{}`, Options{})
	add("rate", `{"sampling_rate": 8000}`, Options{})
	add("raw", `{"do_normalize": false}`, Options{})
	add("seconds", `{}`, Options{MaxSeconds: 20})
	add("truncate", `{}`, Options{Long: Truncate})
	add("window", `{}`, Options{Long: Window, WindowSeconds: 10})
	if newPreprocessor(t, `{}`, Options{}).Digest() != newPreprocessor(t, `{}`, Options{MaxSeconds: 30, Long: Fail}).Digest() {
		t.Error("spelling out the defaults changes the digest")
	}
}

func TestPreprocessingStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := newPreprocessor(t, `{}`, Options{})
	if _, err := p.Preprocess(ctx, schemas.Ref{}, tone(16000, 16000)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestConcurrentCallsGiveWhatSingleCallsGive(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{})
	var wg sync.WaitGroup
	for _, rate := range []int{8000, 16000, 22050, 44100} {
		blob := tone(rate/2, rate)
		want := prepare(t, newPreprocessor(t, `{}`, Options{}), blob)[0].Inputs[0].F32
		for range 2 {
			wg.Go(func() {
				for range 5 {
					s, err := p.Preprocess(context.Background(), schemas.Ref{}, blob)
					if err != nil || largest(s[0].Inputs[0].F32, want) != 0 {
						t.Errorf("%d Hz differs: %v", rate, err)
					}
				}
			})
		}
	}
	wg.Wait()
}

// TestDecodersThatAreUsedAgainGiveWhatNewOnesGive takes every file, whole and cut short, one behind the other through the same preprocessor.
func TestDecodersThatAreUsedAgainGiveWhatNewOnesGive(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{})
	files, err := filepath.Glob("testdata/[cfv]*/*.*[cgv3]") // flac, ogg, wav, mp3
	if err != nil || len(files) < 40 {
		t.Fatal(len(files), err)
	}
	refused := 0
	for i := range 3 * len(files) {
		blob, err := os.ReadFile(files[i*7%len(files)])
		if err != nil {
			t.Fatal(err)
		}
		if i%5 == 4 {
			blob = blob[:len(blob)*2/3]
		}
		got, err := p.Preprocess(t.Context(), schemas.Ref{}, blob)
		want, wantErr := newPreprocessor(t, `{}`, Options{}).Preprocess(t.Context(), schemas.Ref{}, blob)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || len(got) != len(want) || len(got) > 0 && !slices.Equal(got[0].Inputs[0].F32, want[0].Inputs[0].F32) {
			t.Errorf("%s: other samples than a new decoder's; %v, want %v", files[i*7%len(files)], err, wantErr)
		}
		if err != nil {
			refused++
		}
	}
	if refused < 10 || refused > len(files) {
		t.Errorf("%d of %d are refused", refused, 3*len(files))
	}
}

func BenchmarkPreprocess(b *testing.B) {
	for _, c := range []struct {
		name string
		rate int
	}{{"wav 16 kHz", 16000}, {"wav 8 kHz", 8000}, {"wav 44.1 kHz", 44100}} {
		b.Run(c.name, func(b *testing.B) { benchmarkBlob(b, tone(10*c.rate, c.rate), 10) })
	}
	for _, c := range []struct {
		name, file string
		seconds    float64
	}{
		{"flac 44.1 kHz", "corpus/speech-44100.flac", 0.12},
		{"mp3 44.1 kHz", "foreign/cbr.mp3", 0.3},
		{"vorbis", "foreign/vorbis.ogg", 1.1},
		{"opus", "opus/celt-stereo.opus", 0.45},
		{"opus in webm", "opus/celt.webm", 0.45},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkBlob(b, readFile(b, c.file), c.seconds) })
	}
}

func benchmarkBlob(b *testing.B, blob []byte, seconds float64) {
	p := newPreprocessor(b, `{}`, Options{})
	b.ReportAllocs()
	for b.Loop() {
		samples, err := p.Preprocess(context.Background(), schemas.Ref{}, blob)
		if err != nil {
			b.Fatal(err)
		}
		p.Recycle(&samples[0])
	}
	b.ReportMetric(seconds*float64(b.N)/b.Elapsed().Seconds(), "x_realtime")
}
