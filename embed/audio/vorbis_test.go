package audio

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"vecmill/schemas"
)

// TestVorbisDecodesToTheSamplesOfLibsndfile holds every sample to libvorbis's, whose expectations have 16 bits: half a step is their own error. Block switching, coupling,
// several channels and submaps are in the files; residues of type 0, which no encoder writes, are not.
func TestVorbisDecodesToTheSamplesOfLibsndfile(t *testing.T) {
	files, err := filepath.Glob("testdata/vorbis/*.ogg")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			raw := readFile(t, "vorbis/want/"+name+".s16")
			want := make([]float32, len(raw)/2)
			for i := range want {
				want[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768
			}
			d, err := open(readFile(t, "vorbis/"+name))
			if err != nil {
				t.Fatal(err)
			}
			got, err := drain(d, 1000)
			if err != nil || len(got) != len(want) || d.header().frames != int64(len(want)) {
				t.Fatalf("%d samples, %v, %d promised; want %d", len(got), err, d.header().frames, len(want))
			}
			if e := largest(got, want); e > 0.5/32768+1e-6 {
				t.Errorf("differs by %g", e)
			}
		})
	}
}

func TestDamagedVorbisIsRefusedWithItsFault(t *testing.T) {
	whole := readFile(t, "vorbis/stereo-8000.ogg")
	for name, c := range map[string]struct {
		blob  []byte
		words string
	}{
		"cut inside the headers":    {whole[:100], "ogg: truncated inside a page"},
		"cut behind the first page": {whole[:58], "vorbis: truncated inside the headers"},
		"cut inside a page":         {whole[:len(whole)-30], "ogg: truncated inside a page"},
		"another behind it":         {append(bytes.Clone(whole), whole...), "several streams behind each other"},
		"no channels":               {seal(t, whole, func(b []byte) { b[28+11] = 0 }), "damaged identification header"},
	} {
		d, err := open(c.blob)
		if err == nil {
			_, err = drain(d, 500)
		}
		t.Run(name, func(t *testing.T) { wantRejection(t, err, schemas.ReasonDecode, c.words) })
	}
}

// seal changes a file and makes all its checksums right.
func seal(t *testing.T, whole []byte, change func([]byte)) []byte {
	t.Helper()
	b := bytes.Clone(whole)
	change(b)
	for at := 0; at < len(b); {
		n := int(b[at+26])
		size := oggHeader + n
		for _, l := range b[at+oggHeader : at+oggHeader+n] {
			size += int(l)
		}
		binary.LittleEndian.PutUint32(b[at+22:], oggSum(b[at:at+size]))
		at += size
	}
	return b
}

func TestTheHeadOfVorbisBoundsItsLength(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{})
	b, err := os.ReadFile("testdata/vorbis/best-48000.ogg")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := p.Footprint(schemas.Ref{}, b, int64(len(b)))
	part, err2 := p.Footprint(schemas.Ref{}, b[:1000], int64(len(b)))
	if err != nil || err2 != nil || part < whole {
		t.Errorf("footprints %d of all and %d of the head, %v %v", whole, part, err, err2)
	}
}
