package mp3

import (
	"errors"
	"fmt"
)

// maxFrame is the largest frame that is taken; those of 320 kbit/s at 32 kHz have 1,440 bytes.
const maxFrame = 4096

// searched is how far from the beginning the first frame may be.
const searched = 64 << 10

// stream is what is left of a file's frames.
type stream struct {
	b    []byte
	like frameHeader
	free int // bytes of a frame of free format, without padding
}

// findFirst looks for two headers of a kind, the second where the first says; or for one whose frame is all there is.
func findFirst(b []byte) (stream, frameHeader, error) {
	other := 0
	for at := 0; at+headerBytes <= len(b) && at < searched; at++ {
		h, ok := parseHeader(b[at:])
		if !ok {
			if h.layer == 1 || h.layer == 2 {
				other = otherLayer(b[at:], h, other)
			}
			continue
		}
		s := stream{b: b[at:], like: h}
		if h.bitrate == 0 {
			if s.free = freeSize(s.b, &h); s.free == 0 {
				continue
			}
		}
		size := h.bytes(s.free)
		switch next, ok := parseHeader(s.b[min(size, len(s.b)):]); {
		case size < headerBytes+h.side():
		case ok && next.like(&h), at == 0 && size >= len(s.b)-headerBytes:
			return s, h, nil
		}
	}
	switch {
	case other > 0:
		return stream{}, frameHeader{}, fmt.Errorf("MPEG audio of layer %d is not supported in this build", other)
	case len(b) == 0:
		return stream{}, frameHeader{}, errors.New("no bytes behind the tags")
	}
	return stream{}, frameHeader{}, errors.New("no two frames behind each other in the first 64 KiB")
}

// otherLayer says that b begins with frames of layer I or II, if so; else it returns seen.
func otherLayer(b []byte, h frameHeader, seen int) int {
	kbits := [2][2][15]int{
		{{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448}, {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384}},
		{{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256}, {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}},
	}[min(h.version, 1)][h.layer-1][b[2]>>4]
	size := 144*1000*kbits/h.rate + h.padding
	if h.layer == 1 {
		size = (12*1000*kbits/h.rate + h.padding) * 4
	}
	if size == 0 || size >= len(b) {
		return seen
	}
	if next, _ := parseHeader(b[size:]); next.layer == h.layer && next.version == h.version && next.rateIndex == h.rateIndex {
		return h.layer
	}
	return seen
}

// freeSize finds the size of frames of free format: the distance to the next header of the kind, if the one after it confirms it. 0 if there is none.
func freeSize(b []byte, h *frameHeader) int {
	for n := headerBytes + h.side(); n < maxFrame && n+headerBytes <= len(b); n++ {
		next, ok := parseHeader(b[n:])
		if !ok || !next.like(h) {
			continue
		}
		size := n - h.padding
		after := n + size + next.padding
		if after+headerBytes > len(b) {
			if after <= len(b) {
				return size
			}
			continue
		}
		if third, ok := parseHeader(b[after:]); ok && third.like(h) {
			return size
		}
	}
	return 0
}

// next takes the next whole frame, behind whatever is none: then lost is set.
func (s *stream) next() (h frameHeader, frame []byte, lost, ok bool) {
	h, ok = parseHeader(s.b)
	if !ok || !h.like(&s.like) {
		lost = true
		if h, ok = s.resync(); !ok {
			return h, nil, lost, false
		}
	}
	size := h.bytes(s.free)
	if size > len(s.b) {
		s.b = nil // a frame that is cut has no sound
		return h, nil, lost, false
	}
	frame, s.b = s.b[:size], s.b[size:]
	return h, frame, lost, true
}

// resync moves on to the next frame of the kind that another follows, or that ends the file.
func (s *stream) resync() (frameHeader, bool) {
	for at := 1; at+headerBytes <= len(s.b); at++ {
		if s.b[at] != 0xff {
			continue
		}
		h, ok := parseHeader(s.b[at:])
		if !ok || !h.like(&s.like) {
			continue
		}
		end := at + h.bytes(s.free)
		if end > len(s.b) {
			continue
		}
		if next, ok := parseHeader(s.b[end:]); end == len(s.b) || ok && next.like(&h) {
			s.b = s.b[at:]
			return h, true
		}
	}
	s.b = nil
	return frameHeader{}, false
}
