package resize

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// raster is a picture in memory.
type raster struct {
	w, h int
	pix  []byte
}

func (r raster) Size() (int, int)      { return r.w, r.h }
func (r raster) Row(dst []byte, y int) { copy(dst, r.pix[y*r.w*3:(y+1)*r.w*3]) }

// noise is the generator of testdata/make.py.
func noise(w, h int, seed uint32) raster {
	pix := make([]byte, w*h*3)
	x := seed
	for i := range pix {
		x = x*1664525 + 1013904223
		switch {
		case seed%2 == 0:
			pix[i] = byte(x >> 24)
		case x>>31 != 0:
			pix[i] = 255
		}
	}
	return raster{w, h, pix}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// Every line is a result of Pillow's own resize. One Resizer does them all, so that stale buffers would show.
func TestResizeEqualsPillowBitForBit(t *testing.T) {
	f, err := os.Open("../testdata/resize.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r Resizer
	cases := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var filter, sw, sh, dw, dh int
		var seed uint32
		var want string
		if _, err := fmt.Sscan(lines.Text(), &filter, &sw, &sh, &dw, &dh, &seed, &want); err != nil {
			t.Fatal(err)
		}
		dst := make([]byte, dw*dh*3)
		if err := r.Resize(t.Context(), dst, dw, dh, noise(sw, sh, seed), Filter(filter)); err != nil {
			t.Fatal(err)
		}
		if got := digest(dst); got != want {
			t.Errorf("%s from %d x %d to %d x %d, seed %d: the pixels are not Pillow's", Filter(filter), sw, sh, dw, dh, seed)
		}
		cases++
	}
	if cases != 216 {
		t.Errorf("%d cases, want 216", cases)
	}
}

func TestWorkspaceBoundsWhatIsAllocated(t *testing.T) {
	for _, c := range [][4]int{{1, 1, 224, 224}, {1024, 768, 224, 224}, {5, 4000, 32, 16}, {4000, 5, 16, 32}, {20, 65535, 64, 64}, {100, 100, 1000, 900}} {
		src := noise(c[0], c[1], 2)
		for _, f := range Filters() {
			var r Resizer
			if err := r.Resize(t.Context(), make([]byte, c[2]*c[3]*3), c[2], c[3], src, f); err != nil {
				t.Fatal(err)
			}
			if held, bound := r.Bytes(), Workspace(c[0], c[1], c[2], c[3]); held > bound {
				t.Errorf("%s of %v holds %d bytes, the bound is %d", f, c, held, bound)
			}
		}
	}
}

func TestResizeStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var r Resizer
	for _, f := range Filters() {
		if err := r.Resize(ctx, make([]byte, 10*10*3), 10, 10, noise(40, 300, 2), f); err == nil {
			t.Errorf("%s went on", f)
		}
	}
}

func TestAFilterIsNamed(t *testing.T) {
	var names []string
	for _, f := range append(Filters(), 6) {
		names = append(names, fmt.Sprint(f, " ", f.Valid()))
	}
	const want = "[nearest true lanczos true bilinear true bicubic true box true hamming true filter(6) false]"
	if got := fmt.Sprint(names); got != want {
		t.Errorf("got %s", got)
	}
}

// TestPairsAreScaledTheSameWithVectorInstructions is over random rows, down and up, by every filter.
func TestPairsAreScaledTheSameWithVectorInstructions(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, size := range [][2]int{{1, 1}, {1, 9}, {9, 1}, {57, 31}, {31, 57}, {512, 224}, {100, 100}} {
		for f := Lanczos; f <= Hamming; f++ {
			var k taps
			k.compute(size[0], size[1], f)
			src := growPacked(nil, size[0])
			for i := range src {
				for c := range src[i] {
					src[i][c] = uint64(rnd.Uint32N(256)) | uint64(rnd.Uint32N(256))<<32
				}
			}
			var got, want [2][]byte
			for i := range got {
				got[i], want[i] = make([]byte, 3*size[1]), make([]byte, 3*size[1])
			}
			k.pair(got[0], got[1], src)
			k.pairPlain(want[0], want[1], src)
			alone := make([]byte, 3*size[1])
			k.pair(alone, nil, src)
			if !bytes.Equal(got[0], want[0]) || !bytes.Equal(got[1], want[1]) || !bytes.Equal(alone, want[0]) {
				t.Fatalf("%d to %d by filter %d: other bytes", size[0], size[1], f)
			}
		}
	}
}

// TestRowsAreSummedTheSameWithVectorInstructions holds every byte of rows of every length around the width of a vector to those of plain Go, with weights that leave the range on both sides.
func TestRowsAreSummedTheSameWithVectorInstructions(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var r Resizer
	for n := 0; n <= 100; n++ {
		for _, taps := range []int{0, 1, 2, 4, 7, 13} {
			rows, weights := make([]byte, n*taps), make([]int32, taps)
			for i := range rows {
				rows[i] = byte(rnd.Uint32())
			}
			for i := range weights {
				weights[i] = int32(rnd.IntN(2<<precision)-1<<precision) / int32(taps)
			}
			got, want := make([]byte, n), make([]byte, n)
			r.sumRows(got, rows, weights)
			r.sumRowsPlain(want, rows, weights)
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes of %d rows: % x, want % x", n, taps, got, want)
			}
		}
	}
}

// A constant picture stays constant under every filter: the weights of each output sum to one in fixed point.
func FuzzResizeKeepsAConstantPicture(f *testing.F) {
	f.Add(uint16(100), uint16(30), uint16(7), uint16(50), byte(3), byte(200))
	f.Add(uint16(9), uint16(400), uint16(20), uint16(130), byte(1), byte(77)) // columns first
	f.Add(uint16(1), uint16(1), uint16(64), uint16(64), byte(1), byte(255))
	f.Fuzz(func(t *testing.T, sw, sh, dw, dh uint16, filter, value byte) {
		c := [4]int{int(sw%500) + 1, int(sh%500) + 1, int(dw%200) + 1, int(dh%200) + 1}
		src := raster{c[0], c[1], bytes.Repeat([]byte{value}, c[0]*c[1]*3)}
		dst := make([]byte, c[2]*c[3]*3)
		var r Resizer
		if err := r.Resize(t.Context(), dst, c[2], c[3], src, Filter(filter%6)); err != nil {
			t.Fatal(err)
		}
		for i, v := range dst {
			if v != value {
				t.Fatalf("%s of %v: byte %d is %d, want %d", Filter(filter%6), c, i, v, value)
			}
		}
	})
}

func BenchmarkResize(b *testing.B) {
	src := noise(1024, 768, 2)
	for _, f := range Filters() {
		b.Run(f.String(), func(b *testing.B) {
			var r Resizer
			dst := make([]byte, 224*224*3)
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Resize(b.Context(), dst, 224, 224, src, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
