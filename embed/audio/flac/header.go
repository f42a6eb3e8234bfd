package flac

import (
	"errors"
	"fmt"
)

// Info is what STREAMINFO says.
type Info struct {
	Rate     int   // samples a second; 0 if it does not say
	Channels int   // 1 to 8
	Bits     int   // of a sample
	Frames   int64 // samples of each channel, -1 if it does not say
}

// The bits of a sample that are decoded: what a frame's samples, and their differences, need fits 32 bits.
const (
	minBits = 4
	maxBits = 24
)

// infoEnd is where the part of STREAMINFO that is read ends: signature, block header, 18 bytes.
const infoEnd = 4 + 4 + 18

// ParseInfo reads STREAMINFO from the first bytes of a stream.
func ParseInfo(b []byte) (Info, error) {
	if len(b) < infoEnd || string(b[:4]) != "fLaC" || b[4]&0x7f != 0 {
		return Info{}, errors.New("no STREAMINFO block")
	}
	b = b[18:infoEnd]
	in := Info{
		Rate:     int(b[0])<<12 | int(b[1])<<4 | int(b[2])>>4,
		Channels: int(b[2]>>1&7) + 1,
		Bits:     int(b[2]&1)<<4 | int(b[3])>>4 + 1,
		Frames:   int64(b[3]&0x0f)<<32 | int64(b[4])<<24 | int64(b[5])<<16 | int64(b[6])<<8 | int64(b[7]),
	}
	if in.Frames == 0 {
		in.Frames = -1
	}
	if in.Bits < minBits || in.Bits > maxBits {
		return Info{}, fmt.Errorf("%d bits a sample are not supported in this build", in.Bits)
	}
	return in, nil
}

// skipMetadata is where the frames begin.
func skipMetadata(b []byte) (int, error) {
	for at := 4; at+4 <= len(b); {
		last := b[at]&0x80 != 0
		at += 4 + int(b[at+1])<<16 + int(b[at+2])<<8 + int(b[at+3])
		if last && at <= len(b) {
			return at, nil
		}
	}
	return 0, errTruncated
}

// pairing is how the channels of a frame are coded: their code there, where it is not just a number.
type pairing int

const (
	apart     pairing = 0
	leftSide  pairing = 8
	sideRight pairing = 9
	midSide   pairing = 10
)

// frameHeader is what a frame says about itself.
type frameHeader struct {
	block    int // samples of a channel
	channels int
	pair     pairing
}

var (
	errSync     = errors.New("no frame where one should begin")
	errReserved = errors.New("a frame's header has a reserved code")
	errDisagree = errors.New("a frame disagrees with STREAMINFO")
	errRate     = errors.New("the sample rate changes inside the stream")
	errChecksum = errors.New("a checksum is wrong")
)

// frameHeader reads the header at r, which begins with whole bytes.
func (in *Info) frameHeader(r *bitReader) (h frameHeader, err error) {
	from := r.at / 8
	if r.read(15) != 0x7ffc { // the sync code, and a reserved bit
		return h, errSync
	}
	r.at++ // whether blocks are of one size
	size, rate, channels, bits := r.read(4), r.read(4), r.read(4), r.read(3)
	if r.read(1) != 0 || !skipNumber(r) {
		return h, errReserved
	}
	if h.block = blockSize(r, size); h.block == 0 {
		return h, errReserved
	}
	hertz := sampleRate(r, rate)
	sum := crc8(r.b[from:min(r.at/8, len(r.b))])
	h.channels = channels + 1
	if channels >= int(leftSide) {
		h.channels, h.pair = 2, pairing(channels)
	}
	switch want := r.read(8); {
	case want != int(sum):
		return h, errChecksum
	case h.pair > midSide || rate == 15:
		return h, errReserved
	case hertz != 0 && hertz != in.Rate:
		return h, errRate
	case h.channels != in.Channels || bits != 0 && sampleBits[bits] != in.Bits:
		return h, errDisagree
	}
	return h, nil
}

// sampleBits are the bits of a sample by their code, 0 for STREAMINFO's and -1 for none.
var sampleBits = [8]int{1: 8, 2: 12, 3: -1, 4: 16, 5: 20, 6: 24, 7: 32}

// skipNumber passes over the number of the frame or of its first sample, in the form of UTF-8 with up to seven bytes.
func skipNumber(r *bitReader) bool {
	first := r.read(8)
	more := 0
	switch {
	case first < 0x80:
	case first < 0xc0 || first == 0xff:
		return false
	default:
		for more = 1; first<<(more+1)&0x80 != 0; more++ {
		}
	}
	for range more {
		if r.read(8)>>6 != 2 {
			return false
		}
	}
	return true
}

// blockSize reads the samples of a frame for their code, 0 if that is reserved.
func blockSize(r *bitReader, code int) int {
	switch {
	case code == 0:
		return 0
	case code == 1:
		return 192
	case code < 6:
		return 576 << (code - 2)
	case code == 6:
		return r.read(8) + 1
	case code == 7:
		return r.read(16) + 1
	}
	return 256 << (code - 8)
}

// sampleRate reads the rate for its code, 0 if the frame leaves it to STREAMINFO or the code is reserved.
func sampleRate(r *bitReader, code int) int {
	switch code {
	case 12:
		return 1000 * r.read(8)
	case 13:
		return r.read(16)
	case 14:
		return 10 * r.read(16)
	}
	return [16]int{1: 88200, 2: 176400, 3: 192000, 4: 8000, 5: 16000, 6: 22050, 7: 24000, 8: 32000, 9: 44100, 10: 48000, 11: 96000}[code]
}
