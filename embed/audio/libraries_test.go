package audio

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/schemas"
)

// withLibraries is a preprocessor with both libraries of the system. Where CI=true they must be there.
func withLibraries(t testing.TB, config string, o Options) *Preprocessor {
	t.Helper()
	for _, l := range SystemLibraries() {
		if l.Err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("not on this machine, and CI=true: %s: %v", l.Name, l.Err)
			}
			t.Skipf("not on this machine: %s: %v", l.Name, l.Err)
		}
	}
	o.Libraries = LibrariesRequire
	return newPreprocessor(t, config, o)
}

// TestLibsoxrGivesWhatPythonsSoxrGives holds every sample of the one through our binding, a block at a time, to those of the other. Both are libsoxr 0.1.3, built by others.
func TestLibsoxrGivesWhatPythonsSoxrGives(t *testing.T) {
	p := withLibraries(t, `{}`, Options{})
	for _, name := range []string{"speech-8000", "speech-44100", "noise-11025", "noise-44100", "noise-48000", "noise-96000"} {
		raw := readFile(t, "resample/"+name+".s16")
		x := make([]float32, len(raw)/2)
		for i := range x {
			x[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768
		}
		raw = readFile(t, "resample/"+name+".want.f32")
		rate := map[string]int{"speech-8000": 8000, "noise-11025": 11025, "noise-48000": 48000, "noise-96000": 96000}[name]
		if rate == 0 {
			rate = 44100
		}
		r, err := p.libraries.soxr.start(rate, 16000)
		if err != nil {
			t.Fatal(err)
		}
		var got []float32
		for at := 0; at < len(x); at += 777 {
			got = r.push(got, x[at:min(at+777, len(x))])
		}
		got = r.finish(got)
		r.stop()
		if want := (len(x)*16000 + rate - 1) / rate; len(got) != want {
			t.Errorf("%s: %d samples, want %d", name, len(got), want)
		}
		for i := range len(raw) / 4 {
			if want := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])); math.Abs(float64(got[i]-want)) > 1e-6 {
				t.Fatalf("%s: sample %d is %v, want %v", name, i, got[i], want)
			}
		}
	}
}

// TestLibsndfileDecodesOpusAsLibopusHasIt is not held to pion/opus, which is near it only.
func TestLibsndfileDecodesOpusAsLibopusHasIt(t *testing.T) {
	opus := withLibraries(t, `{"sampling_rate": 48000}`, Options{})
	for _, name := range []string{"silk-mono", "hybrid", "celt-stereo"} {
		got, err := opus.Waveform(t.Context(), readFile(t, "opus/"+name+".opus"))
		if err != nil {
			t.Fatal(err)
		}
		raw := readFile(t, "opus/want/"+name+".opus.s16")
		if len(got) != len(raw)/2 {
			t.Fatalf("%s: %d samples, want %d", name, len(got), len(raw)/2)
		}
		for i, v := range got {
			if want := float64(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768; math.Abs(float64(v)-want) > 1.0/32768 {
				t.Fatalf("%s: sample %d is %v, want %v", name, i, v, want)
			}
		}
	}
}

func TestLibsndfileReadsLosslessFormatsToTheBit(t *testing.T) {
	p := withLibraries(t, `{}`, Options{})
	want, err := p.Waveform(t.Context(), readFile(t, "corpus/pcm_16-1ch.wav"))
	if err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string]int{"speech.aiff": 0, "speech.au": 0, "speech.caf": 0, "speech.w64": 3} { // it takes what fills a chunk of Wave64 up to eight bytes for sound
		got, err := p.Waveform(t.Context(), readFile(t, "lossless/"+name))
		if err != nil || !slices.Equal(got, append(slices.Clone(want), make([]float32, more)...)) {
			t.Errorf("%s: %d samples, want %d, and other values; %v", name, len(got), len(want), err)
		}
	}
}

// FuzzLibsndfile hands damaged files of every format to the library that are its: samples, of the length that is declared, or a rejection; nothing stays behind. A fault in the library's own memory ends the process.
func FuzzLibsndfile(f *testing.F) {
	p := withLibraries(f, `{}`, Options{})
	for _, pattern := range []string{"testdata/lossless/*", "testdata/opus/*.opus"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 4 {
			f.Fatal("no corpus", err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		lib, format := p.libraries.sndfile, sniff(b)
		if !lib.reads(format) || len(b) > 1<<16 {
			return
		}
		d, err := lib.openObject(format, b)
		if err == nil {
			h := d.header()
			var x []float32
			if h.frames < 1<<22 { // an hour and a half; more is refused by its header
				if x, err = drain(d, 512); err == nil && h.frames >= 0 && int64(len(x)) != h.frames {
					t.Errorf("%s: %d samples, the header says %d", format, len(x), h.frames)
				}
			}
			d.close()
		}
		if reason, ok := schemas.Rejected(err); err != nil && (!ok || reason != schemas.ReasonDecode) {
			t.Errorf("%s: %v", format, err)
		}
		blobs.Range(func(any, any) bool { t.Errorf("%s: the object is still held", format); return false })
	})
}

// FuzzLibsoxr changes rates of any stream in blocks of any length: the length is the one of the formula, and no sample is louder than a filter makes it.
func FuzzLibsoxr(f *testing.F) {
	p := withLibraries(f, `{}`, Options{})
	f.Add(uint32(44100), uint32(16000), uint16(777), []byte("some noise"))
	f.Add(uint32(1000), uint32(48000), uint16(1), []byte{0, 255, 0, 255})
	f.Add(uint32(1000000), uint32(1000), uint16(8192), bytes.Repeat([]byte{255, 0, 7}, 999))
	f.Fuzz(func(t *testing.T, from, to uint32, size uint16, b []byte) {
		in, out := minRate+int(from%(maxRate-minRate+1)), minRate+int(to%(maxRate-minRate+1))
		if len(b) > 1<<14 || len(b)*out/in > 1<<18 {
			return
		}
		r, err := p.libraries.soxr.start(in, out)
		if err != nil {
			t.Fatal(err)
		}
		defer r.stop()
		x, got := make([]float32, len(b)), []float32(nil)
		for i, v := range b {
			x[i] = float32(v)/128 - 1
		}
		for part := range slices.Chunk(x, 1+int(size)) {
			got = r.push(got, part)
		}
		got = r.finish(got)
		if want := (len(b)*out + in - 1) / in; len(got) != want {
			t.Errorf("%d samples at %d Hz become %d at %d Hz, want %d", len(b), in, len(got), out, want)
		}
		for i, v := range got {
			if !(math.Abs(float64(v)) < 4) {
				t.Fatalf("%d Hz to %d Hz: sample %d is %v", in, out, i, v)
			}
		}
	})
}

func TestDamageIsFoundWithLibrariesToo(t *testing.T) {
	p := withLibraries(t, `{}`, Options{})
	opus := readFile(t, "opus/celt-stereo.opus")
	for name, blob := range map[string][]byte{
		"Opus cut short": opus[:len(opus)-10], "an AIFF of nothing": []byte("FORM\x00\x00\x00\x04AIFF"), "AU cut inside its header": []byte(".snd\x00\x00"),
	} {
		_, err := p.Preprocess(t.Context(), schemas.Ref{}, blob)
		if reason, ok := schemas.Rejected(err); !ok || reason != schemas.ReasonDecode {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := 0
	blobs.Range(func(any, any) bool { n++; return true })
	if n != 0 {
		t.Errorf("%d objects are still held", n)
	}
}

func TestTheDigestTellsWhichLibrariesTookPart(t *testing.T) {
	with, without := withLibraries(t, `{}`, Options{}), newPreprocessor(t, `{}`, Options{})
	if with.Digest() == without.Digest() {
		t.Error("the digest is the same with and without libraries")
	}
	auto := newPreprocessor(t, `{}`, Options{Libraries: LibrariesAuto})
	if auto.Digest() != with.Digest() {
		t.Error("auto and require differ though both have loaded the same")
	}
	if line := with.Decoders(); !strings.Contains(line, "libsndfile-") || !strings.Contains(line, "libsoxr-") {
		t.Errorf("decoders: %s", line)
	}
	if line := without.Decoders(); strings.Contains(line, "lib") {
		t.Errorf("decoders: %s", line)
	}
	if err := (Options{Libraries: "some"}).Validate(); err == nil || !strings.Contains(err.Error(), "one of off, auto, require") {
		t.Errorf("%v", err)
	}
}
