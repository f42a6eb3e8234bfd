package image

import (
	"encoding/binary"
	"errors"
)

// What TIFF's LZW has besides bytes.
const (
	lzwClear    = 256
	lzwEnd      = 257
	lzwFirst    = 258
	lzwMaxWidth = 12
)

var errLZW = errors.New("damaged LZW data")

// lzwDecoder undoes TIFF's LZW into room of known size: codes begin with their highest bit, and get one bit wider one code earlier than those of others. A code stands for bytes that are in the room already: those of the code
// before it in the stream and one more, so the table has places and lengths only. The zero value is ready.
type lzwDecoder struct {
	place, length [1 << lzwMaxWidth]int32
}

// decode fills dst, and looks at nothing behind what does.
func (d *lzwDecoder) decode(dst, src []byte) error {
	var held uint64 // bits, the next at the top of the lowest n
	n, width, next := 0, 9, lzwFirst
	last, length := -1, 0 // place and length of the code before; -1 behind a clear
	for out := 0; out < len(dst); {
		if n < width && len(src) >= 4 {
			held, n, src = held<<32|uint64(binary.BigEndian.Uint32(src)), n+32, src[4:]
		}
		for ; n < width; n += 8 {
			if len(src) == 0 {
				return errEnd
			}
			held, src = held<<8|uint64(src[0]), src[1:]
		}
		n -= width
		code := int(held >> n & (1<<width - 1))
		from, size := out, 1
		switch {
		case code == lzwClear:
			width, next, last = 9, lzwFirst, -1
			continue
		case code == lzwEnd:
			return errEnd
		case code < lzwClear:
			dst[out] = byte(code)
		case last < 0 || code > next:
			return errLZW
		case code == next:
			from, size = last, length+1
		default:
			from, size = int(d.place[code]), int(d.length[code])
		}
		size = min(size, len(dst)-out)
		if size <= 8 && from+size <= out && len(dst)-out >= 8 {
			binary.LittleEndian.PutUint64(dst[out:], binary.LittleEndian.Uint64(dst[from:])) // what is too much is written over
		} else if k := copy(dst[out:out+size], dst[from:min(from+size, out)]); k < size {
			dst[out+k] = dst[out] // of a code that stands for itself the last byte is the first
		}
		if last >= 0 && next < 1<<lzwMaxWidth {
			d.place[next], d.length[next] = int32(last), int32(length+1)
			next++
			if next == 1<<width-1 && width < lzwMaxWidth {
				width++
			}
		}
		last, length = out, size
		out += size
	}
	return nil
}
