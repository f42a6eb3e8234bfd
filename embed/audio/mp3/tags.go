package mp3

import (
	"bytes"
	"encoding/binary"
)

// trim takes the tags off both ends of a file: ID3v2 (several, as taggers leave them) and APE in front; ID3v1, APE and Lyrics3 behind. from is where the rest begins.
func trim(b []byte) (rest []byte, from int) {
	for {
		n := headTag(b[from:])
		if n == 0 {
			break
		}
		from += min(n, len(b)-from)
	}
	rest = b[from:]
	for {
		n := tailTag(rest)
		if n == 0 {
			return rest, from
		}
		rest = rest[:len(rest)-n]
	}
}

// headTag is the length of a tag in front of b.
func headTag(b []byte) int {
	switch {
	case len(b) >= 10 && string(b[:3]) == "ID3" && b[3] != 0xff && b[4] != 0xff && (b[6]|b[7]|b[8]|b[9])&0x80 == 0:
		n := 10 + (int(b[6])<<21 | int(b[7])<<14 | int(b[8])<<7 | int(b[9]))
		if b[5]&0x10 != 0 {
			n += 10 // a footer
		}
		return n
	case len(b) >= 32 && string(b[:8]) == "APETAGEX":
		return 32 + int(binary.LittleEndian.Uint32(b[12:])&0xfffffff) // what follows the header, its footer included
	}
	return 0
}

// tailTag is the length of a tag at the end of b; 0 if there is none, or none that fits.
func tailTag(b []byte) int {
	n := 0
	switch {
	case len(b) >= 128 && string(b[len(b)-128:len(b)-125]) == "TAG":
		n = 128
	case len(b) >= 32 && string(b[len(b)-32:len(b)-24]) == "APETAGEX":
		f := b[len(b)-32:]
		n = int(binary.LittleEndian.Uint32(f[12:]) & 0xfffffff)
		if f[23]&0x80 != 0 {
			n += 32 // a header as well
		}
		n = max(n, 32)
	case bytes.HasSuffix(b, []byte("LYRICS200")) && len(b) >= 15:
		n = 15
		for _, c := range b[len(b)-15 : len(b)-9] {
			if c < '0' || c > '9' {
				return 0
			}
		}
		size := 0
		for _, c := range b[len(b)-15 : len(b)-9] {
			size = 10*size + int(c-'0')
		}
		n += size
	}
	if n > len(b) {
		return 0
	}
	return n
}

// info is what an encoder says about the file in its first frame, which has no sound of its own.
type info struct {
	frames  int64 // that follow; -1 if it does not say, as one of 0 does not: its encoder did not end
	gapless bool  // the frames are all there are, and the decoder's delay is to be thrown away
	delay   int64 // samples in front that the encoder has put there
	padding int64 // and behind
}

// counted is a tag's number of frames.
func counted(b []byte) int64 {
	if n := binary.BigEndian.Uint32(b); n > 0 {
		return int64(n)
	}
	return -1
}

// parseInfo reads the Xing (Info) or VBRI tag of a whole frame; false if it has none.
func parseInfo(h *frameHeader, b []byte) (info, bool) {
	in := info{frames: -1}
	if at := headerBytes + 32; len(b) >= at+26 && string(b[at:at+4]) == "VBRI" {
		in.frames = counted(b[at+14:])
		return in, true
	}
	at := headerBytes + h.side()
	if h.protected {
		// Encoders disagree on whether the checksum counts.
		if len(b) >= at+6 && (string(b[at+2:at+6]) == "Xing" || string(b[at+2:at+6]) == "Info") {
			at += 2
		}
	}
	if len(b) < at+8 || string(b[at:at+4]) != "Xing" && string(b[at:at+4]) != "Info" {
		return in, false
	}
	flags := binary.BigEndian.Uint32(b[at+4:])
	at += 8
	if flags&1 != 0 && len(b) >= at+4 {
		in.frames = counted(b[at:])
	}
	for i, size := range []int{4, 4, 100, 4} { // frames, bytes, table of places, quality
		if flags>>i&1 != 0 {
			at += size
		}
	}
	in.gapless = in.frames >= 0
	if len(b) >= at+24 && b[at] != 0 {
		in.delay = int64(b[at+21])<<4 | int64(b[at+22]>>4)
		in.padding = int64(b[at+22]&0x0f)<<8 | int64(b[at+23])
	}
	return in, true
}
