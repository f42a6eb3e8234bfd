package image

import (
	"encoding/binary"
	"testing"
)

// directoryOf is a TIFF directory of entries of 12 bytes each.
func directoryOf(entries ...string) []byte {
	b := binary.LittleEndian.AppendUint16([]byte("II*\x00\x08\x00\x00\x00"), uint16(len(entries)))
	for _, e := range entries {
		b = append(b, e...)
	}
	return b
}

func TestTheOrientationIsReadAsPillowReadsIt(t *testing.T) {
	const tag = "\x12\x01"
	short := func(v byte) string { return tag + "\x03\x00\x01\x00\x00\x00" + string([]byte{v}) + "\x00\x00\x00" }
	const xmp = `<rdf:Description><tiff:Orientation>8</tiff:Orientation></rdf:Description>`
	for name, c := range map[string]struct {
		m    metadata
		want int64
	}{
		"nothing is upright":     {metadata{}, 1},
		"a short":                {metadata{exif: directoryOf(short(6))}, 6},
		"behind Exif's own mark": {metadata{exif: append([]byte("Exif\x00\x00"), directoryOf(short(6))...)}, 6},
		"behind the mark twice":  {metadata{exif: append([]byte("Exif\x00\x00Exif\x00\x00"), directoryOf(short(6))...)}, 6},
		"the last of two counts": {metadata{exif: directoryOf(short(6), short(3))}, 3},
		"a long":                 {metadata{exif: directoryOf(tag + "\x04\x00\x01\x00\x00\x00\x05\x00\x00\x00")}, 5},
		"text turns nothing, and XMP is not asked": {metadata{exif: directoryOf(tag + "\x02\x00\x02\x00\x00\x006\x00\x00\x00"), xmp: []byte(xmp)}, 0},
		"XMP where Exif is silent":                 {metadata{exif: directoryOf(), xmp: []byte(xmp)}, 8},
		"XMP where Exif is damaged":                {metadata{exif: []byte("II*\x00\xff\xff\xff\x7f"), xmp: []byte(xmp)}, 8},
		"XMP as an attribute":                      {metadata{xmp: []byte(`tiff:Orientation="3"`)}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.m.orientation(); got != c.want {
				t.Errorf("orientation %d, want %d", got, c.want)
			}
		})
	}
}

func TestTextThatCannotBeReadIsNone(t *testing.T) {
	for name, c := range map[string]struct{ kind, body string }{
		"no end of the key":       {"tEXt", "key"},
		"packed, but not by zlib": {"zTXt", "key\x00\x00nonsense"},
		"packed, without a body":  {"zTXt", "key\x00"},
		"international and short": {"iTXt", "key\x00\x01"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, text := textChunk(c.kind, []byte(c.body)); text != nil {
				t.Errorf("text %q", text)
			}
		})
	}
	if rawProfile([]byte("\nexif\n 2\nzz\n")) != nil {
		t.Error("a profile that is not hexadecimal is taken")
	}
}
