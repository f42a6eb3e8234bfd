package mp3

// versions of MPEG audio; the numbers index tables.
const (
	mpeg1 = iota
	mpeg2
	mpeg25
)

// modes of channels.
const (
	jointStereo = 1
	mono        = 3
)

// frameHeader is the four bytes in front of each frame.
type frameHeader struct {
	version   int
	layer     int
	protected bool // 16 bits of checksum follow
	bitrate   int  // bits a second; 0: free format
	rateIndex int
	rate      int
	padding   int // bytes
	mode      int
	msStereo  bool
	intensity bool
}

const headerBytes = 4

var bitrates = [2][15]int{
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}, // MPEG 1 layer III, kbit/s
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},     // MPEG 2, 2.5
}

// parseHeader reads a header of layer III; ok is false if b does not begin with one. layer is set also for headers of the other layers.
func parseHeader(b []byte) (h frameHeader, ok bool) {
	if len(b) < headerBytes || b[0] != 0xff || b[1]&0xe0 != 0xe0 {
		return h, false
	}
	version := b[1] >> 3 & 3
	h.layer = 4 - int(b[1]>>1&3) // 4: reserved
	bitrate, rate := int(b[2]>>4), int(b[2]>>2&3)
	if version == 1 || h.layer == 4 || bitrate == 15 || rate == 3 || b[3]&3 == 2 {
		return frameHeader{}, false
	}
	h.version = [4]int{mpeg25, 0, mpeg2, mpeg1}[version]
	h.protected = b[1]&1 == 0
	h.rateIndex = rate
	h.rate = [3]int{44100, 48000, 32000}[rate] >> h.version
	h.padding = int(b[2] >> 1 & 1)
	h.mode = int(b[3] >> 6)
	h.msStereo = h.mode == jointStereo && b[3]&0x20 != 0
	h.intensity = h.mode == jointStereo && b[3]&0x10 != 0
	h.bitrate = 1000 * bitrates[min(h.version, 1)][bitrate]
	return h, h.layer == 3
}

func (h *frameHeader) channels() int {
	if h.mode == mono {
		return 1
	}
	return 2
}

// samples of a frame, of one channel.
func (h *frameHeader) samples() int { return granuleLines * h.granules() }

func (h *frameHeader) granules() int {
	if h.version == mpeg1 {
		return 2
	}
	return 1
}

// bytes is the size of the frame; free is that of one of free format without padding.
func (h *frameHeader) bytes(free int) int {
	if h.bitrate == 0 {
		return free + h.padding
	}
	return h.samples()/8*h.bitrate/h.rate + h.padding
}

// side is the size of the side information.
func (h *frameHeader) side() int {
	switch {
	case h.version == mpeg1 && h.mode == mono:
		return 17
	case h.version == mpeg1:
		return 32
	case h.mode == mono:
		return 9
	}
	return 17
}

// like says whether a frame may follow one of o in the same stream. Bit rate, padding and the way of stereo may change.
func (h *frameHeader) like(o *frameHeader) bool {
	return h.version == o.version && h.rateIndex == o.rateIndex && (h.mode == mono) == (o.mode == mono) && (h.bitrate == 0) == (o.bitrate == 0)
}
