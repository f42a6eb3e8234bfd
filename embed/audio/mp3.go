package audio

import (
	"encoding/binary"
)

// mp3Length reads rate, channels and length of an MP3 from the Xing or Info frame in front, as encoders write it behind an ID3 tag: frames less the
// delay and padding of LAME's part, which is what libsndfile gives. ok is false where there is none in b; the length is then that of the frames.
func mp3Length(b []byte) (h header, ok bool) {
	b = b[min(id3Length(b), len(b)):]
	if len(b) < 4 || b[0] != 0xff || b[1]&0xe6 != 0xe2 { // layer III
		return header{}, false
	}
	version, rate := b[1]>>3&3, int(b[2]>>2&3)
	if version == 1 || rate == 3 {
		return header{}, false
	}
	h = header{rate: [3]int{44100, 48000, 32000}[rate], channels: 2}
	samples, side := int64(1152), 32 // of MPEG 1: samples of a frame, bytes in front of the tag
	mono := b[3]>>6 == 3
	switch {
	case version == 3 && mono:
		side = 17
	case version != 3 && mono:
		samples, side = 576, 9
	case version != 3:
		samples, side = 576, 17
	}
	if mono {
		h.channels = 1
	}
	switch version {
	case 2:
		h.rate /= 2
	case 0:
		h.rate /= 4
	}
	b = b[4:]
	if len(b) < side+12 || string(b[side:side+4]) != "Xing" && string(b[side:side+4]) != "Info" {
		return header{}, false
	}
	b = b[side+4:]
	flags := binary.BigEndian.Uint32(b)
	if flags&1 == 0 {
		return header{}, false
	}
	h.frames = int64(binary.BigEndian.Uint32(b[4:])) * samples
	lame := 8
	for i, size := range []int{4, 100, 4} { // bytes, table of places, quality
		if flags>>(i+1)&1 != 0 {
			lame += size
		}
	}
	if len(b) < lame+24 {
		return header{}, false
	}
	switch string(b[lame : lame+4]) {
	case "LAME", "Lavf", "Lavc":
		h.frames -= int64(b[lame+21])<<4 | int64(b[lame+22]>>4)   // delay
		h.frames -= int64(b[lame+22]&0x0f)<<8 | int64(b[lame+23]) // padding
	}
	return h, h.frames > 0
}
