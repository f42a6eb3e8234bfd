package vorbis

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// packets takes a file of packets with their lengths in front apart.
func packets(b []byte) (all [][]byte) {
	for len(b) >= 2 {
		n := min(int(binary.LittleEndian.Uint16(b)), len(b)-2)
		all = append(all, b[2:2+n])
		b = b[2+n:]
	}
	return all
}

func corpus(tb testing.TB) (all [][]byte) {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.packets")
	if err != nil || len(files) < 5 {
		tb.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// TestTheTransformIsTheSpecifications holds the fast transform, and what overlap takes for the mirrored halves, to the formula.
func TestTheTransformIsTheSpecifications(t *testing.T) {
	for _, n := range []int{64, 256, 2048} {
		m := newMDCT(n)
		x, y := make([]float32, n/2), make([]float32, n/2)
		r := rand.New(rand.NewPCG(1, 2))
		for i := range x {
			x[i] = r.Float32()*2 - 1
		}
		m.run(x, y)
		for _, i := range []int{0, 1, n/4 - 1, n / 4, n/2 - 1, n / 2, 3*n/4 - 1, 3 * n / 4, n - 1} {
			want := 0.0
			for k, v := range x {
				want += float64(v) * math.Cos(math.Pi/float64(2*n)*float64((2*i+1+n/2)*(2*k+1)))
			}
			var got float32
			switch {
			case i < n/4:
				got = -y[n/4-1-i]
			case i < 3*n/4:
				got = y[i-n/4]
			default:
				got = y[n/2-1-(i-3*n/4)]
			}
			if math.Abs(float64(got)-want) > 1e-6*float64(n) {
				t.Errorf("size %d: value %d is %v, want %v", n, i, got, want)
			}
		}
	}
}

func TestWindowsOfNeighboursAddUpToOne(t *testing.T) {
	s := newTransform(256).slope
	for i := range s {
		if sum := s[i]*s[i] + s[len(s)-1-i]*s[len(s)-1-i]; math.Abs(float64(sum)-1) > 1e-6 {
			t.Errorf("at %d the powers add up to %v", i, sum)
		}
	}
}

func TestMixingIsTheMeanOfTheChannels(t *testing.T) {
	for _, b := range corpus(t) {
		p := packets(b)
		h, err := ParseHead(p[0])
		if err != nil {
			t.Fatal(err)
		}
		all, err := New(h, p[2], false)
		if err != nil {
			t.Fatal(err)
		}
		one, err := New(h, p[2], true)
		if err != nil {
			t.Fatal(err)
		}
		lengths := one.Lengths()
		for _, packet := range p[3:] {
			n, ok := lengths.Next(packet)
			x, err := all.Decode(packet)
			y, err2 := one.Decode(packet)
			if err != nil || err2 != nil || !ok || len(x) != h.Channels || len(y) != 1 || len(y[0]) != n || len(x[0]) != n {
				t.Fatalf("%d channels, %v %v, %d samples foretold", len(x), err, err2, n)
			}
			for i, got := range y[0] {
				want := float32(0)
				for _, c := range x {
					want += c[i] / float32(len(x))
				}
				if math.Abs(float64(got-want)) > 1e-6 {
					t.Fatalf("sample %d is %v, want %v", i, got, want)
				}
			}
		}
	}
}

func TestAPacketAllocatesNothing(t *testing.T) {
	p := packets(corpus(t)[1])
	h, err := ParseHead(p[0])
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(h, p[2], true)
	if err != nil {
		t.Fatal(err)
	}
	k := 0
	if n := testing.AllocsPerRun(50, func() {
		if _, err := d.Decode(p[3+k%(len(p)-3)]); err != nil {
			t.Fatal(err)
		}
		k++
	}); n > 0.2 { // scratch grows in the first ones
		t.Errorf("%v allocations a packet", n)
	}
}

func TestDamagedHeadersAreRefused(t *testing.T) {
	p := packets(corpus(t)[0])
	h, err := ParseHead(p[0])
	if err != nil {
		t.Fatal(err)
	}
	// The type of the first floor stands behind the books and the time domain transforms.
	r := &bitReader{b: p[2][7:]}
	left := &budget{entries: maxEntries, values: maxValues}
	for range r.read(8) + 1 {
		if _, err := parseBook(r, left); err != nil {
			t.Fatal(err)
		}
	}
	r.at += 16 * (r.read(6) + 1)
	r.read(6)
	floor0 := append([]byte{}, p[2]...)
	floor0[7+r.at/8] &^= 1 << (r.at % 8)
	if _, err := New(h, floor0, true); !errors.Is(err, errFloor0) {
		t.Errorf("a floor of type 0: %v", err)
	}
	for n := range p[2] {
		if _, err := New(h, p[2][:n], true); err == nil {
			t.Fatalf("%d bytes of %d are taken for a setup header", n, len(p[2]))
		}
	}
	for n := range p[0] {
		if _, err := ParseHead(p[0][:n]); err == nil {
			t.Fatalf("%d bytes are taken for an identification header", n)
		}
	}
	// A book of 2^24 entries in a few bits.
	huge := append([]byte("\x05vorbis\x00"), 0x42, 0x43, 0x56, 1, 0, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0)
	if _, err := New(h, huge, true); !errors.Is(err, errSetup) {
		t.Errorf("a huge book: %v", err)
	}
}

// FuzzDecoder proves that no headers and packets make the decoder panic, loop, take much memory or give another number of samples than it foretold.
func FuzzDecoder(f *testing.F) {
	for _, b := range corpus(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := packets(b)
		if len(p) < 3 {
			return
		}
		h, err := ParseHead(p[0])
		if err != nil {
			return
		}
		d, err := New(h, p[2], true)
		if err != nil {
			return
		}
		lengths := d.Lengths()
		for _, packet := range p[3:] {
			n, ok := lengths.Next(packet)
			x, err := d.Decode(packet)
			if ok != (err == nil) || ok && len(x[0]) != n {
				t.Fatalf("foretold %d %v, got %v", n, ok, err)
			}
		}
	})
}
