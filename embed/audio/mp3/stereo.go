package mp3

import "math"

// joint undoes the coding of two channels together: sum and difference, and intensity where only the left one has a spectrum.
func joint(h *frameHeader, gr *[2]granule, sf *[2]scales, ch *[2]spectrum) {
	var s intensity
	b := &bandTable[h.version][h.rateIndex]
	if h.intensity {
		s = intensity{l: &ch[0].x, r: &ch[1].x, sf: &sf[1], ms: h.msStereo, lsf: h.version != mpeg1, quiet: ch[1].used}
		s.root = math.Pow(2, -0.25*float64(1+gr[1].compress&1))
		s.findShort(b)
	}
	if h.msStereo {
		n := max(ch[0].used, ch[1].used)
		l, r := ch[0].x[:n], ch[1].x[:n]
		for i, m := range l {
			d := r[i]
			l[i], r[i] = (m+d)*(1/math.Sqrt2), (m-d)*(1/math.Sqrt2)
		}
	}
	switch {
	case !h.intensity:
	case gr[1].blockType == shortBlock:
		s.short(b, gr[1].mixed)
	default:
		s.long(b, 22)
	}
	both := max(ch[0].used, ch[1].used)
	ch[0].used, ch[1].used = both, both
}

// intensity spreads the left channel over both, band by band, above the right channel's last line.
type intensity struct {
	l, r       *[granuleLines]float32
	sf         *scales
	ms         bool
	lsf        bool
	root       float64 // LSF: the step
	quiet      int     // lines from here on were empty in the right channel
	quietShort [3]int  // short bands likewise, by window
}

// findShort looks for the right channel's last short band of each window.
func (s *intensity) findShort(b *bands) {
	for w := range 3 {
		k := (s.quiet + 2 - w) / 3 // lines of this window below quiet
		for k > 0 && s.r[3*(k-1)+w] == 0 {
			k--
		}
		for s.quietShort[w] < 13 && b.short[s.quietShort[w]] < k {
			s.quietShort[w]++
		}
	}
}

// long takes the empty ones of the first n long bands.
func (s *intensity) long(b *bands, n int) {
	for k := range n {
		if b.long[k] < s.quiet {
			continue
		}
		from := min(k, 20) // the last band has the position of the one before it
		s.spread(int(s.sf.long[from]), b.long[k], b.long[k+1], 1)
	}
}

// short does the same in each window; those of a mixed block begin behind its long bands.
func (s *intensity) short(b *bands, mixed bool) {
	first := 0
	if mixed {
		first = 3
	}
	low := true
	for w := range 3 {
		low = low && s.quietShort[w] <= 3
		for k := max(s.quietShort[w], first); k < 13; k++ {
			from := min(k, 11)
			s.spread(int(s.sf.short[from][w]), 3*b.short[k]+w, 3*b.short[k+1]+w, 3)
		}
	}
	if mixed && low {
		long := 8
		if b.long[8] != 36 {
			long = 6
		}
		s.long(b, long)
	}
}

// spread gives lines from, from+step ... below to their two parts by an intensity position. 7 is none, and the lines stay as they are. The standard has another number
// for that in MPEG 2, the largest of the band; libmpg123, which is the reference here, has not.
func (s *intensity) spread(position int, from, to, step int) {
	var l, r float64
	switch {
	case position == 7:
		return
	case !s.lsf:
		t := math.Tan(float64(position) * math.Pi / 12)
		l, r = t/(1+t), 1/(1+t)
		if position == 6 {
			l, r = 1, 0
		}
	case position&1 != 0:
		l, r = math.Pow(s.root, float64(position+1)/2), 1
	default:
		l, r = 1, math.Pow(s.root, float64(position)/2)
	}
	if s.ms {
		l, r = l*math.Sqrt2, r*math.Sqrt2 // sum and difference have taken half
	}
	kl, kr := float32(l), float32(r)
	for i := from; i < to; i += step {
		v := s.l[i]
		s.l[i], s.r[i] = v*kl, v*kr
	}
}
