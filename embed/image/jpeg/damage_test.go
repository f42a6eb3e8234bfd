package jpeg

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
)

// patched gives a copy of b in which the bytes behind the first marker of a kind are changed.
func patched(t *testing.T, b []byte, marker byte, at int, v ...byte) []byte {
	t.Helper()
	i := bytes.Index(b, []byte{0xFF, marker})
	if i < 0 {
		t.Fatalf("no marker %#x", marker)
	}
	return slices.Concat(b[:i+at], v, b[i+at+len(v):])
}

// without removes the n-th segment of a kind, counted from 0; n < 0 counts from the end. Scans lose their data too.
func without(t *testing.T, b []byte, marker byte, n int) []byte {
	t.Helper()
	var starts []int
	for i := range len(b) - 1 {
		if b[i] == 0xFF && b[i+1] == marker {
			starts = append(starts, i)
		}
	}
	if n < 0 {
		n += len(starts)
	}
	from := starts[n]
	to := from + 2 + int(b[from+2])<<8 + int(b[from+3])
	for marker == markerSOS && (b[to] != 0xFF || b[to+1] == 0 || b[to+1] >= markerRST0 && b[to+1] <= markerRST7) {
		to++
	}
	return slices.Concat(b[:from], b[to:])
}

func TestWhatIsNotReadIsNamed(t *testing.T) {
	base, progressive, restart := read(t, "jpeg_420.jpg"), read(t, "jpeg_444_progressive.jpg"), read(t, "jpeg_restart.jpg")
	for _, c := range []struct {
		name string
		data []byte
		want error
		text string
	}{
		{"nothing", nil, ErrFormat, "no start marker"},
		{"a text", []byte("hello"), ErrFormat, "no start marker"},
		{"a start alone", base[:2], ErrFormat, "ends before its end marker"},
		{"start and end", []byte{0xFF, 0xD8, 0xFF, 0xD9}, ErrFormat, "no frame header"},
		{"two starts", slices.Concat(base[:2], base), ErrFormat, "second start"},
		{"arithmetic coding", patched(t, base, markerSOF0, 1, 0xC9), ErrUnsupported, "arithmetic"},
		{"lossless", patched(t, base, markerSOF0, 1, 0xC3), ErrUnsupported, "lossless"},
		{"12 bits", patched(t, base, markerSOF0, 4, 12), ErrUnsupported, "12 bits"},
		{"no height", patched(t, base, markerSOF0, 5, 0, 0), ErrFormat, "empty"},
		{"two components", patched(t, base, markerSOF0, 9, 2), ErrUnsupported, "2 components"},
		{"a short frame header", patched(t, base, markerSOF0, 9, 4), ErrFormat, "4 components"},
		{"a sampling factor of 0", patched(t, base, markerSOF0, 11, 0x02), ErrFormat, "sampling"},
		{"fractional sampling", patched(t, base, markerSOF0, 11, 0x32, 0, 2, 0x22), ErrUnsupported, "fractional"},
		{"a quantisation table out of range", patched(t, base, markerSOF0, 12, 4), ErrFormat, "quantisation table 4"},
		{"a second frame", patched(t, base, markerDHT, 1, markerSOF0), ErrFormat, "frame header"},
		{"no quantisation", without(t, without(t, base, markerDQT, 0), markerDQT, 0), ErrFormat, "quantisation table 0 is missing"},
		{"no Huffman table", without(t, progressive, markerDHT, 0), ErrFormat, "is missing"},
		{"no Huffman table in a slot that has no standard", patched(t, base, markerSOS, 6, 0x22), ErrFormat, "Huffman table 2, 2 is missing"},
		{"a Huffman class of 2", patched(t, base, markerDHT, 4, 0x20), ErrFormat, "Huffman table 0x20"},
		{"too many codes", patched(t, base, markerDHT, 5, 3, 9, 0, 0, 0, 0, 0, 0, 0), ErrFormat, "too many codes"},
		{"a scan of a stranger", patched(t, base, markerSOS, 5, 77), ErrFormat, "unknown component"},
		{"one component twice", patched(t, base, markerSOS, 7, 1), ErrFormat, "twice"},
		{"no scan of the colours", without(t, progressive, markerSOS, 0), ErrFormat, ""},
		{"progressive without its last refinement", without(t, progressive, markerSOS, -1), ErrUnsupported, "without all of coefficient"},
		{"bad progression", patched(t, progressive, markerSOS, 13, 0x31), ErrFormat, "progression"},
		{"a refinement first", patched(t, progressive, markerSOS, 13, 0x21), ErrFormat, "not sent"},
		{"no restart interval", without(t, restart, markerDRI, 0), ErrFormat, ""},
		{"a restart marker that is another", patched(t, restart, markerRST0, 1, markerRST7), ErrFormat, "restart marker 0"},
		{"a segment that ends the file", patched(t, base, markerDHT, 2, 0xFF, 0xFF), ErrFormat, "end marker"},
		{"a segment of 1 byte", patched(t, base, markerDHT, 2, 0, 1), ErrFormat, "of 1 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			_, err := d.Decode(t.Context(), c.data)
			if !errors.Is(err, c.want) || !bytes.Contains([]byte(err.Error()), []byte(c.text)) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.text)
			}
		})
	}
}

func TestAFileCutAnywhereIsRefused(t *testing.T) {
	var d Decoder
	for _, name := range []string{"jpeg_422_5x3.jpg", "jpeg_grey_progressive.jpg", "jpeg_restart_progressive.jpg", "jpeg_cmyk_420.jpg"} {
		data := read(t, name)
		for cut := range data {
			if _, err := d.Decode(t.Context(), data[:cut]); !errors.Is(err, ErrFormat) {
				t.Errorf("%s cut to %d bytes: %v", name, cut, err)
			}
		}
		if _, err := d.Decode(t.Context(), data); err != nil {
			t.Errorf("%s whole: %v", name, err)
		}
	}
}

func TestWhatFollowsTheEndDoesNotMatter(t *testing.T) {
	var d Decoder
	data := read(t, "jpeg_422.jpg")
	p, err := d.Decode(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	want := digest(pixels(p))
	for _, junk := range []string{"\x00", "\xff\xd8\xff\xe0 another picture", "text"} {
		p, err := d.Decode(t.Context(), append(slices.Clone(data), junk...))
		if err != nil || digest(pixels(p)) != want {
			t.Errorf("%q: %v", junk, err)
		}
	}
}

func TestRowsMayBeReadInAnyOrder(t *testing.T) {
	var d Decoder
	for _, name := range []string{"jpeg_420.jpg", "jpeg_411.jpg", "jpeg_440.jpg", "jpeg_cmyk_420.jpg"} {
		p, err := d.Decode(t.Context(), read(t, name))
		if err != nil {
			t.Fatal(err)
		}
		want := pixels(p)
		w, h := p.Size()
		row := make([]byte, 3*w)
		for y := h - 1; y >= 0; y-- {
			p.Row(row, y)
			if !bytes.Equal(row, want[3*w*y:3*w*(y+1)]) {
				t.Errorf("%s: row %d differs when read from below", name, y)
			}
		}
	}
}

func TestTheHeaderIsReadFromABeginning(t *testing.T) {
	data := read(t, "jpeg_444_progressive.jpg")
	h, err := ReadHeader(data)
	if err != nil || h.Width != 61 || h.Height != 45 || !h.Progressive || len(h.Components) != 3 {
		t.Fatalf("%+v, %v", h, err)
	}
	end := bytes.Index(data, []byte{0xFF, markerSOF2}) + 2 + int(data[bytes.Index(data, []byte{0xFF, markerSOF2})+3])
	for cut := 2; cut < len(data); cut++ {
		_, err := ReadHeader(data[:cut])
		if short := errors.Is(err, ErrShort); short != (cut < end) {
			t.Fatalf("of %d bytes, the frame header ends at %d: %v", cut, end, err)
		}
	}
	if _, err := ReadHeader(without(t, data, markerSOF2, 0)); !errors.Is(err, ErrFormat) {
		t.Errorf("without a frame header: %v", err)
	}
}

func TestMemoryBoundsTheBuffers(t *testing.T) {
	for _, name := range []string{"jpeg_420.jpg", "jpeg_444.jpg", "jpeg_411.jpg", "jpeg_420_progressive.jpg", "jpeg_cmyk_420.jpg", "jpeg_grey.jpg"} {
		data := read(t, name)
		h, err := ReadHeader(data)
		if err != nil {
			t.Fatal(err)
		}
		var d Decoder
		if _, err := d.Decode(t.Context(), data); err != nil {
			t.Fatal(err)
		}
		if held := d.Bytes(); held > h.Memory() || 2*held < h.Memory() {
			t.Errorf("%s holds %d bytes, the bound is %d", name, held, h.Memory())
		}
	}
}

func TestDecodingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var d Decoder
	for _, name := range []string{"jpeg_420.jpg", "jpeg_grey.jpg", "jpeg_444_progressive.jpg"} {
		if _, err := d.Decode(ctx, read(t, name)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever the bytes: a picture as large as its header says, or an error of one of the two kinds.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{
		"jpeg_420_5x3.jpg", "jpeg_444_progressive.jpg", "jpeg_restart_progressive.jpg", "jpeg_grey.jpg", "jpeg_cmyk_420.jpg", "jpeg_411.jpg", "jpeg_440.jpg",
	} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ReadHeader(b)
		if err == nil && h.Width*h.Height > 1<<18 {
			return
		}
		var d Decoder
		p, derr := d.Decode(t.Context(), b)
		if derr != nil {
			if !errors.Is(derr, ErrFormat) && !errors.Is(derr, ErrUnsupported) {
				t.Error(derr)
			}
			return
		}
		if w, down := p.Size(); err != nil || w != h.Width || down != h.Height {
			t.Errorf("decoded as %d x %d, the header says %+v, %v", w, down, h, err)
		}
		pixels(p)
	})
}

// A frame of a moving picture, as cameras give one, has no tables of its own.
func TestAFrameWithoutHuffmanTablesHasTheStandards(t *testing.T) {
	for _, name := range []string{"jpeg_420.jpg", "jpeg_grey.jpg"} {
		b := read(t, name)
		frame := b
		for bytes.Contains(frame, []byte{0xFF, markerDHT}) {
			frame = without(t, frame, markerDHT, 0)
		}
		var d Decoder
		p, err := d.Decode(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		want := digest(pixels(p))
		if p, err = d.Decode(t.Context(), frame); err != nil || digest(pixels(p)) != want {
			t.Errorf("%s: %v, or other pixels", name, err)
		}
		if _, err := d.Check(frame); err != nil {
			t.Errorf("%s is refused by its headers: %v", name, err)
		}
	}
}
