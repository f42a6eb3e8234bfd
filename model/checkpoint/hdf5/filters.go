package hdf5

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// filter is a registered number of what was done to each chunk.
type filter uint16

// The filters that are undone.
const (
	deflate    filter = 1
	shuffle    filter = 2
	fletcher32 filter = 3     // a sum behind the chunk, which is checked
	lzf        filter = 32000 // h5py's
)

// maxFilters is HDF5's own limit.
const maxFilters = 32

// parseFilters reads a filter message: the filters in the order in which they were applied.
func parseFilters(c *cursor) ([]filter, error) {
	version, n := c.u8(), int(c.u8())
	if version == 1 {
		c.skip(6)
	}
	if version < 1 || version > 2 || n > maxFilters {
		return nil, fmt.Errorf("a list of %d filters of version %d", n, version)
	}
	filters := make([]filter, n)
	for i := range filters {
		id, name := c.u16(), 0
		if version == 1 || id >= 256 {
			name = int(c.u16())
		}
		c.skip(2) // flags
		values := int(c.u16())
		if version == 1 {
			name = (name + 7) &^ 7
			values += values & 1 // padding
		}
		c.skip(name)
		c.skip(4 * values)
		switch f := filter(id); f {
		case deflate, shuffle, fletcher32, lzf:
			filters[i] = f
		default:
			return nil, fmt.Errorf("it is stored with the filter %d; deflate, shuffle, fletcher32 and lzf are read", id)
		}
	}
	return filters, c.err("a list of filters")
}

// undo gives back what a filter was applied to: n bytes of elements of so many bytes each.
func (f filter) undo(raw []byte, n, element int) ([]byte, error) {
	switch f {
	case deflate:
		return inflate(raw, n)
	case lzf:
		return unlzf(raw, n)
	case fletcher32:
		return unsum(raw)
	}
	return unshuffle(raw, element), nil
}

func inflate(raw []byte, n int) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("unpacking a chunk: %w", err)
	}
	out := make([]byte, n)
	if _, err := io.ReadFull(z, out); err != nil {
		return nil, fmt.Errorf("unpacking a chunk of %d bytes: %w", n, err)
	}
	if k, err := z.Read(make([]byte, 1)); k != 0 || !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("a chunk unpacks to more than its %d bytes, or its sum is wrong: %w", n, err)
	}
	return out, nil
}

// unsum checks and cuts off the sum of four bytes at the end of raw.
func unsum(raw []byte) ([]byte, error) {
	n := len(raw) - 4
	if n < 0 {
		return nil, fmt.Errorf("a chunk of %d bytes has no room for its sum", len(raw))
	}
	// Files of HDF5 before 1.6.3 hold the sum with the bytes of its halves exchanged: the library takes either, and so does this.
	stored, sum := binary.LittleEndian.Uint32(raw[n:]), fletcher(raw[:n])
	if exchanged := sum&0xff00ff<<8 | sum>>8&0xff00ff; stored != sum && stored != exchanged {
		return nil, errors.New("a chunk is damaged: its sum (fletcher32) is wrong")
	}
	return raw[:n], nil
}

// fletcher is Fletcher's checksum of words of two bytes, the first the higher, in ones' complement arithmetic; a last single byte is the higher one.
func fletcher(b []byte) uint32 {
	var low, high uint32
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		low = folded(low + word)
		high = folded(high + low)
	}
	return high<<16 | low
}

// folded adds the carry above 16 bits to the lower ones.
func folded(sum uint32) uint32 { return sum&0xffff + sum>>16 }

// unshuffle undoes the sorting of bytes by their place in the element. Bytes behind the last whole element are not sorted.
func unshuffle(raw []byte, element int) []byte {
	out := make([]byte, len(raw))
	count := len(raw) / element
	for b := range element {
		for i, v := range raw[b*count : (b+1)*count] {
			out[i*element+b] = v
		}
	}
	copy(out[count*element:], raw[count*element:])
	return out
}

// unlzf unpacks LZF: a byte below 32 begins that many literals and one more; any other a copy from before, of its upper three bits and
// two bytes (with seven and the next byte), at a distance of its lower five bits and the byte that follows, and one.
func unlzf(raw []byte, n int) ([]byte, error) {
	out := make([]byte, 0, n)
	c := &cursor{b: raw}
	for c.at < len(raw) && !c.short {
		control := int(c.u8())
		if control < 32 {
			out = append(out, c.take(control+1)...)
		} else {
			length := control >> 5
			if length == 7 {
				length += int(c.u8())
			}
			from := len(out) - (control&31)<<8 - int(c.u8()) - 1
			if from < 0 {
				return nil, errors.New("unpacking a chunk: it copies from before its begin")
			}
			for i := range length + 2 { // byte by byte: it may copy what it has just written
				out = append(out, out[from+i])
			}
		}
		if len(out) > n {
			return nil, fmt.Errorf("a chunk unpacks to more than its %d bytes", n)
		}
	}
	return out, c.err("a packed chunk")
}
