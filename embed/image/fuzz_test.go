package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	stdimage "image"
	"image/color"
	"image/gif"
	stdjpeg "image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/tiff/lzw"

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

// What image/png reads is read, with the same pixels, but for chunks of names that Pillow does not take. What image/png refuses beyond that is not held against anything here: Pillow reads more, such as data
// behind the last row, and the corpus of odd files has what it does with each.
func FuzzPNG(f *testing.F) {
	for _, pattern := range []string{"foreign/*.png", "pictures/*.png"} {
		names, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(names) < 10 {
			f.Fatalf("%d files, %v", len(names), err)
		}
		for _, name := range names {
			if b, err := os.ReadFile(name); err == nil && len(b) < 1000 {
				f.Add(b)
			}
		}
	}
	var r reader
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		sealPNG(b)
		h, err := sniff(b)
		if h.format != formatPNG || err == nil && h.pixels() > 1<<16 {
			return
		}
		var got source
		if err == nil {
			got, err = r.png.decode(t.Context(), b, h)
		}
		m, wantErr := png.Decode(bytes.NewReader(b))
		switch {
		case wantErr != nil || errors.Is(err, errPNGChunk):
		case err != nil:
			t.Fatalf("%v, where image/png reads it", err)
		case !bytes.Equal(pixelsOf(got), pixelsOf(pngSource(m, b[25] == pngGrey))):
			t.Error("other pixels than image/png's")
		}
		if got != nil {
			pixelsOf(got)
		}
	})
}

// What image/gif reads is read, with the same numbers of colours. What it refuses beyond that is bytes behind the last pixel, as far as they are whole, which Pillow passes over.
func FuzzGIF(f *testing.F) {
	names, err := filepath.Glob(filepath.Join("testdata", "*", "*.gif"))
	if err != nil || len(names) < 5 {
		f.Fatalf("%d files, %v", len(names), err)
	}
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && len(b) < 5000 {
			f.Add(b)
		}
	}
	var r reader
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := sniff(b)
		if h.format != formatGIF || err != nil || h.pixels() > 1<<16 {
			return
		}
		src, err := r.decodeGIF(b)
		m, wantErr := gif.Decode(bytes.NewReader(b))
		if err == nil {
			pixelsOf(src)
		}
		if wantErr != nil {
			return
		}
		if err != nil {
			t.Fatalf("%v, where image/gif reads it", err)
		}
		got, want := src.(*indexed), m.(*stdimage.Paletted)
		for y := want.Rect.Min.Y; y < want.Rect.Max.Y; y++ {
			for x := want.Rect.Min.X; x < want.Rect.Max.X; x++ {
				if g, w := got.pix[y*got.stride+x], want.ColorIndexAt(x, y); g != w {
					t.Fatalf("colour %d at %d, %d, image/gif has %d", g, x, y, w)
				}
			}
		}
	})
}

// TIFF's LZW is held to the library that read it before: the same bytes, or both end early or find damage.
func FuzzLZW(f *testing.F) {
	f.Add([]byte{0x80, 0x00, 0x40, 0x50, 0x38, 0x24, 0x10}, uint16(4))
	for _, name := range []string{"pictures/tiff_lzw.tif", "foreign/im_lzw.tif", "foreign/tiffcp_tiles_lzw.tif"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		for at := range b { // a strip begins with a clear
			if b[at] == 0x80 && len(b)-at > 20 {
				f.Add(b[at:], uint16(300))
			}
		}
	}
	var d lzwDecoder
	f.Fuzz(func(t *testing.T, b []byte, room uint16) {
		got, want := make([]byte, room), make([]byte, room)
		err := d.decode(got, b)
		n, wantErr := io.ReadFull(lzw.NewReader(bytes.NewReader(b), lzw.MSB, 8), want)
		switch {
		case (err == nil) != (wantErr == nil):
			t.Errorf("%v, the library has %d of %d: %v", err, n, room, wantErr)
		case err == nil && !bytes.Equal(got, want):
			t.Error("other bytes than the library's")
		}
	})
}

// sealPNG makes the checksums of chunks right, so that fuzzing gets past them.
func sealPNG(b []byte) {
	for at := 8; len(b)-at >= 12; {
		n := int64(binary.BigEndian.Uint32(b[at:]))
		if n > int64(len(b)-at-12) {
			return
		}
		end := at + 8 + int(n)
		binary.BigEndian.PutUint32(b[end:], crc32.ChecksumIEEE(b[at+4:end]))
		at = end + 4
	}
}

// pngSource is what image/png has read, as Pillow converts it to RGB: alpha dropped, 16 bits of grey cut off.
func pngSource(m stdimage.Image, isGrey bool) source {
	size := m.Bounds().Size()
	out := &raster{width: size.X, height: size.Y}
	add := func(r, g, b byte) { out.pix = append(out.pix, r, g, b) }
	grey := func(v uint16) { add(byte(min(v, 255)), byte(min(v, 255)), byte(min(v, 255))) }
	for y := range size.Y {
		for x := range size.X {
			switch m := m.(type) {
			case *stdimage.Gray16:
				grey(m.Gray16At(x, y).Y)
			case *stdimage.NRGBA64:
				c := m.NRGBA64At(x, y)
				if isGrey {
					grey(c.R)
					continue
				}
				add(byte(c.R>>8), byte(c.G>>8), byte(c.B>>8))
			case *stdimage.Paletted:
				switch c := m.Palette[m.ColorIndexAt(x, y)].(type) {
				case color.RGBA:
					add(c.R, c.G, c.B)
				case color.NRGBA:
					add(c.R, c.G, c.B)
				}
			case *stdimage.NRGBA:
				c := m.NRGBAAt(x, y)
				add(c.R, c.G, c.B)
			default:
				r, g, b, _ := m.At(x, y).RGBA()
				add(byte(r>>8), byte(g>>8), byte(b>>8))
			}
		}
	}
	return out
}

// Whatever the metadata: an answer. A picture is turned by it or not, so its pixels stay as many.
func FuzzOrientation(f *testing.F) {
	seed(f)
	f.Add([]byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte(`<rdf:Description tiff:Orientation="6"/>`))
	var r reader
	f.Fuzz(func(t *testing.T, b []byte) {
		m := metadata{exif: b, xmp: b}
		for _, o := range []int64{m.orientation(), metadataOfPNG(b).orientation(), metadataOfWebP(b).orientation()} {
			src := r.turn(&raster{width: 2, height: 3, pix: make([]byte, 18)}, o)
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
