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

// noise is the power of the difference of got and want, in parts of want's.
func noise(got, want []float32) float64 {
	var difference, signal float64
	for i, v := range want {
		d := float64(got[i]) - float64(v)
		difference += d * d
		signal += float64(v) * float64(v)
	}
	return difference / signal
}

// TestOpusHasTheLengthAndTheSoundOfLibopus holds the length to the sample, the sound of CELT to 16 bits, and that of SILK and hybrid to -45 dB: there
// the decoder's way up to 48 kHz is another than libopus's.
func TestOpusHasTheLengthAndTheSoundOfLibopus(t *testing.T) {
	files, err := filepath.Glob("testdata/opus/*.*")
	if err != nil || len(files) != 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			blob, raw := readFile(t, "opus/"+name), readFile(t, "opus/want/"+name+".s16")
			want := make([]float32, len(raw)/2)
			for i := range want {
				want[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768
			}
			d, err := open(blob)
			if err != nil {
				t.Fatal(err)
			}
			got, err := drain(d, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if h := d.header(); len(got) != len(want) || h.frames != int64(len(want)) || h.rate != 48000 {
				t.Fatalf("%d samples, %+v, want %d", len(got), h, len(want))
			}
			limit := -45.
			if strings.HasPrefix(name, "celt") || name == "live.webm" {
				limit = -65 // what the 16 bits of the expectation leave
			}
			if d := 10 * math.Log10(noise(got, want)); d > limit {
				t.Errorf("the difference is %.1f dB, at most %v is taken", d, limit)
			}
		})
	}
}

// repaired is a copy of an Ogg file with a change and its pages' checksums put right.
func repaired(blob []byte, change func(b []byte)) []byte {
	b := bytes.Clone(blob)
	change(b)
	for at := 0; at < len(b); {
		size := oggHeader + int(b[at+26])
		for _, n := range b[at+oggHeader : at+size] {
			size += int(n)
		}
		binary.LittleEndian.PutUint32(b[at+22:], oggSum(b[at:at+size]))
		at += size
	}
	return b
}

func TestDamagedOpusIsRefusedWithItsFault(t *testing.T) {
	whole, paged, live := readFile(t, "opus/celt-mono.opus"), readFile(t, "opus/hybrid.opus"), readFile(t, "opus/live.webm")
	known := readFile(t, "opus/celt.webm")
	lastPage := bytes.LastIndex(paged, []byte("OggS"))
	middle := bytes.LastIndex(paged[:lastPage], []byte("OggS"))
	flipped := bytes.Clone(whole)
	flipped[len(whole)/2] ^= 4
	vorbis := bytes.Replace(known, []byte("A_OPUS"), []byte("A_AACX"), 1)
	for _, c := range []struct {
		name  string
		blob  []byte
		words string
	}{
		{"a page cut short", whole[:len(whole)-5], "truncated inside a page"},
		{"a page's header cut short", paged[:lastPage+20], "truncated inside a page's header"},
		{"cut behind the identification", whole[:47], "truncated inside the headers"},
		{"a page that is missing", append(bytes.Clone(paged[:middle]), paged[lastPage:]...), "is missing"},
		{"a flipped bit", flipped, "checksum is wrong"},
		{"bytes behind the stream that are no page", append(append(bytes.Clone(whole[:47]), "junk"...), whole[47:]...), "ogg: "},
		{"a second stream", append(bytes.Clone(whole), whole...), "several streams behind each other"},
		{"more channels than two", repaired(whole, func(b []byte) { b[28+9], b[28+18] = 6, 1 }), "6 channels of mapping family 1"},
		{"another version", repaired(whole, func(b []byte) { b[28+8] = 0x10 }), "no identification header"},
		{"more samples than there are", repaired(paged, func(b []byte) { b[lastPage+8]++ }), "truncated: "},
		{"a cluster cut short", known[:len(known)-9], "truncated"},
		{"a live recording cut inside a block", live[:len(live)-9], "truncated"},
		{"another codec", vorbis, `"A_AACX"`},
		{"no track", live[:40], "matroska: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := open(c.blob)
			if err == nil {
				_, err = drain(d, 1000)
			}
			wantRejection(t, err, schemas.ReasonDecode, c.words)
		})
	}
}

func TestOpusGainAndLateStartsCount(t *testing.T) {
	whole := readFile(t, "opus/celt-mono.opus")
	plain, err := openOggOpus(whole, new(decoders))
	if err != nil {
		t.Fatal(err)
	}
	want, err := drain(plain, 512)
	if err != nil {
		t.Fatal(err)
	}
	louder, err := openOggOpus(repaired(whole, func(b []byte) { binary.LittleEndian.PutUint16(b[28+16:], 0xfa00) }), new(decoders)) // -6 dB
	if err != nil {
		t.Fatal(err)
	}
	got, err := drain(louder, 512)
	if err != nil || len(got) != len(want) {
		t.Fatal(len(got), err)
	}
	for i := range got {
		if math.Abs(float64(got[i])-float64(want[i])*0.5011872) > 1e-6 {
			t.Fatalf("sample %d is %v, was %v without -6 dB", i, got[i], want[i])
		}
	}
	paged := readFile(t, "opus/hybrid.opus")
	first, err := openOggOpus(paged, new(decoders))
	if err != nil {
		t.Fatal(err)
	}
	late, err := openOggOpus(repaired(paged, func(b []byte) {
		for at := 0; at < len(b); {
			if g := binary.LittleEndian.Uint64(b[at+6:]); g != 0 {
				binary.LittleEndian.PutUint64(b[at+6:], g+1_000_000)
			}
			size := oggHeader + int(b[at+26])
			for _, n := range b[at+oggHeader : at+size] {
				size += int(n)
			}
			at += size
		}
	}), new(decoders))
	if err != nil || late.frames != first.frames {
		t.Errorf("a recording that begins late has %v samples, %v, want %d", late, err, first.frames)
	}
}

func TestLacedBlocksAreTakenApart(t *testing.T) {
	for name, c := range map[string]struct {
		kind byte
		b    []byte
		want []int
		ok   bool
	}{
		"Xiph":                        {1, append([]byte{2, 255, 45, 3}, make([]byte, 310)...), []int{300, 3, 7}, true},
		"equal":                       {2, append([]byte{1}, make([]byte, 10)...), []int{5, 5}, true},
		"EBML":                        {3, append([]byte{2, 0x83, 0xbd}, make([]byte, 10)...), []int{3, 1, 6}, true},
		"equal that do not divide":    {2, append([]byte{1}, make([]byte, 11)...), nil, false},
		"Xiph beyond the block":       {1, []byte{1, 200, 0}, nil, false},
		"Xiph without its end":        {1, []byte{1, 255}, nil, false},
		"EBML below nothing":          {3, append([]byte{2, 0x81, 0x80}, make([]byte, 10)...), nil, false},
		"EBML whose sum is too large": {3, append([]byte{2, 0x86, 0xbf}, make([]byte, 10)...), nil, false},
		"nothing":                     {3, nil, nil, false},
	} {
		sizes, rest, ok := laces(c.b, c.kind)
		if ok != c.ok || len(sizes) != len(c.want) {
			t.Errorf("%s: %v %v", name, sizes, ok)
			continue
		}
		sum := 0
		for i, n := range sizes {
			sum += n
			if n != c.want[i] {
				t.Errorf("%s: %v, want %v", name, sizes, c.want)
			}
		}
		if ok && sum != len(rest) {
			t.Errorf("%s: %d bytes of %d", name, sum, len(rest))
		}
	}
}

// TestFootprintOfOpusBoundsWhatItBecomes proves that neither a part of a file nor the whole promises less than what decoding takes.
func TestFootprintOfOpusBoundsWhatItBecomes(t *testing.T) {
	files, err := filepath.Glob("testdata/opus/*.*")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	p := newPreprocessor(t, `{}`, Options{})
	for _, path := range files {
		blob, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		size := int64(len(blob))
		exact, err := p.Footprint(schemas.Ref{}, blob, size)
		if err != nil {
			t.Fatal(err)
		}
		x, err := p.Waveform(t.Context(), blob)
		if err != nil || exact != size+sampleBytes*int64(len(x))+fixedBytes {
			t.Errorf("%s: footprint %d, %d samples, %v", path, exact, len(x), err)
		}
		for _, n := range []int{64, 200, len(blob) / 2} {
			part, err := p.Footprint(schemas.Ref{}, blob[:n], size)
			if err != nil || part < exact || part > size+sampleBytes*(30*16000+1+8192)+fixedBytes {
				t.Errorf("%s: footprint %d of %d bytes, %v, exact is %d", path, part, n, err, exact)
			}
		}
	}
	_, err = p.Footprint(schemas.Ref{}, repaired(readFile(t, "opus/celt-mono.opus"), func(b []byte) { b[28+9], b[28+18] = 6, 1 })[:100], 1<<20)
	wantRejection(t, err, schemas.ReasonDecode, "6 channels")
}

// One decoder is used for stream after stream: what a stream sounds like has nothing to do with what came before, whole or left in the middle.
func TestAnOpusDecoderBeginsAnew(t *testing.T) {
	files, err := filepath.Glob("testdata/opus/*.*")
	if err != nil || len(files) != 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	decode := func(k *decoders, name string, all bool) []float32 {
		d, err := k.open(readFile(t, "opus/"+name))
		if err != nil {
			t.Fatal(err)
		}
		defer k.put(d)
		if all {
			x, err := drain(d, 1000)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		block := make([]float32, 4000)
		if _, err := d.read(block); err != nil {
			t.Fatal(err)
		}
		return nil
	}
	for _, path := range files {
		name := filepath.Base(path)
		want := decode(new(decoders), name, true)
		for _, before := range files {
			for _, all := range []bool{true, false} {
				var k decoders
				decode(&k, filepath.Base(before), all)
				used := k.opus.Get()
				if used == nil {
					continue // the pool forgets at times
				}
				k.opus.Put(used)
				if got := decode(&k, name, true); !slices.Equal(got, want) {
					t.Errorf("%s after %s, to its end: %t: other samples", name, filepath.Base(before), all)
				}
			}
		}
	}
}
