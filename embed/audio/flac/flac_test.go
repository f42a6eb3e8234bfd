package flac

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// drain decodes to the end and hashes the samples as testdata/make.py does.
func drain(b []byte) (in Info, frames int64, sum string, err error) {
	d, err := New(b)
	if err != nil {
		return in, 0, "", err
	}
	h := sha256.New()
	var row []byte
	for {
		block, err := d.Block()
		if errors.Is(err, io.EOF) {
			return d.Info(), frames, hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return d.Info(), frames, "", err
		}
		row = row[:0]
		for i := range block[0] {
			for _, c := range block {
				row = binary.LittleEndian.AppendUint32(row, uint32(c[i]))
			}
		}
		h.Write(row)
		frames += int64(len(block[0]))
	}
}

// TestStreamsDecodeToTheSamplesOfLibFLAC is over what the flac program writes at its levels, and over every kind of subframe, residual, pair of channels and frame header, drawn by
// testdata/make.py, which libFLAC takes.
func TestStreamsDecodeToTheSamplesOfLibFLAC(t *testing.T) {
	lines := bufio.NewScanner(bytes.NewReader(read(t, "want.txt")))
	n := 0
	for ; lines.Scan(); n++ {
		name, want, _ := strings.Cut(lines.Text(), " ")
		t.Run(name, func(t *testing.T) {
			in, frames, sum, err := drain(read(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(in.Rate, in.Channels, in.Bits, frames, " ", sum); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	if n < 12 {
		t.Errorf("only %d streams in the corpus", n)
	}
}

// TestEveryFlippedBitIsFound flips a bit of each byte of the frames: the checksums cover all of them.
func TestEveryFlippedBitIsFound(t *testing.T) {
	whole := read(t, "drawn-2.flac")
	from, err := skipMetadata(whole)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < len(whole); i++ {
		b := bytes.Clone(whole)
		b[i] ^= 1 << (i % 8)
		if _, _, _, err := drain(b); err == nil {
			t.Fatalf("bit %d of byte %d of the frames is another, and nothing is said", i%8, i-from)
		}
	}
}

func TestEveryCutIsFound(t *testing.T) {
	whole, unknown := read(t, "drawn-2.flac"), read(t, "drawn-1.flac")
	for n := range len(whole) {
		if _, _, _, err := drain(whole[:n]); err == nil {
			t.Fatalf("cut at byte %d, and nothing is said", n)
		}
	}
	ends := map[int64]bool{}
	for n := range len(unknown) {
		if _, frames, _, err := drain(unknown[:n]); err == nil {
			ends[frames] = true // between two frames, which of an unknown number cannot be told
		}
	}
	if len(ends) < 5 || len(ends) > 100 {
		t.Errorf("%d places to cut a stream of an unknown number of samples unseen", len(ends))
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	whole := read(t, "drawn-2.flac")
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(whole)) }
	set := func(at int, v byte) []byte {
		return change(func(b []byte) []byte { b[at] = v; return b })
	}
	frame, err := skipMetadata(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		blob  []byte
		words string
	}{
		{"another signature", set(0, 'x'), "no STREAMINFO"},
		{"another first block", set(4, 4), "no STREAMINFO"},
		{"metadata beyond the end", set(43, 0xff), "truncated"},
		{"32 bits", change(func(b []byte) []byte { b[20] |= 1; b[21] |= 0xf0; return b }), "32 bits a sample"},
		{"two channels in STREAMINFO", set(20, whole[20]|2), "disagrees"},
		{"another rate in STREAMINFO", set(19, whole[19]^1), "rate changes"},
		{"a sample more declared", set(25, whole[25]+1), "2501 samples declared, 2500 present"},
		{"a sample less declared", set(25, whole[25]-1), "more samples than the 2499 declared"},
		{"no sync code", set(frame, 0), "no frame"},
		{"a header's checksum", set(frame+4, whole[frame+4]^1), "checksum"},
		{"a frame's checksum", set(len(whole)-1, whole[len(whole)-1]^1), "checksum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, _, err := drain(c.blob); err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, want %q", err, c.words)
			}
		})
	}
	if _, frames, _, err := drain(append(bytes.Clone(whole), "TAG and what else players append"...)); err != nil || frames != 2500 {
		t.Errorf("with bytes behind a complete stream: %d samples, %v", frames, err)
	}
}

func TestChecksumsAreThoseOfTheirCatalogue(t *testing.T) {
	digits := []byte("123456789")
	if a, b := crc8(digits), crc16(digits); a != 0xf4 || b != 0xfee8 {
		t.Errorf("%#x and %#x, want 0xf4 (CRC-8/SMBUS) and 0xfee8 (CRC-16/UMTS)", a, b)
	}
}

func TestAFrameAllocatesNothing(t *testing.T) {
	b := read(t, "best.flac")
	d, err := New(b)
	if err != nil {
		t.Fatal(err)
	}
	first := d.bits
	next := func() {
		d.bits, d.decoded = first, 0
		if _, err := d.Block(); err != nil {
			t.Fatal(err)
		}
	}
	next()
	if n := testing.AllocsPerRun(100, next); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// FuzzDecoder proves that no bytes make the decoder panic, loop, or give more samples than are declared or bytes can hold.
func FuzzDecoder(f *testing.F) {
	files, err := filepath.Glob("testdata/*.flac")
	if err != nil || len(files) < 12 {
		f.Fatalf("%d streams in the corpus, %v", len(files), err)
	}
	for _, name := range files {
		b := read(f, filepath.Base(name))
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in, frames, _, err := drain(b)
		if err == nil && in.Frames >= 0 && frames != in.Frames {
			t.Fatalf("%d samples, %d declared", frames, in.Frames)
		}
		if most := int64(len(b)) * 65536 / 11; frames > most { // a frame has eleven bytes at least
			t.Fatalf("%d samples of %d bytes", frames, len(b))
		}
	})
}

// BenchmarkBlock is whole streams of 136 ms of stereo.
func BenchmarkBlock(b *testing.B) {
	for _, name := range []string{"fastest.flac", "best.flac"} {
		b.Run(name, func(b *testing.B) {
			blob := read(b, name)
			b.ReportAllocs()
			for b.Loop() {
				d, err := New(blob)
				for err == nil {
					_, err = d.Block()
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(6000)/44100*float64(b.N)/b.Elapsed().Seconds(), "x_realtime")
		})
	}
}
