package image

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/schemas"
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

// TestPicturesAreLeftAsTheyAreStoredIfAsked compares with Pillow's pixels without exif_transpose. TIFF is upright there, too.
func TestPicturesAreLeftAsTheyAreStoredIfAsked(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "stored.txt"))
	if err != nil {
		t.Fatal(err)
	}
	turned, stored := newPreprocessor(t, recipeA, Options{Orientation: Exif}), newPreprocessor(t, recipeA, Options{Orientation: Ignore})
	if turned.Digest() != newPreprocessor(t, recipeA, Options{}).Digest() {
		t.Error("exif is not the default")
	}
	if turned.Digest() == stored.Digest() {
		t.Error("the digest does not tell which it was")
	}
	n := 0
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var name, want string
		var size Size
		if _, err := fmt.Sscan(line, &name, &size.Width, &size.Height, &want); err != nil {
			t.Fatal(err)
		}
		n++
		blob := picture(t, name)
		h, err := sniff(blob)
		if err != nil {
			t.Fatal(err)
		}
		src, got, err := stored.newScratch().decode(t.Context(), h, blob)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got != size || digest(pixelsOf(src)) != want {
			t.Errorf("%s: %v, not Pillow's %v, or other pixels", name, got, size)
		}
		a, err1 := turned.Preprocess(t.Context(), schemas.Ref{}, blob)
		b, err2 := stored.Preprocess(t.Context(), schemas.Ref{}, blob)
		if err1 != nil || err2 != nil {
			t.Fatalf("%s: %v, %v", name, err1, err2)
		}
		same := digestF32(a[0].Inputs[0].F32) == digestF32(b[0].Inputs[0].F32)
		if tiff := strings.HasSuffix(name, ".tif"); same != tiff {
			t.Errorf("%s: the same values turned and as stored: %t, want %t", name, same, tiff)
		}
	}
	if n < 15 {
		t.Errorf("only %d pictures", n)
	}
	if err := (Options{Orientation: "up"}).Validate(); err == nil || !strings.Contains(err.Error(), `"up" is not one of exif, ignore`) {
		t.Errorf("another orientation: %v", err)
	}
}
