package flac

import "encoding/binary"

// crc8Table is of the polynomial x^8 + x^2 + x + 1.
var crc8Table = func() (t [256]uint8) {
	for i := range t {
		c := uint8(i)
		for range 8 {
			c = c<<1 ^ c>>7*0x07
		}
		t[i] = c
	}
	return t
}()

func crc8(b []byte) (c uint8) {
	for _, v := range b {
		c = crc8Table[c^v]
	}
	return c
}

// crc16Tables are of the polynomial x^16 + x^15 + x^2 + 1: the first for a byte, each next one for a byte with one more behind it, so that eight bytes go at once.
var crc16Tables = func() (t [8][256]uint16) {
	for i := range t[0] {
		c := uint16(i) << 8
		for range 8 {
			c = c<<1 ^ c>>15*0x8005
		}
		t[0][i] = c
	}
	for k := 1; k < len(t); k++ {
		for i, c := range t[k-1] {
			t[k][i] = c<<8 ^ t[0][c>>8]
		}
	}
	return t
}()

func crc16(b []byte) (c uint16) {
	t := &crc16Tables
	for ; len(b) >= 8; b = b[8:] {
		v := binary.BigEndian.Uint64(b) ^ uint64(c)<<48
		c = t[7][v>>56] ^ t[6][v>>48&255] ^ t[5][v>>40&255] ^ t[4][v>>32&255] ^ t[3][v>>24&255] ^ t[2][v>>16&255] ^ t[1][v>>8&255] ^ t[0][v&255]
	}
	for _, v := range b {
		c = c<<8 ^ t[0][byte(c>>8)^v]
	}
	return c
}
