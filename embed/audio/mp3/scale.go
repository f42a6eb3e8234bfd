package mp3

// scales are the scale factors of one channel in one granule: of long bands, and of short ones by window.
type scales struct {
	long  [23]uint8
	short [13][3]uint8
}

var (
	longLengths  = [16]int{0, 0, 0, 0, 3, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4}
	shortLengths = [16]int{0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 2, 3}
	shareGroups  = [5]int{0, 6, 11, 16, 21} // long bands of the groups that granules share
	preemphasis  = [22]uint8{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 2, 0}
)

// readScales1 reads the scale factors of MPEG 1. s holds those of granule 0 when second is set, and groups of share stay as they are.
func readScales1(r *bitReader, g *granule, s *scales, second bool, share *[4]bool) {
	n1, n2 := longLengths[g.compress], shortLengths[g.compress]
	if g.blockType == shortBlock {
		first := 0
		if g.mixed {
			for b := range 8 {
				s.long[b] = uint8(r.read(n1))
			}
			first = 3
		}
		for b := first; b < 12; b++ {
			n := n1
			if b >= 6 {
				n = n2
			}
			for w := range 3 {
				s.short[b][w] = uint8(r.read(n))
			}
		}
		s.short[12] = [3]uint8{}
		return
	}
	for k := range share {
		if second && share[k] {
			continue
		}
		n := n1
		if k >= 2 {
			n = n2
		}
		for b := shareGroups[k]; b < shareGroups[k+1]; b++ {
			s.long[b] = uint8(r.read(n))
		}
	}
	s.long[21], s.long[22] = 0, 0
}

// partitions of MPEG 2: how many scale factors have each of the four lengths, by the way that the lengths are packed, then for long, short and mixed blocks.
var partitions = [6][3][4]int{
	{{6, 5, 5, 5}, {9, 9, 9, 9}, {6, 9, 9, 9}},
	{{6, 5, 7, 3}, {9, 9, 12, 6}, {6, 9, 12, 6}},
	{{11, 10, 0, 0}, {18, 18, 0, 0}, {15, 18, 0, 0}},
	{{7, 7, 7, 0}, {12, 12, 12, 0}, {6, 15, 12, 0}},
	{{6, 6, 6, 3}, {12, 9, 9, 6}, {6, 12, 9, 6}},
	{{8, 8, 5, 0}, {15, 12, 9, 0}, {6, 18, 9, 0}},
}

// unpackLengths reads the four lengths of scale factors out of their nine bits. right says that they are intensity positions, of the right channel.
func unpackLengths(c int, right bool) (packing int, n [4]int) {
	if right {
		c >>= 1
		switch {
		case c < 180:
			return 3, [4]int{c / 36, c % 36 / 6, c % 6}
		case c < 244:
			c -= 180
			return 4, [4]int{c >> 4 & 3, c >> 2 & 3, c & 3}
		}
		c -= 244
		return 5, [4]int{c / 3, c % 3}
	}
	switch {
	case c < 400:
		return 0, [4]int{(c >> 4) / 5, (c >> 4) % 5, c >> 2 & 3, c & 3}
	case c < 500:
		c -= 400
		return 1, [4]int{(c >> 2) / 5, (c >> 2) % 5, c & 3}
	}
	c -= 500
	return 2, [4]int{c / 3, c % 3}
}

// readScales2 reads the scale factors of MPEG 2 and 2.5.
func readScales2(r *bitReader, g *granule, s *scales, right bool) {
	packing, lengths := unpackLengths(g.compress, right)
	g.preflag = packing == 2
	shape := 0
	if g.blockType == shortBlock {
		shape = 1
		if g.mixed {
			shape = 2
		}
	}
	*s = scales{}
	at := 0
	for k, count := range partitions[packing][shape] {
		for range count {
			s.set(shape, at, uint8(r.read(lengths[k])))
			at++
		}
	}
}

// set puts the value in order of the file at its band.
func (s *scales) set(shape, at int, v uint8) {
	switch {
	case shape == 0 || shape == 2 && at < 6:
		s.long[at] = v
	case shape == 1:
		s.short[at/3][at%3] = v
	default:
		s.short[3+(at-6)/3][(at-6)%3] = v
	}
}
