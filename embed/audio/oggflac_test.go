package audio

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"vecmill/schemas"
)

// FFmpeg's files do not count their samples in the header and have tags, in stereo.oga longer than a page; the flac program's counts them.
func TestOggFLACHasTheSamplesOfItsSource(t *testing.T) {
	for name, source := range map[string]string{"speech.oga": "corpus/pcm_16-1ch.wav", "program.oga": "corpus/pcm_16-1ch.wav", "stereo.oga": "corpus/speech-44100.flac"} {
		want, err := decodeAll(readFile(t, source))
		if err != nil {
			t.Fatal(err)
		}
		whole := readFile(t, "lossless/"+name)
		counted := repaired(whole, func(b []byte) { binary.BigEndian.PutUint32(b[28+13+18:], uint32(len(want))) })
		for kind, blob := range map[string][]byte{
			"as it is":                whole,
			"counted":                 counted,
			"with headers of unknown": repaired(whole, func(b []byte) { b[28+7], b[28+8] = 0, 0 }),
		} {
			got, err := decodeAll(blob)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, %s: %d samples, want %d, or others; %v", name, kind, len(got), len(want), err)
			}
		}
	}
}

func decodeAll(blob []byte) ([]float32, error) {
	d, err := open(blob)
	if err != nil {
		return nil, err
	}
	return drain(d, 700)
}

func TestDamagedOggFLACIsRefusedWithItsFault(t *testing.T) {
	whole := readFile(t, "lossless/stereo.oga")
	body := bytes.LastIndex(whole, []byte("OggS"))
	samples := binary.LittleEndian.Uint64(whole[body+6:])
	for name, c := range map[string]struct {
		blob  []byte
		words string
	}{
		"another version":         {repaired(whole, func(b []byte) { b[28+5] = 2 }), "no header of version 1"},
		"no STREAMINFO":           {repaired(whole, func(b []byte) { b[28+9] = 'F' }), "no STREAMINFO"},
		"cut in front of the end": {whole[:body], "no page that says where it ends"},
		"cut inside the tags":     {whole[:3000], "truncated inside a page"},
		"the header alone":        {whole[:bytes.Index(whole[4:], []byte("OggS"))+4], "truncated inside the headers"},
		"a frame that is none":    {repaired(whole, func(b []byte) { b[body+oggHeader+int(b[body+26])] = 0 }), "no frame where one should begin"},
		"a frame of another sum":  {repaired(whole, func(b []byte) { b[len(b)-1] ^= 1 }), "a checksum is wrong"},
		"more samples than pages": {repaired(whole, func(b []byte) { binary.LittleEndian.PutUint64(b[body+6:], samples+1) }), "1 samples are missing"},
		"more than it counts": {
			repaired(whole, func(b []byte) { binary.BigEndian.PutUint32(b[28+13+18:], uint32(samples-1)) }),
			"more samples than",
		},
		"no end": {repaired(whole, func(b []byte) { b[body+5] &^= 4 }), "no page that says where it ends"},
	} {
		_, err := decodeAll(c.blob)
		t.Run(name, func(t *testing.T) { wantRejection(t, err, schemas.ReasonDecode, c.words) })
	}
	shorter, err := decodeAll(repaired(whole, func(b []byte) { binary.LittleEndian.PutUint64(b[body+6:], samples-5) }))
	if err != nil || len(shorter) != int(samples)-5 {
		t.Errorf("cut short by its last page: %d samples of %d, %v", len(shorter), samples, err)
	}
}

// The footprint of a part of a file is no less than that of all of it.
func TestOggFLACIsReservedForByItsHead(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{})
	blob := readFile(t, "lossless/stereo.oga")
	all, err := p.Footprint(schemas.Ref{}, blob, int64(len(blob)))
	if err != nil {
		t.Fatal(err)
	}
	part, err := p.Footprint(schemas.Ref{}, blob[:200], int64(len(blob)))
	if err != nil || part < all {
		t.Errorf("%d by its head, %v, %d by all of it", part, err, all)
	}
	if unknown := int64(math.MaxInt64); part == unknown {
		t.Error("no bound")
	}
}
