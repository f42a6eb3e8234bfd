package jpeg

import "encoding/binary"

// bits reads entropy-coded data. Stuffed zero bytes are removed; at a marker, or at the end of the data, zeros follow, which
// overrun tells from real ones.
type bits struct {
	data []byte
	pos  int    // of the next byte to load; stays at the marker that ends the data
	acc  uint64 // the low n bits are valid
	n    uint
	pad  uint // how many of the n are made up
}

// fill makes at least 33 bits available.
func (b *bits) fill() {
	if b.n <= 32 && b.pos+4 <= len(b.data) {
		v := binary.BigEndian.Uint32(b.data[b.pos:])
		if x := ^v; (x-0x01010101)&^x&0x80808080 == 0 { // none of the four bytes is 0xFF
			b.acc = b.acc<<32 | uint64(v)
			b.n += 32
			b.pos += 4
			return
		}
	}
	b.fillSlowly()
}

func (b *bits) fillSlowly() {
	for b.n <= 48 {
		var c byte
		switch {
		case b.pos >= len(b.data):
			b.pad += 8
		case b.data[b.pos] != 0xFF:
			c = b.data[b.pos]
			b.pos++
		case b.pos+1 < len(b.data) && b.data[b.pos+1] == 0:
			c = 0xFF
			b.pos += 2
		default:
			b.pad += 8
		}
		b.acc = b.acc<<8 | uint64(c)
		b.n += 8
	}
}

// overrun says whether more bits were taken than there are.
func (b *bits) overrun() bool { return b.pad > b.n }

// take gives the next k bits, k at most 16; 33 or more less what was taken since must have been filled.
func (b *bits) take(k uint) uint32 {
	b.n -= k
	return uint32(b.acc>>b.n) & (1<<k - 1)
}

// bit gives one bit.
func (b *bits) bit() bool {
	if b.n == 0 {
		b.fill()
	}
	b.n--
	return b.acc>>b.n&1 != 0
}

// extend turns k raw bits into a signed value, as the standard's EXTEND.
func extend(v uint32, k uint) int32 {
	if k == 0 {
		return 0
	}
	x := int32(v)
	return x + (((x - 1<<(k-1)) >> 31) & (-1<<k + 1))
}

// restart begins anew behind the n-th restart marker, which must come next.
func (b *bits) restart(n int) error {
	if b.overrun() {
		return damaged("entropy-coded data ends early")
	}
	// A fill stops at a marker, so whole bytes of the accumulator that are left over lie before it: they are dropped.
	for b.pos < len(b.data) && b.data[b.pos] != 0xFF {
		b.pos++
	}
	for b.pos+1 < len(b.data) && b.data[b.pos] == 0xFF && b.data[b.pos+1] == 0xFF {
		b.pos++ // fill bytes
	}
	if b.pos+1 >= len(b.data) || b.data[b.pos] != 0xFF || b.data[b.pos+1] != byte(markerRST0+n&7) {
		return damaged("restart marker %d is missing", n&7)
	}
	b.pos += 2
	b.acc, b.n, b.pad = 0, 0, 0
	return nil
}
