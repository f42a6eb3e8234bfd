package vp8l

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	stdimage "image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/vp8l"
)

// chunk is the first VP8L chunk of a file; nil if there is none.
func chunk(b []byte) []byte {
	for at := 12; at+8 <= len(b); {
		n := int(binary.LittleEndian.Uint32(b[at+4:]))
		switch kind := string(b[at : at+4]); {
		case kind == "VP8L" && at+8+n <= len(b):
			return b[at+8:][:n]
		case kind == "ANMF":
			at += 24
		default:
			at += 8 + n + n&1
		}
	}
	return nil
}

// files are the chunks of the corpus of embed/image whose names fit.
func files(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "testdata", "*", pattern))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if c := chunk(b); c != nil {
			all[filepath.Base(name)] = c
		}
	}
	if len(all) < 10 {
		t.Fatalf("%d files", len(all))
	}
	return all
}

// rgb is a picture row by row.
func rgb(p *Picture) []byte {
	w, h := p.Size()
	out := make([]byte, 3*w*h)
	for y := range h {
		p.Row(out[3*w*y:3*w*(y+1)], y)
	}
	return out
}

// Whether the pixels are Pillow's is tested in embed/image, with the same files.
func TestWhatWasDecodedBeforeIsNotInAPicture(t *testing.T) {
	all := files(t, "*.webp")
	decode := func(d *Decoder, b []byte) []byte {
		w, h, err := Size(b)
		if err != nil {
			return nil
		}
		p, err := d.Decode(t.Context(), b, w, h)
		if err != nil {
			return nil
		}
		return rgb(p)
	}
	var d Decoder
	for range 3 { // in whatever order the map has
		for name, b := range all {
			if !bytes.Equal(decode(&d, b), decode(new(Decoder), b)) {
				t.Errorf("%s: other pixels behind other pictures", name)
			}
		}
	}
	if d.in.src != nil {
		t.Error("the file is kept")
	}
}

func TestWhatIsCutOffIsRefused(t *testing.T) {
	var d Decoder
	for name, b := range files(t, "cwebp_*.webp") {
		w, h, err := Size(b)
		if err != nil {
			t.Fatal(err)
		}
		for n := len(b) - 1; n >= 0; n -= 1 + n/50 {
			if _, err := d.Decode(t.Context(), b[:n], w, h); !errors.Is(err, errShort) && (n >= 5 || !errors.Is(err, errHeader)) {
				t.Errorf("%s, %d of %d bytes: %v", name, n, len(b), err)
			}
		}
	}
}

func TestAnotherSizeThanAnnouncedIsRefused(t *testing.T) {
	b := files(t, "cwebp_*.webp")["cwebp_z6.webp"]
	var d Decoder
	if _, err := d.Decode(t.Context(), b, 45, 38); err == nil || !strings.Contains(err.Error(), "frame of 45 x 37, announced as 45 x 38") {
		t.Error(err)
	}
	if d.Bytes() != 0 {
		t.Errorf("%d bytes are taken all the same", d.Bytes())
	}
}

func TestDecodingEndsWithItsContext(t *testing.T) {
	b := files(t, "cwebp_*.webp")["cwebp_z6.webp"]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var d Decoder
	if _, err := d.Decode(ctx, b, 45, 37); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Of a small picture with a block for each of many groups: before there is a group for any.
func TestGroupsAreBoundedBeforeTheyAreMade(t *testing.T) {
	var d Decoder
	d.mostEntries = int(memoryOfTables(256*256)) / 10
	for i := range uint32(64 * 64) {
		d.blocks = append(d.blocks, i<<8)
	}
	if _, err := d.number(); !errors.Is(err, errTables) || cap(d.groups) > 0 {
		t.Errorf("%v, room for %d groups", err, cap(d.groups))
	}
}

// What the format's description makes of a file, step by step, is made of it; what it makes no sense of is refused.
func FuzzDecode(f *testing.F) {
	for _, b := range files(f, "*.webp") {
		if len(b) < 3000 {
			f.Add(b)
		}
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, b []byte) {
		w, h, err := Size(b)
		if err != nil || w*h > 1<<12 {
			return
		}
		var got []byte
		p, err := d.Decode(t.Context(), b, w, h)
		if err == nil {
			got = rgb(p)
		}
		if most := Memory(1 << 12); d.Bytes() > most {
			t.Errorf("%d bytes are kept, want %d at most", d.Bytes(), most)
		}
		if errors.Is(err, errTables) {
			return
		}
		var r reference
		want, wantErr := r.pixels(b)
		switch {
		case (err == nil) != (wantErr == nil):
			t.Errorf("%v, by the description %v", err, wantErr)
		case !bytes.Equal(got, want):
			t.Error("other pixels than by the description")
		}
	})
}

// x/image reads the same of each regular file. Of the odd ones, it takes the greater of two symbols for the first where it is written first, which libwebp does not.
func TestFilesHaveThePixelsOfAnotherReader(t *testing.T) {
	var d Decoder
	read := 0
	for name, b := range files(t, "*.webp") {
		if strings.HasPrefix(name, "webp_odd_") {
			continue
		}
		read++
		m, err := vp8l.Decode(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: it has %v", name, err)
			continue
		}
		n := m.(*stdimage.NRGBA)
		var want []byte
		for at := 0; at < len(n.Pix); at += 4 {
			want = append(want, n.Pix[at:at+3]...)
		}
		p, err := d.Decode(t.Context(), b, n.Rect.Dx(), n.Rect.Dy())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(rgb(p), want) {
			t.Errorf("%s: other pixels", name)
		}
	}
	if read < 60 {
		t.Errorf("only %d files", read)
	}
}
