package mp3

import "math"

// spectrum is the dequantised spectrum of one channel. The lines of short blocks are interleaved by window: line k of window w is at 3k+w.
type spectrum struct {
	x    [granuleLines]float32
	used int // no line from here on is set; for short blocks rounded up to whole bands
}

// gains are 2^(n/4), for n of -400 on.
var gains = func() (g [512]float32) {
	for i := range g {
		g[i] = float32(math.Pow(2, float64(i-gainZero)/4))
	}
	return g
}()

const gainZero = 400

func gainOf(n int) float32 { return gains[max(n+gainZero, 0)&511] }

// read decodes the Huffman coded part of a granule, whose main data ends at bit end; false if it reaches beyond. Lines are scaled by the gain and the scale factors.
func (s *spectrum) read(r *bitReader, g *granule, b *bands, sf *scales, end int) bool {
	big := 2 * g.bigValues
	edges := [4]int{0, min(g.region1, big), min(g.region2, big), big}
	for k := range 3 {
		if edges[k] < edges[k+1] {
			books[g.tables[k]].pairs(r, s.x[edges[k]:edges[k+1]])
		}
	}
	if r.at > end {
		return false
	}
	n := big + quads[g.quadTable].quadruples(r, s.x[big:], end)
	r.at = end
	for n > 0 && s.x[n-1] == 0 {
		n--
	}
	clear(s.x[n:])
	s.used = n
	if g.blockType == shortBlock {
		s.scaleShort(g, b, sf)
	} else {
		s.scaleLong(g, b, sf, 22, n)
	}
	return true
}

// scaleLong multiplies the lines of the first long bands with their gains, up to line n.
func (s *spectrum) scaleLong(g *granule, b *bands, sf *scales, count, n int) {
	shift := 1
	if g.coarse {
		shift = 2
	}
	for k := range count {
		from, to := b.long[k], min(b.long[k+1], n)
		if from >= to {
			return
		}
		v := int(sf.long[k])
		if g.preflag {
			v += int(preemphasis[k])
		}
		gain := gainOf(g.gain - 210 - v<<shift)
		x := s.x[from:to]
		for i := range x {
			x[i] *= gain
		}
	}
}

// scaleShort does the same for short blocks, behind the long bands of a mixed one, and interleaves the windows, which the file has one behind the other in each band.
func (s *spectrum) scaleShort(g *granule, b *bands, sf *scales) {
	shift, first := 1, 0
	if g.coarse {
		shift = 2
	}
	if g.mixed {
		long := 8
		if b.long[8] != 36 {
			long = 6 // MPEG 2
		}
		s.scaleLong(g, b, sf, long, s.used)
		first = 3
	}
	var band [granuleLines]float32
	end := 3 * b.short[first]
	for k := first; k < 13; k++ {
		from, width := 3*b.short[k], b.short[k+1]-b.short[k]
		if from >= s.used {
			break
		}
		lines := band[:3*width]
		copy(lines, s.x[from:])
		out := s.x[from : from+3*width]
		for w := range 3 {
			gain := gainOf(g.gain - 210 - 8*g.subblockGain[w] - int(sf.short[k][w])<<shift)
			for i, v := range lines[w*width : (w+1)*width] {
				out[3*i+w] = v * gain
			}
		}
		end = from + 3*width
	}
	s.used = end
}
