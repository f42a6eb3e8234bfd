package inflate

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"vecmill/embed/image/prefix"
)

// drawn is data of several kinds: noise, runs, short periods, text of few letters.
func drawn(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, n+1000)
	for len(b) < n {
		k := 1 + r.IntN(600)
		switch r.IntN(5) {
		case 0:
			for range k {
				b = append(b, byte(r.Uint32()))
			}
		case 1:
			b = append(b, bytes.Repeat([]byte{byte(r.Uint32())}, k)...)
		case 2:
			for range k {
				b = append(b, "aabcdefg "[r.IntN(9)])
			}
		case 3:
			for range k {
				b = append(b, byte(128+r.NormFloat64()*9))
			}
		case 4:
			if len(b) > 0 {
				back := 1 + r.IntN(min(len(b), 1+r.IntN(9)*r.IntN(9)*r.IntN(600)))
				for range k {
					b = append(b, b[len(b)-back])
				}
			}
		}
	}
	return b[:n]
}

func packed(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var levels = []int{flate.NoCompression, flate.BestSpeed, flate.DefaultCompression, flate.BestCompression, flate.HuffmanOnly}

func TestWhatWasPackedComesOutAgain(t *testing.T) {
	var d Decoder
	for seed := range uint64(40) {
		want := drawn(seed, int(seed*seed*seed*seed)%200_000)
		for _, level := range levels {
			z := packed(t, want, level)
			got := make([]byte, len(want))
			if err := d.Zlib(t.Context(), got, z); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, level %d: %v, equal %t", len(want), level, err, bytes.Equal(got, want))
			}
		}
	}
}

func TestABlockOfFixedCodes(t *testing.T) {
	z := []byte{0x78, 0x9c, 0x4b, 0x4c, 0x4a, 0x4e, 0x49, 0x4d, 0x4b, 0xcf, 0xc8, 0xcc, 0xca, 0xce, 0xc9, 0xcd, 0xcb, 0x2f, 0x28, 0x2c, 0x2a, 0x2e, 0x29, 0x2d, 0x2b, 0xaf, 0xa8, 0xac, 0x02, 0x00, 0x90, 0x86, 0x0b, 0x20}
	var d Decoder
	got := make([]byte, 26)
	if err := d.Zlib(t.Context(), got, z); err != nil || string(got) != "abcdefghijklmnopqrstuvwxyz" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTheRoomDecidesHowMuchIsRead(t *testing.T) {
	want := drawn(7, 5000)
	var d Decoder
	for _, level := range levels {
		z := packed(t, want, level)
		for _, room := range []int{0, 1, 257, 2500, 4999} {
			got := make([]byte, room)
			if err := d.Zlib(t.Context(), got, z); err != nil || !bytes.Equal(got, want[:room]) {
				t.Errorf("room for %d, level %d: %v", room, level, err)
			}
		}
		if err := d.Zlib(t.Context(), make([]byte, 5001), z); !errors.Is(err, ErrShort) {
			t.Errorf("more room than data: %v", err)
		}
		for _, cut := range []int{1, 2, 3, 10, len(z) / 2, len(z) - 20} {
			if err := d.Zlib(t.Context(), make([]byte, 5000), z[:cut]); !errors.Is(err, ErrShort) {
				t.Errorf("cut to %d of %d, level %d: %v", cut, len(z), level, err)
			}
		}
		for missing := 1; missing <= 4; missing++ {
			if err := d.Zlib(t.Context(), make([]byte, 5000), z[:len(z)-missing]); err != nil {
				t.Errorf("without %d bytes of its checksum: %v", missing, err)
			}
		}
		z[len(z)-1] ^= 1
		if err := d.Zlib(t.Context(), make([]byte, 5000), z); !errors.Is(err, ErrChecksum) {
			t.Errorf("with a wrong checksum: %v", err)
		}
	}
}

func TestWhatIsNoZlibIsRefused(t *testing.T) {
	var d Decoder
	for name, c := range map[string]struct {
		z    string
		want error
	}{
		"nothing":                        {"", ErrShort},
		"another method":                 {"\x77\x85\x03\x00\x00\x00\x00\x01", ErrHeader},
		"a header that does not add up":  {"\x78\x9d\x03\x00\x00\x00\x00\x01", ErrHeader},
		"a dictionary":                   {"\x78\xbb\x03\x00\x00\x00\x00\x01", ErrHeader},
		"a window of 64 KiB":             {"\x88\x1c\x03\x00\x00\x00\x00\x01", ErrHeader},
		"a kind of block that is none":   {"\x78\x9c\x07\x00\x00\x00\x00\x00\x00\x00\x00", ErrCorrupt},
		"a stored length that is not so": {"\x78\x9c\x01\x05\x00\xfb\xff_____", ErrCorrupt},
		"a distance beyond the start":    {"\x78\x9c\x4b\x04\x12\x00\x00\x00\x00\x00", ErrCorrupt},
	} {
		if err := d.Zlib(t.Context(), make([]byte, 10), []byte(c.z)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestInflatingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var d Decoder
	if err := d.Zlib(ctx, make([]byte, 10), packed(t, make([]byte, 10), 6)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestASteadyStreamAllocatesNothing(t *testing.T) {
	var d Decoder
	blocks := [][]byte{packed(t, drawn(1, 100_000), 6), packed(t, drawn(2, 100_000), 1), packed(t, drawn(3, 100_000), flate.HuffmanOnly)}
	dst := make([]byte, 100_000)
	run := func() {
		for _, z := range blocks {
			if err := d.Zlib(t.Context(), dst, z); err != nil {
				t.Fatal(err)
			}
		}
	}
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What compress/zlib reads, Decoder reads, and the same bytes; what compress/zlib refuses before the room is full is refused. Three things differ: damage behind the last byte, which only one of them may look at; data that are cut off, of which
// compress/zlib leaves out symbols with fewer bits than the end of the block would take; and codes that have no end of the block, which it takes. In the last two Decoder does as zlib.
func FuzzZlib(f *testing.F) {
	for seed := range uint64(6) {
		for _, level := range levels {
			f.Add(packed(f, drawn(seed, int(seed)*400), level), uint16(seed*400))
		}
	}
	f.Add([]byte("\x78\x9c\x4b\x04\x02\x00"), uint16(9))
	const leftOut = prefix.MaxBits * longest
	var d Decoder
	f.Fuzz(func(t *testing.T, z []byte, room uint16) {
		got, want := make([]byte, room), make([]byte, room)
		err := d.Zlib(t.Context(), got, z)
		r, wantErr := zlib.NewReader(bytes.NewReader(z))
		if wantErr != nil {
			if err == nil {
				t.Errorf("read, where compress/zlib finds no stream: %v", wantErr)
			}
			return
		}
		n, wantErr := io.ReadFull(r, want)
		_, next := r.Read(make([]byte, 1))
		switch {
		case err == nil && !bytes.Equal(got[:n], want[:n]):
			t.Error("other bytes than those of compress/zlib")
		case err == nil && wantErr != nil && (!errors.Is(next, io.ErrUnexpectedEOF) || int(room)-n > leftOut):
			t.Errorf("filled, where compress/zlib gives %d of %d: %v", n, room, next)
		case err != nil && !errors.Is(err, errEndless) && wantErr == nil && (next == nil || errors.Is(next, io.EOF)):
			t.Errorf("%v, where compress/zlib is content", err)
		}
	})
}

func BenchmarkZlib(b *testing.B) {
	want := drawn(1, 2_000_000)
	for _, level := range []int{1, 6} {
		z := packed(b, want, level)
		b.Run(fmt.Sprint("level ", level), func(b *testing.B) {
			var d Decoder
			b.SetBytes(int64(len(want)))
			for b.Loop() {
				if err := d.Zlib(b.Context(), want, z); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint("level ", level, " by compress"), func(b *testing.B) {
			b.SetBytes(int64(len(want)))
			r, err := zlib.NewReader(bytes.NewReader(z))
			for b.Loop() {
				if err == nil {
					err = r.(zlib.Resetter).Reset(bytes.NewReader(z), nil)
				}
				if err == nil {
					_, err = io.ReadFull(r, want)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
