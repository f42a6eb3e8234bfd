package vp8l

import (
	"math/rand/v2"
	"testing"
)

// channels are those of a pixel, blue first.
func channels(v uint32) (c [4]int) {
	for i := range c {
		c[i] = int(v >> (8 * i) & 255)
	}
	return c
}

// prediction is RFC 9649, section 3.4.1, channel by channel.
func prediction(mode int, left, above, right, corner uint32) (out [4]int) {
	l, t, tr, tl := channels(left), channels(above), channels(right), channels(corner)
	distanceToLeft, distanceToAbove := 0, 0
	for i := range out {
		p := l[i] + t[i] - tl[i]
		distanceToLeft += max(p-l[i], l[i]-p)
		distanceToAbove += max(p-t[i], t[i]-p)
	}
	clamp := func(v int) int { return min(max(v, 0), 255) }
	for i := range out {
		l, t, tr, tl := l[i], t[i], tr[i], tl[i]
		switch mode {
		case 0, 14, 15:
			out[i] = []int{0, 0, 0, 255}[i]
		case 1:
			out[i] = l
		case 2:
			out[i] = t
		case 3:
			out[i] = tr
		case 4:
			out[i] = tl
		case 5:
			out[i] = ((l+tr)/2 + t) / 2
		case 6:
			out[i] = (l + tl) / 2
		case 7:
			out[i] = (l + t) / 2
		case 8:
			out[i] = (tl + t) / 2
		case 9:
			out[i] = (t + tr) / 2
		case 10:
			out[i] = ((l+tl)/2 + (t+tr)/2) / 2
		case 11:
			if out[i] = t; distanceToLeft < distanceToAbove {
				out[i] = l
			}
		case 12:
			out[i] = clamp(l + t - tl)
		case 13:
			out[i] = clamp((l+t)/2 + ((l+t)/2-tl)/2)
		}
	}
	return out
}

func TestPredictionsAreThoseOfTheFormat(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	drawn := func(n int) []uint32 {
		v := make([]uint32, n)
		for i := range v {
			if v[i] = r.Uint32(); r.IntN(3) == 0 {
				v[i] = []uint32{0, 0xFFFFFFFF, 0xFF00FF00, 0x00FF00FF, 0x80808080, 0x7F7F7F7F}[r.IntN(6)]
			}
		}
		return v
	}
	const n = 3000
	for mode := range 16 {
		residue, above := drawn(n+1), drawn(n+2)
		got := append([]uint32(nil), residue...)
		unpredictBlock(uint32(mode), got, above)
		for i := 1; i <= n; i++ {
			want, rest := prediction(mode, got[i-1], above[i], above[i+1], above[i-1]), channels(residue[i])
			for c, v := range channels(got[i]) {
				if v != (want[c]+rest[c])&255 {
					t.Fatalf("predictor %d, pixel %d, channel %d: %d, want %d + %d", mode, i, c, v, want[c], rest[c])
				}
			}
		}
	}
}

func TestColoursAreAddedAsTheFormatSays(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 100 {
		const w, h, bits = 37, 9, 2
		tr := transform{bits: bits, width: w, data: make([]uint32, blocks(w, bits)*blocks(h, bits))}
		for i := range tr.data {
			tr.data[i] = r.Uint32()
		}
		pixels := make([]uint32, w*h)
		for i := range pixels {
			pixels[i] = r.Uint32()
		}
		before := append([]uint32(nil), pixels...)
		tr.recolour(pixels)
		for i, v := range pixels {
			m, p := channels(tr.data[i/w>>bits*blocks(w, bits)+i%w>>bits]), channels(before[i])
			delta := func(factor, c int) int { return int(int8(factor)) * int(int8(c)) >> 5 }
			red := (p[2] + delta(m[0], p[1])) & 255
			blue := (p[0] + delta(m[1], p[1]) + delta(m[2], red)) & 255
			if want := [4]int{blue, p[1], red, p[3]}; channels(v) != want {
				t.Fatalf("pixel %d: %v, want %v", i, channels(v), want)
			}
		}
	}
}
