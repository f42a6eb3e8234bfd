package audio

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/schemas"
)

// span is where a tensor lies in corpus.f32.
type span struct{ At, N int }

// corpus is testdata/corpus.json: files by other software and what the reference makes of them.
type corpus struct {
	Decode []struct {
		File, By string
		Rate     int
		Want     span
	}
	Resample []struct {
		File string
		Rate int
		Want span
	}
	Extract []struct {
		Name      string
		Normalize bool
		In, Want  span
	}
	Refuse  []struct{ Name, Head string }
	tensors []float32
}

func (c *corpus) tensor(s span) []float32 { return c.tensors[s.At : s.At+s.N] }

func readCorpus(tb testing.TB) *corpus {
	tb.Helper()
	c := &corpus{}
	if err := json.Unmarshal(readFile(tb, "corpus.json"), c); err != nil {
		tb.Fatal(err)
	}
	raw := readFile(tb, "corpus.f32")
	c.tensors = make([]float32, len(raw)/4)
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, c.tensors); err != nil {
		tb.Fatal(err)
	}
	return c
}

func readFile(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// drain reads a decoder to its end in blocks of n.
func drain(d decoder, n int) ([]float32, error) {
	var all []float32
	block := make([]float32, n)
	for {
		got, err := d.read(block)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, block[:got]...)
	}
}

func largest(got, want []float32) float64 {
	var m float64
	for i := range want {
		m = math.Max(m, math.Abs(float64(got[i])-float64(want[i])))
	}
	return m
}

// TestFilesOfOtherSoftwareDecodeToTheReferencesSamples proves decoding, not resampling. One channel is equal to the last bit; a
// mean of channels may differ in float32's last place.
func TestFilesOfOtherSoftwareDecodeToTheReferencesSamples(t *testing.T) {
	c := readCorpus(t)
	if len(c.Decode) < 25 {
		t.Fatalf("only %d files in the corpus", len(c.Decode))
	}
	for _, f := range c.Decode {
		t.Run(f.File+" by "+f.By, func(t *testing.T) {
			d, err := open(readFile(t, "corpus/"+f.File))
			if err != nil {
				t.Fatal(err)
			}
			got, err := drain(d, 100)
			if err != nil {
				t.Fatal(err)
			}
			h, want := d.header(), c.tensor(f.Want)
			if h.rate != f.Rate || len(got) != len(want) {
				t.Fatalf("%d samples at %d Hz, want %d at %d", len(got), h.rate, len(want), f.Rate)
			}
			if h.frames >= 0 && h.frames != int64(len(want)) {
				t.Errorf("the header promises %d samples", h.frames)
			}
			tolerance := 0.0
			if h.channels > 1 {
				tolerance = 1.0 / (1 << 24)
			}
			if d := largest(got, want); d > tolerance {
				t.Errorf("differs by %g", d)
			}
		})
	}
}

// Files of any number of channels up to the limit, each channel another constant: their mean, to float32's last places.
func TestWAVOfManyChannelsIsTheirMean(t *testing.T) {
	for _, channels := range []int{1, 2, 3, 4, 5, 6, 8, 16, 33, 64, maxChannels} {
		var body []byte
		var sum float64
		for c := range channels {
			v := int16(997*c%20000 - 9000)
			sum += float64(v) / 32768
			body = binary.LittleEndian.AppendUint16(body, uint16(v))
		}
		blob := wav("fmt ", format(tagPCM, channels, 16000, 2*channels, 16), "data", strings.Repeat(string(body), 700))
		d, err := open(blob)
		if err != nil {
			t.Errorf("%d channels: %v", channels, err)
			continue
		}
		got, err := drain(d, 300)
		want := slices.Repeat([]float32{float32(sum / float64(channels))}, 700)
		if err != nil || len(got) != 700 || largest(got, want) > 1e-6 {
			t.Errorf("%d channels: %d samples, %v, off by %g", channels, len(got), err, largest(got, want))
		}
	}
	blob := wav("fmt ", format(tagPCM, maxChannels+1, 16000, 2*maxChannels+2, 16), "data", strings.Repeat("xx", maxChannels+1))
	_, err := open(blob)
	wantRejection(t, err, schemas.ReasonDecode, "257 channels")
}

func TestG711TablesAreMonotonicAndReachFullScale(t *testing.T) {
	for name, expand := range map[string]func(byte) int{"mu-law": muLaw, "A-law": aLaw} {
		low, high := 0, 0
		for i := range 256 {
			v := expand(byte(i))
			low, high = min(low, v), max(high, v)
			if -v != expand(byte(i)^0x80) {
				t.Errorf("%s: code %#x and its opposite differ in more than the sign", name, i)
			}
		}
		if high < 32000 || high > 32767 || low != -high {
			t.Errorf("%s reaches from %d to %d", name, low, high)
		}
	}
}

func TestEveryOtherFormatIsRefusedByItsName(t *testing.T) {
	names := map[string]string{
		"m4a": "mp4 or m4a", "aiff": "aiff", "au": "au", "aac": "aac (adts)",
	}
	c := readCorpus(t)
	for _, f := range c.Refuse {
		head, err := hex.DecodeString(f.Head)
		if err != nil {
			t.Fatal(err)
		}
		if names[f.Name] == "" {
			continue // built in
		}
		_, err = open(head)
		wantRejection(t, err, schemas.ReasonDecode, names[f.Name]+" is not supported in this build")
	}
	_, err := open([]byte("\xff\xfd\x90\x64 an mp2 without a tag"))
	wantRejection(t, err, schemas.ReasonDecode, "mp3: no two frames")
	_, err = open([]byte("%PDF-1.7"))
	wantRejection(t, err, schemas.ReasonDecode, "not a known audio format")
}

func wantRejection(t *testing.T, err error, reason schemas.Reason, words string) {
	t.Helper()
	got, ok := schemas.Rejected(err)
	if !ok || got != reason || !strings.Contains(err.Error(), words) {
		t.Errorf("error %v, want a rejection of class %s with %q", err, reason, words)
	}
}

// wav assembles a file from chunks given as id and body.
func wav(chunks ...string) []byte {
	body := "WAVE"
	for i := 0; i < len(chunks); i += 2 {
		body += chunks[i] + string(binary.LittleEndian.AppendUint32(nil, uint32(len(chunks[i+1])))) + chunks[i+1]
		if len(chunks[i+1])%2 == 1 {
			body += "\x00"
		}
	}
	return []byte("RIFF" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(body)))) + body)
}

// format is the content of a fmt chunk.
func format(tag, channels, rate, align, bits int) string {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, uint16(tag))
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(rate*align))
	b = le.AppendUint16(b, uint16(align))
	return string(le.AppendUint16(b, uint16(bits)))
}

func TestDamagedWAVIsRefusedWithItsFault(t *testing.T) {
	ok := format(tagPCM, 1, 16000, 2, 16)
	whole := wav("fmt ", ok, "data", strings.Repeat("ab", 500))
	streamed := bytes.Replace(whole, []byte("data\xe8\x03\x00\x00"), []byte("data\xff\xff\xff\xff"), 1)
	for _, c := range []struct {
		name  string
		blob  []byte
		words string
	}{
		{"a header cut short", whole[:11], "not a known audio format"},
		{"cut before the data chunk", whole[:36], "no data chunk"},
		{"cut inside fmt", whole[:30], "truncated inside"},
		{"cut inside the data", whole[:len(whole)-1], "truncated: 1000 bytes of samples declared, 999 present"},
		{"data before fmt", wav("data", "abcd", "fmt ", ok), "no fmt chunk before the data"},
		{"a short fmt chunk", wav("fmt ", ok[:14], "data", "ab"), "fmt chunk of 14 bytes"},
		{"no channels", wav("fmt ", format(tagPCM, 0, 16000, 2, 16), "data", "ab"), "0 channels"},
		{"a rate beyond recordings", wav("fmt ", format(tagPCM, 1, 768_001, 2, 16), "data", "ab"), "768001 samples a second"},
		{"a rate of 1 Hz", wav("fmt ", format(tagPCM, 1, 1, 2, 16), "data", "ab"), "1 samples a second"},
		{"a block that does not divide", wav("fmt ", format(tagPCM, 2, 16000, 3, 8), "data", "ab"), "does not divide"},
		{"more bits than bytes", wav("fmt ", format(tagPCM, 1, 16000, 1, 16), "data", "ab"), "16 bits in a container of 1 bytes"},
		{"no bytes a sample", wav("fmt ", format(tagPCM, 1, 16000, 0, 0), "data", "ab"), "0 bits"},
		{"IMA ADPCM", wav("fmt ", format(0x11, 1, 16000, 1, 4), "data", "ab"), "IMA ADPCM"},
		{"MP3 inside WAV", wav("fmt ", format(0x55, 1, 16000, 1, 8), "data", "ab"), "MPEG audio in WAV"},
		{"float of 16 bits", wav("fmt ", format(tagFloat, 1, 16000, 2, 16), "data", "ab"), "float with 2 bytes"},
		{"NaN", wav("fmt ", format(tagFloat, 1, 16000, 4, 32), "data", "\x00\x00\xc0\x7f"), "not a finite number"},
		{"an infinite double", wav("fmt ", format(tagFloat, 1, 16000, 8, 64), "data", "\x00\x00\x00\x00\x00\x00\xf0\x7f"), "not a finite number"},
		{"an unknown sub-format", wav("fmt ", format(tagExtensible, 1, 16000, 2, 16)+strings.Repeat("x", 24), "data", "ab"), "sub-format"},
	} {
		d, err := open(c.blob)
		if err == nil {
			_, err = drain(d, 64)
		}
		t.Run(c.name, func(t *testing.T) { wantRejection(t, err, schemas.ReasonDecode, c.words) })
	}
	d, err := open(streamed)
	if err != nil {
		t.Fatalf("a file whose writer could not seek: %v", err)
	}
	if got, err := drain(d, 64); err != nil || len(got) != 500 {
		t.Errorf("%d samples, %v; want 500 to the end of the file", len(got), err)
	}
}

func TestDamagedFLACIsRefusedWithItsFault(t *testing.T) {
	whole := readFile(t, "corpus/speech-44100.flac")
	unknown := readFile(t, "corpus/flac-pipe.flac")
	damaged := bytes.Clone(whole)
	damaged[len(damaged)/2] ^= 0x10
	bits32 := bytes.Clone(whole)
	bits32[20] |= 1
	bits32[21] |= 0xf0
	longer := bytes.Clone(whole)
	longer[25]++
	shorter := bytes.Clone(whole)
	shorter[25]--
	for _, c := range []struct {
		name  string
		blob  []byte
		words string
	}{
		{"cut inside STREAMINFO", whole[:20], "no STREAMINFO"},
		{"cut behind STREAMINFO", whole[:50], "truncated"},
		{"cut inside a frame", whole[:len(whole)-100], "truncated"},
		{"cut inside a frame, length unknown", unknown[:len(unknown)-7], "truncated"},
		{"a flipped bit", damaged, "flac: "},
		{"32 bits a sample", bits32, "32 bits a sample are not supported"},
		{"a sample less than declared", longer, "samples declared"},
		{"a sample more than declared", shorter, "more samples than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := open(c.blob)
			if err == nil {
				_, err = drain(d, 1000)
			}
			wantRejection(t, err, schemas.ReasonDecode, c.words)
		})
	}
	d, err := open(append(bytes.Clone(whole), "TAG and what else players append"...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := drain(d, 1000); err != nil {
		t.Errorf("bytes behind a complete stream: %v", err)
	}
}

// FuzzOpen proves that no bytes make a decoder panic, loop, or yield more samples than its header promises.
func FuzzOpen(f *testing.F) {
	files, err := filepath.Glob("testdata/[cflov][op]*/*.*")
	if err != nil || len(files) == 0 {
		f.Fatal("no corpus", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := open(b)
		if err == nil {
			h := d.header()
			var x []float32
			if x, err = drain(d, 512); err == nil && h.frames >= 0 && int64(len(x)) != h.frames {
				t.Fatalf("%d samples, the header says %d", len(x), h.frames)
			}
			if !finite(x) {
				t.Fatal("a sample is not a finite number")
			}
		}
		if err != nil {
			if _, ok := schemas.Rejected(err); !ok {
				t.Fatalf("%v is not a rejection", err)
			}
		}
	})
}

// A recorder that was ended leaves the sizes that it began with; an empty recording has others.
func TestAWAVThatWasNotClosedGoesOnToItsEnd(t *testing.T) {
	ok := format(tagPCM, 1, 16000, 2, 16)
	for name, c := range map[string]struct {
		riff uint32
		rest string
		want int
	}{
		"nothing counted":        {0, strings.Repeat("ab", 500), 500},
		"the header alone":       {36, strings.Repeat("ab", 500), 500},
		"less than the header":   {8, strings.Repeat("ab", 500), 500},
		"streamed":               {0xffffffff, strings.Repeat("ab", 500), 500},
		"no samples, and a list": {36 + 8 + 4, "LIST\x04\x00\x00\x00abcd", 0},
		"nothing behind it":      {36, "", 0},
	} {
		b := wav("fmt ", ok, "data", "")
		binary.LittleEndian.PutUint32(b[4:], c.riff)
		b = append(b, c.rest...)
		d, err := open(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := drain(d, 64); err != nil || len(got) != c.want {
			t.Errorf("%s: %d samples, %v; want %d", name, len(got), err, c.want)
		}
	}
}
