package mp3

// granule is the side information of one channel in one granule.
type granule struct {
	part23       int // bits of scale factors and spectrum
	bigValues    int // pairs
	gain         int
	compress     int // of the scale factors
	blockType    int
	mixed        bool
	switched     bool
	tables       [3]int
	subblockGain [3]int
	region1      int // first line of region 1
	region2      int
	preflag      bool
	coarse       bool // scale factors count double
	quadTable    int
}

const (
	shortBlock = 2

	granuleLines = 576
	subbands     = 32
	subbandLines = 18
)

// sideInfo is what stands between a frame's header and its main data.
type sideInfo struct {
	begin    int        // bytes that the main data begins in front of this frame's
	share    [2][4]bool // scale factor groups that granule 1 has from granule 0, by channel
	granules [2][2]granule
}

// parseSide reads the side information of a frame; false if it cannot be.
func parseSide(r *bitReader, h *frameHeader, s *sideInfo) bool {
	channels := h.channels()
	if h.version == mpeg1 {
		s.begin = r.read(9)
		r.read([3]int{0, 5, 3}[channels]) // private
		for ch := range channels {
			for k := range s.share[ch] {
				s.share[ch][k] = r.flag()
			}
		}
	} else {
		s.begin = r.read(8)
		r.read(channels)
		s.share = [2][4]bool{}
	}
	ok := true
	for g := range h.granules() {
		for ch := range channels {
			ok = s.granules[g][ch].parse(r, h) && ok
		}
	}
	return ok
}

// parse reads one channel's part of one granule.
func (g *granule) parse(r *bitReader, h *frameHeader) bool {
	*g = granule{part23: r.read(12), bigValues: r.read(9), gain: r.read(8)}
	if h.version == mpeg1 {
		g.compress = r.read(4)
	} else {
		g.compress = r.read(9)
	}
	b := &bandTable[h.version][h.rateIndex]
	if g.switched = r.flag(); g.switched {
		g.blockType, g.mixed = r.read(2), r.flag()
		g.tables[0], g.tables[1] = r.read(5), r.read(5)
		for k := range g.subblockGain {
			g.subblockGain[k] = r.read(3)
		}
		g.region1, g.region2 = g.implied(h, b), granuleLines
	} else {
		for k := range g.tables {
			g.tables[k] = r.read(5)
		}
		first, second := r.read(4), r.read(3)
		g.region1 = b.long[first+1]
		g.region2 = b.long[min(first+second+2, 22)]
	}
	if h.version == mpeg1 {
		g.preflag = r.flag()
	}
	g.coarse = r.flag()
	g.quadTable = r.read(1)
	return g.bigValues <= granuleLines/2 && (!g.switched || g.blockType != 0)
}

// implied is where region 1 begins in a granule whose window switches.
func (g *granule) implied(h *frameHeader, b *bands) int {
	pure := g.blockType == shortBlock && !g.mixed
	switch {
	case h.version == mpeg1, h.version == mpeg2 && g.blockType == shortBlock:
		return 36
	case h.version == mpeg25 && pure:
		return b.long[6]
	}
	return b.long[8]
}
