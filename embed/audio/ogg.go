package audio

import (
	"encoding/binary"
	"io"

	"vecmill/schemas"
)

// maxPacket bounds a packet of sound: 48 frames of 1,275 bytes with their lengths are the most that Opus allows.
const maxPacket = 1 << 17

// oggPages yields the packets of the first logical stream of an Ogg file, in order. Every page's checksum is verified, and the numbers of the pages
// are held to be consecutive, so a hole is found.
type oggPages struct {
	rest     []byte // behind the pages read so far
	serial   uint32
	number   uint32 // of the next page
	begun    bool
	ended    bool   // the stream's last page was read
	granule  int64  // of the page in hand; -1 if no packet ends on it
	lacing   []byte // of the page in hand, what is left
	body     []byte
	packet   []byte // the packet under construction, if pages divide it
	comments bool   // the next packet is only skipped
	most     int    // bytes of a packet that pages divide; 0 is maxPacket
}

const oggHeader = 27

// next returns the next packet, valid until the call after; last says that no other packet ends on its page, whose granule position is then
// final. io.EOF follows the last packet.
func (o *oggPages) next() (packet []byte, last bool, err error) {
	o.packet = o.packet[:0]
	for held := 0; ; {
		n, whole := 0, false
		for len(o.lacing) > 0 && !whole {
			n += int(o.lacing[0])
			whole = o.lacing[0] < 255
			o.lacing = o.lacing[1:]
		}
		part := o.body[:n]
		o.body = o.body[n:]
		if whole && held == 0 {
			return part, !o.more(), nil
		}
		held += n
		switch {
		case o.comments: // may hold pictures, and is not looked at
		case held > max(o.most, maxPacket):
			return nil, false, schemas.Rejectf(schemas.ReasonDecode, "ogg: a packet of more than %d bytes", max(o.most, maxPacket))
		default:
			o.packet = append(o.packet, part...)
		}
		if whole {
			return o.packet, !o.more(), nil
		}
		if err := o.page(held > 0); err != nil {
			return nil, false, err
		}
	}
}

// more says whether another packet ends on the page in hand.
func (o *oggPages) more() bool {
	for _, n := range o.lacing {
		if n < 255 {
			return true
		}
	}
	return false
}

// page takes the stream's next page in hand; within says that it must continue a packet.
func (o *oggPages) page(within bool) error {
	for {
		if o.ended || len(o.rest) == 0 {
			if within {
				return schemas.Rejectf(schemas.ReasonDecode, "ogg: truncated inside a packet")
			}
			return o.end()
		}
		b := o.rest
		if len(b) < oggHeader || len(b) < oggHeader+int(b[26]) {
			return schemas.Rejectf(schemas.ReasonDecode, "ogg: truncated inside a page's header")
		}
		if string(b[:4]) != "OggS" || b[4] != 0 {
			return schemas.Rejectf(schemas.ReasonDecode, "ogg: no page where one should begin")
		}
		lacing := b[oggHeader : oggHeader+int(b[26])]
		size := oggHeader + len(lacing)
		for _, n := range lacing {
			size += int(n)
		}
		if size > len(b) {
			return schemas.Rejectf(schemas.ReasonDecode, "ogg: truncated inside a page")
		}
		if oggSum(b[:size]) != binary.LittleEndian.Uint32(b[22:]) {
			return schemas.Rejectf(schemas.ReasonDecode, "ogg: a page's checksum is wrong")
		}
		o.rest = b[size:]
		serial, number := binary.LittleEndian.Uint32(b[14:]), binary.LittleEndian.Uint32(b[18:])
		if !o.begun {
			o.begun, o.serial, o.number = true, serial, number
		}
		if serial != o.serial {
			continue // another stream beside this one
		}
		if number != o.number {
			return schemas.Rejectf(schemas.ReasonDecode, "ogg: page %d is missing", o.number)
		}
		if continued := b[5]&1 != 0; continued != within {
			return schemas.Rejectf(schemas.ReasonDecode, "ogg: page %d does not continue the one before it", number)
		}
		o.number++
		o.ended = b[5]&4 != 0
		o.granule = int64(binary.LittleEndian.Uint64(b[6:]))
		o.lacing, o.body = lacing, b[oggHeader+len(lacing):size]
		return nil
	}
}

// end is io.EOF, unless another stream begins behind this one: its samples would be lost without a word.
func (o *oggPages) end() error {
	if b := o.rest; len(b) >= oggHeader && string(b[:4]) == "OggS" && b[5]&2 != 0 {
		return schemas.Rejectf(schemas.ReasonDecode, "ogg: several streams behind each other are not supported in this build")
	}
	return io.EOF
}

// oggSum is a page's checksum, taken with zero in the place of the checksum itself: polynomial 0x04c11db7, not reflected.
func oggSum(page []byte) uint32 {
	var sum uint32
	for i, c := range page {
		if i >= 22 && i < 26 {
			c = 0
		}
		sum = sum<<8 ^ oggTable[byte(sum>>24)^c]
	}
	return sum
}

// oggTable has the remainders of every byte.
var oggTable = func() (t [256]uint32) {
	for i := range t {
		r := uint32(i) << 24
		for range 8 {
			if r&(1<<31) != 0 {
				r = r<<1 ^ 0x04c11db7
			} else {
				r <<= 1
			}
		}
		t[i] = r
	}
	return t
}()
