package image

import "encoding/binary"

// The filters of PNG's rows.
const (
	filterNone = iota
	filterSub
	filterUp
	filterAverage
	filterPaeth
)

// unfilter undoes the filter of a row, which has the row above it beside it. Pixels are step bytes apart. ok is false if there is no such filter.
func unfilter(kind byte, row, above []byte, step int) (ok bool) {
	switch kind {
	case filterNone:
	case filterSub:
		for i, left := 0, row; step+i < len(row); i++ {
			row[step+i] += left[i]
		}
	case filterUp:
		addBytes(row, above)
	case filterAverage:
		for i := range min(step, len(row)) {
			row[i] += above[i] / 2
		}
		for i, left := 0, row; step+i < len(row); i++ {
			row[step+i] += byte((int(left[i]) + int(above[step+i])) / 2)
		}
	case filterPaeth:
		switch step {
		case 3:
			paeth3(row, above)
		case 4:
			paeth4(row, above)
		default:
			paeth(row, above, step)
		}
	default:
		return false
	}
	return true
}

// addBytes adds b to a, byte by byte, eight at a time: the highest bit of each is kept from carrying into the next.
func addBytes(a, b []byte) {
	const low = 0x7F7F7F7F7F7F7F7F
	for ; len(a) >= 8 && len(b) >= 8; a, b = a[8:], b[8:] {
		x, y := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
		binary.LittleEndian.PutUint64(a, (x&low+y&low)^(x^y)&^low)
	}
	for i, v := range b[:len(a)] {
		a[i] += v
	}
}

// nearest is which of three neighbours, left, above and above left, is the nearest to left + above - corner; the first of those that are.
func nearest(left, above, corner int) int {
	dl, da := above-corner, left-corner
	dc := magnitude(dl + da)
	dl, da = magnitude(dl), magnitude(da)
	v := above
	if dc < da {
		v, da = corner, dc
	}
	if dl <= da {
		v = left
	}
	return v
}

func magnitude(v int) int {
	s := v >> 63
	return (v ^ s) - s
}

// paeth undoes the filter of that name, one channel after the other.
func paeth(row, above []byte, step int) {
	for c := range step {
		left, corner := 0, 0
		for i := c; i < len(row) && i < len(above); i += step {
			up := int(above[i])
			left = (int(row[i]) + nearest(left, up, corner)) & 255
			row[i], corner = byte(left), up
		}
	}
}

// paeth3 is paeth of three channels at a time, none of which waits for another.
func paeth3(row, above []byte) {
	var l0, l1, l2, c0, c1, c2 int
	for ; len(row) >= 3 && len(above) >= 3; row, above = row[3:], above[3:] {
		u0, u1, u2 := int(above[0]), int(above[1]), int(above[2])
		l0 = (int(row[0]) + nearest(l0, u0, c0)) & 255
		l1 = (int(row[1]) + nearest(l1, u1, c1)) & 255
		l2 = (int(row[2]) + nearest(l2, u2, c2)) & 255
		row[0], row[1], row[2] = byte(l0), byte(l1), byte(l2)
		c0, c1, c2 = u0, u1, u2
	}
}

// paeth4 is paeth3 of four.
func paeth4(row, above []byte) {
	var l0, l1, l2, l3, c0, c1, c2, c3 int
	for ; len(row) >= 4 && len(above) >= 4; row, above = row[4:], above[4:] {
		u0, u1, u2, u3 := int(above[0]), int(above[1]), int(above[2]), int(above[3])
		l0 = (int(row[0]) + nearest(l0, u0, c0)) & 255
		l1 = (int(row[1]) + nearest(l1, u1, c1)) & 255
		l2 = (int(row[2]) + nearest(l2, u2, c2)) & 255
		l3 = (int(row[3]) + nearest(l3, u3, c3)) & 255
		row[0], row[1], row[2], row[3] = byte(l0), byte(l1), byte(l2), byte(l3)
		c0, c1, c2, c3 = u0, u1, u2, u3
	}
}
