package mp3

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corpus are the files that testdata/make.py has made.
func corpus(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.mp3")
	if err != nil || len(files) < 25 {
		tb.Fatalf("%d files in the corpus, %v", len(files), err)
	}
	return files
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// drain decodes to the end, channels interleaved.
func drain(d *Decoder) ([]float32, error) {
	var x []float32
	for {
		block, err := d.Block()
		if errors.Is(err, io.EOF) {
			return x, nil
		}
		if err != nil {
			return x, err
		}
		for i := range block[0] {
			for _, c := range block {
				x = append(x, c[i])
			}
		}
	}
}

func decode(tb testing.TB, b []byte, mix bool) (*Decoder, []float32) {
	tb.Helper()
	d, err := New(b, mix)
	if err != nil {
		tb.Fatal(err)
	}
	x, err := drain(d)
	if err != nil {
		tb.Fatal(err)
	}
	return d, x
}

func largest(got, want []float32) float64 {
	m := 0.0
	for i := range want {
		m = math.Max(m, math.Abs(float64(got[i])-float64(want[i])))
	}
	return m
}

// TestFilesDecodeToTheSamplesOfLibsndfile holds every sample of every channel, and their number, to libsndfile's. Most expectations have 16 bits, for values up to 2: half a step is
// their own error. It proves nothing for layer III as other encoders than LAME write it, but for what make.py changes in LAME's headers.
func TestFilesDecodeToTheSamplesOfLibsndfile(t *testing.T) {
	for _, path := range corpus(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			raw := read(t, path+".s16")
			want := make([]float32, len(raw)/2)
			for i := range want {
				want[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 16384
			}
			d, got := decode(t, read(t, path), false)
			if len(got) != len(want) || d.Frames()*int64(d.Channels()) != int64(len(want)) {
				t.Fatalf("%d samples and %d promised of %d channels, want %d", len(got), d.Frames(), d.Channels(), len(want))
			}
			if e := largest(got, want); e > 0.5/16384+2e-6 {
				t.Errorf("differs by %g", e)
			}
		})
	}
	var want []float32
	raw := read(t, "testdata/exact.mp3.f32")
	for i := 0; i < len(raw); i += 4 {
		want = append(want, math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
	}
	if _, got := decode(t, read(t, "testdata/exact.mp3"), false); largest(got, want) > 2e-6 {
		t.Errorf("differs by %g from floats", largest(got, want))
	}
}

func TestMixingIsTheMeanOfTheChannels(t *testing.T) {
	for _, path := range corpus(t) {
		_, both := decode(t, read(t, path), false)
		d, got := decode(t, read(t, path), true)
		if d.Channels() == 1 {
			continue
		}
		want := make([]float32, len(both)/2)
		for i := range want {
			want[i] = (both[2*i] + both[2*i+1]) / 2
		}
		if len(got) != len(want) || largest(got, want) > 1e-6 {
			t.Errorf("%s: %d samples, want %d, differ by %g", path, len(got), len(want), largest(got, want))
		}
	}
}

// TestTheTransformsAreTheStandards holds the fast transforms to the formulas.
func TestTheTransformsAreTheStandards(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var x [32]float32
	for i := range x {
		x[i] = r.Float32()*2 - 1
	}
	var c [32]float32
	dct32(&x, &c)
	for m := range c {
		want := 0.0
		for k, v := range x {
			want += float64(v) * math.Cos(math.Pi/64*float64(m*(2*k+1)))
		}
		if math.Abs(want-float64(c[m])) > 1e-5 {
			t.Errorf("dct32[%d] = %v, want %v", m, c[m], want)
		}
	}
	lines := (*[18]float32)(x[:])
	for kind, window := range blockWindows() {
		if kind == shortBlock {
			continue
		}
		var y [36]float32
		imdct36(lines, &longWindows[kind], &y)
		for i := range y {
			want := 0.0
			for k, v := range lines {
				want += float64(v) * math.Cos(math.Pi/72*float64((2*i+19)*(2*k+1)))
			}
			if want *= window[i]; math.Abs(want-float64(y[i])) > 1e-5 {
				t.Errorf("block type %d: value %d is %v, want %v", kind, i, y[i], want)
			}
		}
	}
}

func TestEveryBookIsComplete(t *testing.T) {
	for n := range books {
		if n == 0 || n == 4 || n == 14 {
			continue
		}
		for i, e := range books[n].entries {
			if e.bits == 0 {
				t.Fatalf("book %d has no entry at %d", n, i)
			}
		}
	}
}

func TestWhatIsNoLayer3IsRefused(t *testing.T) {
	b := read(t, "testdata/untagged.mp3")
	layer2 := bytes.Repeat(append([]byte{0xff, 0xfd, 0x84, 0}, make([]byte, 380)...), 3)
	declared := read(t, "testdata/joint-32000.mp3")
	for name, c := range map[string]struct {
		blob  []byte
		words string
	}{
		"nothing":                 {nil, "no bytes"},
		"a tag alone":             {[]byte("ID3\x04\x00\x00\x00\x00\x00\x00"), "no bytes"},
		"zeros":                   {make([]byte, 5000), "no two frames"},
		"one header":              {append(make([]byte, 50), b[:200]...), "no two frames"},
		"layer II":                {layer2, "layer 2 is not supported"},
		"fewer than declared":     {declared[:len(declared)-500], "truncated: "},
		"the tag's frame alone":   {declared[:576], "no frame of sound"},
		"noise behind each other": {damage(b), "are damaged"},
	} {
		d, err := New(c.blob, true)
		if err == nil {
			_, err = drain(d)
		}
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, want %q", name, err, c.words)
		}
	}
}

// damage turns the side information of every second frame into ones: a window switch to no other window.
func damage(b []byte) []byte {
	b = bytes.Clone(b)
	size := 144 * 64000 / 32000
	for at := 0; at+size <= len(b); at += 2 * size {
		for i := range 32 {
			b[at+4+i] = 0xff
		}
	}
	return b
}

func TestADamagedFrameIsSilentAndTheRestIsNot(t *testing.T) {
	one := read(t, "testdata/untagged.mp3")
	size := 144 * 64000 / 32000
	var b []byte
	for range 6 { // more than ten frames
		b = append(b, one...)
	}
	_, want := decode(t, b, true)
	at := 12 * size
	for i := range 32 {
		b[at+4+i] = 0xff
	}
	d, got := decode(t, b, true)
	if len(got) != len(want) || d.damaged < 1 || d.damaged > 3 {
		t.Fatalf("%d samples of %d, %d frames damaged", len(got), len(want), d.damaged)
	}
	if e := largest(got[:11*1152], want[:11*1152]); e != 0 {
		t.Errorf("frames before it differ by %g", e)
	}
	if e := largest(got[17*1152:], want[17*1152:]); e != 0 {
		t.Errorf("frames behind it differ by %g", e)
	}
}

func TestTheHeadTellsTheLength(t *testing.T) {
	for _, path := range corpus(t) {
		b := read(t, path)
		d, _ := decode(t, b, true)
		h, err := Peek(b, int64(len(b)))
		if err != nil || h.Rate != d.Rate() || h.Channels != d.Channels() || h.Most < d.Frames() || h.Frames >= 0 && h.Frames != d.Frames() {
			t.Errorf("%s: %+v, %v; want %d frames", path, h, err, d.Frames())
		}
		if h, err := Peek(b[:100], int64(len(b))); err != nil || !h.Short || h.Most < d.Frames() {
			t.Errorf("%s: %+v, %v of 100 bytes", path, h, err)
		}
	}
	if h, err := Peek(read(t, "testdata/exact.mp3"), 1<<20); err != nil || !h.Short {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestAFrameAllocatesNothing(t *testing.T) {
	var b []byte
	for range 40 {
		b = append(b, read(t, "testdata/untagged.mp3")...)
	}
	d, err := New(b, true)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := d.Block(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// TestTheWindowIsTheSameWithVectorInstructions allows for the last bits, which another order of adding up changes.
func TestTheWindowIsTheSameWithVectorInstructions(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var v [16][64]float32
		for i := range v {
			for j := range v[i] {
				v[i][j] = r.Float32() - 0.5
			}
		}
		var got, want [subbands]float32
		windowed(&got, &v)
		windowedPlain(&want, &v)
		if d := largest(got[:], want[:]); d > 1e-6 {
			t.Fatalf("differs by %g", d)
		}
	}
}

// FuzzDecoder proves that no bytes make the decoder panic, loop, or give another number of samples than it says.
func FuzzDecoder(f *testing.F) {
	for _, path := range corpus(f) {
		f.Add(read(f, path))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := Peek(b[:min(len(b), 300)], int64(len(b))); err == nil && !h.Short && h.Frames > h.Most {
			t.Fatalf("%+v", h)
		}
		d, err := New(b, true)
		if err != nil {
			return
		}
		if x, err := drain(d); err == nil && int64(len(x)) != d.Frames() {
			t.Fatalf("%d samples, %d promised", len(x), d.Frames())
		}
	})
}

// An encoder that was ended before it counted its frames leaves 0; libmpg123, too, takes that for not said.
func TestATagThatCountsNoFramesSaysNothing(t *testing.T) {
	b := read(t, "testdata/joint-32000.mp3")
	at := bytes.Index(b, []byte("Xing"))
	if at < 0 {
		at = bytes.Index(b, []byte("Info"))
	}
	if at < 0 || b[at+7]&1 == 0 {
		t.Fatal("the file has no tag with a count")
	}
	clear(b[at+8 : at+12])
	d, got := decode(t, b, true)
	if want := 4608; len(got) != want || d.Frames() != int64(want) {
		t.Errorf("%d samples of %d, libsndfile 1.2.2 gives %d", len(got), d.Frames(), want)
	}
	if h, err := Peek(b, int64(len(b))); err != nil || h.Most < d.Frames() || h.Frames == 0 {
		t.Errorf("at first sight: %+v, %v", h, err)
	}
	h := frameHeader{}
	vbri := make([]byte, 100)
	copy(vbri[headerBytes+32:], "VBRI")
	if in, ok := parseInfo(&h, vbri); !ok || in.frames != -1 || in.gapless {
		t.Errorf("a VBRI tag of 0 frames says %+v, %v", in, ok)
	}
}
