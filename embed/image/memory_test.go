package image

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"vecmill/schemas"
)

// What the decoding of a picture of 1500 x 1100 pixels (LZW: of a few tiles) allocates at most once its reader has decoded one, in bytes, and what of it is for. The samples are not part of it: their memory is given back (embed.Floats).
var allocatedPerPicture = map[string]int64{
	"JPEG":               4 << 10,
	"PNG":                2 << 10,
	"PNG of a palette":   4 << 10, // its colours
	"PNG in passes":      2 << 10,
	"PNG that is turned": 2 << 10,
	"BMP":                2 << 10,
	"TIFF":               8 << 10, // its directory
	"TIFF of LZW":        8 << 10,
	"GIF":                4 << 10,  // its colours
	"WebP":               40 << 10, // its bytes: the library copies them
	"WebP lossless":      2 << 10,
}

func TestASteadyStreamAllocatesLittle(t *testing.T) {
	for _, c := range allLargePictures(t) {
		t.Run(c.name, func(t *testing.T) {
			most, ok := allocatedPerPicture[c.name]
			if !ok {
				t.Fatal("no bound is stated")
			}
			h, err := sniff(c.blob)
			if err != nil {
				t.Fatal(err)
			}
			var r reader
			row := make([]byte, 3*max(h.width, h.height))
			run := func() {
				src, _, err := r.decode(t.Context(), h, c.blob)
				if err != nil {
					t.Fatal(err)
				}
				src.Row(row, h.height/2)
			}
			run()
			const rounds = 5
			before := allocated()
			for range rounds {
				run()
			}
			n := int64(allocated()-before) / rounds
			t.Logf("%d bytes a picture", n)
			if n > most {
				t.Errorf("%d bytes a picture, want %d at most", n, most)
			}
			if kept := r.bytes(); kept < int64(h.width*h.height)/2 && c.name != "BMP" || kept > 16<<20 {
				t.Errorf("%d bytes are said to be kept", kept)
			}
		})
	}
}

// allLargePictures are 1500 x 1100 pixels of each format and each way through its reader.
func allLargePictures(t testing.TB) []largePicture {
	t.Helper()
	pictures := append(largePictures(t),
		largePicture{"PNG of a palette", blankPNG(t, 1500, 1100, 4, pngPalette, false, pngChunk("PLTE", "abcdef"))},
		largePicture{"PNG in passes", blankPNG(t, 1500, 1100, 8, pngRGB, true)},
		largePicture{"PNG that is turned", blankPNG(t, 1500, 1100, 8, pngRGB, false, pngChunk("eXIf", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"))})
	for name, file := range map[string]string{"TIFF of LZW": "tiffcp_tiles_lzw.tif", "GIF": "pil_large.gif", "WebP": "pil_large.webp", "WebP lossless": "pil_large_lossless.webp"} {
		b, err := os.ReadFile(filepath.Join("testdata", "foreign", file))
		if err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, largePicture{name, b})
	}
	return pictures
}

// The lossy decoder of WebP is one for all pictures. What it keeps of one frame for the next must not get into a picture: it is poisoned, and looked at.
func TestALossyPictureKnowsNothingOfTheOneBefore(t *testing.T) {
	var p webpBuffers
	differences := reflect.ValueOf(&p.lossy).Elem().FieldByName("filterHeader")
	poison := func(name string) []int8 {
		f := differences.FieldByName(name)
		return unsafe.Slice((*int8)(unsafe.Pointer(f.UnsafeAddr())), f.Len())
	}
	ref, mode := poison("refLFDelta"), poison("modeLFDelta")
	for i := range ref {
		ref[i] = 9
	}
	for i := range mode {
		mode[i] = -9
	}
	p.begin(40, 30)
	for i, v := range append(ref, mode...) {
		if v != 0 {
			t.Errorf("difference %d is %d", i, v)
		}
	}
	kept := func() uintptr { return reflect.ValueOf(&p.lossy).Elem().FieldByName("img").Pointer() }
	first := kept()
	if first == 0 {
		t.Fatal("no picture is kept")
	}
	p.begin(48, 32) // the same macroblocks
	p.begin(17, 9)
	if kept() != first {
		t.Error("a picture that fits has one of its own")
	}
	p.begin(49, 32)
	if kept() == first {
		t.Error("a larger picture has none of its own")
	}
}

// blankPNG is a picture of zeros.
func blankPNG(t testing.TB, w, h, depth int, kind byte, interlaced bool, more ...string) []byte {
	t.Helper()
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	head = append(head, byte(depth), kind, 0, 0, 0)
	if interlaced {
		head[12] = 1
	}
	l, err := readPNGLayout(head[8:])
	if err != nil {
		t.Fatal(err)
	}
	var rows bytes.Buffer
	z := zlib.NewWriter(&rows)
	if _, err := z.Write(make([]byte, l.bytes(w, h))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	half := rows.Len() / 2 // two chunks, which are joined
	b := "\x89PNG\r\n\x1a\n" + pngChunk("IHDR", string(head)) + strings.Join(more, "")
	return []byte(b + pngChunk("IDAT", rows.String()[:half]) + pngChunk("IDAT", rows.String()[half:]) + pngChunk("IEND", ""))
}

func pngChunk(kind, body string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, kind...), body...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:])))
}

// Chunks of pixels are joined if they are several, and what is reserved for that is no more than the pixels can need, whatever else the file has.
func TestWhatIsBesideThePixelsOfAPNGIsReservedOnce(t *testing.T) {
	p := newPreprocessor(t, recipe224, Options{MaxBytes: 64 << 20})
	const header = 8 + 25 // signature and IHDR
	small := string(blankPNG(t, 32, 32, 8, pngGrey, false))
	text := small[:header] + pngChunk("tEXt", "Comment\x00"+strings.Repeat("words ", 4<<20)) + small[header:]
	n, err := p.Footprint(schemas.Ref{}, []byte(text[:256<<10]), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	least, err := p.Footprint(schemas.Ref{}, []byte(small), int64(len(small)))
	if err != nil {
		t.Fatal(err)
	}
	if more := n - least; more > int64(len(text)-len(small))+100<<10 {
		t.Errorf("%d bytes of text take %d bytes more", len(text)-len(small), more)
	}
	if _, err := p.Preprocess(t.Context(), schemas.Ref{}, []byte(text)); err != nil {
		t.Error(err)
	}
	const end = 12 // IEND
	surplus := small[:len(small)-end] + pngChunk("IDAT", strings.Repeat("\x00", 1<<20)) + small[len(small)-end:]
	if _, err := p.Preprocess(t.Context(), schemas.Ref{}, []byte(surplus)); err == nil || !strings.Contains(err.Error(), "bytes of compressed pixels") {
		t.Errorf("a megabyte of pixels that a small picture has no use for: %v", err)
	}
}
