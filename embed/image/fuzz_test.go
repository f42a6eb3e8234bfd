package image

import (
	"bytes"
	stdimage "image"
	"image/color"
	stdjpeg "image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"vecmill/schemas"
)

func seed(f *testing.F) {
	for _, e := range corpus(f) {
		if b := picture(f, e.name); len(b) < 3000 {
			f.Add(b)
		}
	}
	for _, e := range foreignCorpus(f) {
		if b, err := os.ReadFile(filepath.Join("testdata", "foreign", e.name)); err == nil && len(b) < 2500 {
			f.Add(b)
		}
	}
	f.Add(hugePNG(30000, 30000))
	f.Add(hugeJPEG(65535, 65535))
	f.Add(hugeTIFF(1<<31, 1))
}

// What sniffing says of a file it says of every longer beginning of it, and it allocates nothing to speak of.
func FuzzSniff(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, err := sniff(b)
		if err == nil && (whole.width < 1 || whole.height < 1 || whole.decoded < 0) {
			t.Errorf("%+v", whole)
		}
		part, perr := sniff(b[:len(b)/2])
		if perr == nil && (err != nil || part != whole) {
			t.Errorf("half of it says %+v, all of it %+v, %v", part, whole, err)
		}
	})
}

// Whatever the bytes: a sample of the right shape, or a rejection, and never a panic.
func FuzzPreprocess(f *testing.F) {
	seed(f)
	p := newPreprocessor(f, recipeA, Options{MaxPixels: 1 << 18})
	f.Fuzz(func(t *testing.T, b []byte) {
		samples, err := p.Preprocess(t.Context(), schemas.Ref{}, b)
		if err == nil {
			checkSample(t, samples, 40, 32)
			if _, err := p.Footprint(schemas.Ref{}, b, int64(len(b))); err != nil {
				t.Errorf("taken, but its footprint is refused: %v", err)
			}
			return
		}
		if reason, ok := schemas.Rejected(err); !ok || reason == schemas.ReasonPanic {
			t.Errorf("%v", err)
		}
	})
}

// Whatever the metadata: an answer. A picture is turned by it or not, so its pixels stay as many.
func FuzzOrientation(f *testing.F) {
	seed(f)
	f.Add([]byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte(`<rdf:Description tiff:Orientation="6"/>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := metadata{exif: b, xmp: b}
		for _, o := range []int64{m.orientation(), metadataOfPNG(b).orientation(), metadataOfWebP(b).orientation()} {
			src := turn(&raster{width: 2, height: 3, pix: make([]byte, 18)}, o)
			if w, h := src.Size(); w*h != 6 {
				t.Errorf("turned by %d: %d x %d", o, w, h)
			}
		}
	})
}

type largePicture struct {
	name string
	blob []byte
}

// largePictures are 1500 x 1100 pixels of each format that Go can write.
func largePictures(t testing.TB) []largePicture {
	t.Helper()
	m := stdimage.NewNRGBA(stdimage.Rect(0, 0, 1500, 1100))
	for y := range 1100 {
		for x := range 1500 {
			m.SetNRGBA(x, y, color.NRGBA{byte(x), byte(y), byte(x * y >> 6), 255 - byte(x>>4)})
		}
	}
	var all []largePicture
	for name, encode := range map[string]func(*bytes.Buffer) error{
		"PNG":  func(b *bytes.Buffer) error { return png.Encode(b, m) },
		"JPEG": func(b *bytes.Buffer) error { return stdjpeg.Encode(b, m, nil) },
		"BMP":  func(b *bytes.Buffer) error { return bmp.Encode(b, m) },
		"TIFF": func(b *bytes.Buffer) error { return tiff.Encode(b, m, &tiff.Options{Compression: tiff.Deflate}) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		all = append(all, largePicture{name, b.Bytes()})
	}
	return all
}
