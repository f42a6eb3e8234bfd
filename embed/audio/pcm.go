package audio

import (
	"encoding/binary"
	"math"
)

// converter turns interleaved little-endian samples into mono: dst[i] is the mean of the channels of frame i, each scaled to
// [-1, 1). src holds exactly len(dst) frames.
type converter func(dst []float32, src []byte, channels int)

// wavConverter finds the converter of a format tag with width bytes a sample.
func wavConverter(tag, width int) (converter, bool) {
	switch {
	case tag == tagPCM && width == 1:
		return mixed(1, func(b []byte) float32 { return float32(int(b[0])-128) / (1 << 7) }), true
	case tag == tagPCM && width == 2:
		return pcm16, true
	case tag == tagPCM && width == 3:
		return mixed(3, func(b []byte) float32 {
			return float32(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)>>8) / (1 << 23)
		}), true
	case tag == tagPCM && width == 4:
		return mixed(4, func(b []byte) float32 { return float32(int32(binary.LittleEndian.Uint32(b))) / (1 << 31) }), true
	case tag == tagFloat && width == 4:
		return mixed(4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }), true
	case tag == tagFloat && width == 8:
		return mixed(8, func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) }), true
	case tag == tagMuLaw && width == 1:
		return tabled(muLaw), true
	case tag == tagALaw && width == 1:
		return tabled(aLaw), true
	}
	return nil, false
}

// mixed converts samples of width bytes with one. The sum over channels is in float32, as the reference adds it up.
func mixed(width int, one func([]byte) float32) converter {
	return func(dst []float32, src []byte, channels int) {
		if channels == 1 {
			for i := range dst {
				dst[i] = one(src[i*width : i*width+width])
			}
			return
		}
		n := float32(channels)
		for i := range dst {
			var sum float32
			for range channels {
				sum += one(src[:width])
				src = src[width:]
			}
			dst[i] = sum / n
		}
	}
}

// pcm16 is the common case, mono and stereo without a call per sample.
func pcm16(dst []float32, src []byte, channels int) {
	switch channels {
	case 1:
		src = src[:2*len(dst)]
		for i := range dst {
			dst[i] = float32(int16(binary.LittleEndian.Uint16(src[2*i:]))) / (1 << 15)
		}
	case 2:
		src = src[:4*len(dst)]
		for i := range dst {
			v := binary.LittleEndian.Uint32(src[4*i:])
			dst[i] = float32(int32(int16(v))+int32(int16(v>>16))) / (1 << 16) // exact: the sum has 17 bits
		}
	default:
		mixed(2, func(b []byte) float32 { return float32(int16(binary.LittleEndian.Uint16(b))) / (1 << 15) })(dst, src, channels)
	}
}

// tabled converts one-byte companded samples through a table of 256.
func tabled(expand func(byte) int) converter {
	var table [256]float32
	for i := range table {
		table[i] = float32(expand(byte(i))) / (1 << 15)
	}
	return mixed(1, func(b []byte) float32 { return table[b[0]] })
}

// muLaw expands a G.711 mu-law code to 16 bits.
func muLaw(b byte) int {
	b = ^b
	v := (int(b&0x0f)<<3+0x84)<<(b>>4&7) - 0x84
	if b&0x80 != 0 {
		return -v
	}
	return v
}

// aLaw expands a G.711 A-law code to 16 bits.
func aLaw(b byte) int {
	b ^= 0x55
	v, segment := int(b&0x0f)<<4+8, b>>4&7
	if segment > 0 {
		v = (v + 0x100) << (segment - 1)
	}
	if b&0x80 == 0 {
		return -v
	}
	return v
}
