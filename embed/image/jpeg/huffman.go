package jpeg

// fastBits is the width of the table that most codes are found in at once.
const fastBits = 9

// huffman is a decoding table.
type huffman struct {
	defined bool
	fast    [1 << fastBits]uint16 // length<<8 | symbol, 0 for longer codes
	quick   [1 << fastBits]int32  // value<<16 | run<<8 | length of code and value together, 0 where they are longer or, of AC, not a value
	maxCode [18]int32             // by length: the largest code, left-aligned to 16 bits, plus one; 0 where there is none
	offset  [17]int32             // by length: index of its first symbol less its first code
	symbols [256]byte
}

// parseHuffman reads the tables of one DHT segment.
func (d *Decoder) parseHuffman(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 {
			return damaged("Huffman table of %d bytes", len(b))
		}
		class, slot := b[0]>>4, b[0]&15
		if class > 1 || slot > 3 {
			return damaged("Huffman table %#x", b[0])
		}
		n := 0
		for _, c := range b[1:17] {
			n += int(c)
		}
		if n > 256 || len(b) < 17+n {
			return damaged("Huffman table of %d symbols in %d bytes", n, len(b))
		}
		h := &d.huff[class][slot]
		if err := h.build(b[1:17], b[17:17+n]); err != nil {
			return err
		}
		h.buildQuick(class == 0)
		b = b[17+n:]
	}
	return nil
}

// build fills the table from the number of codes of each length and their symbols.
func (h *huffman) build(counts, symbols []byte) error {
	h.defined = true
	clear(h.fast[:])
	copy(h.symbols[:], symbols)
	var code, index int32
	for length := 1; length <= 16; length++ {
		n := int32(counts[length-1])
		h.offset[length] = index - code
		for i := range n {
			if length <= fastBits {
				h.spread(code+i, length, symbols[index+i])
			}
		}
		code += n
		index += n
		if n > 0 && code >= 1<<length { // a code of ones alone is not allowed
			return damaged("Huffman table with too many codes of %d bits", length)
		}
		h.maxCode[length] = 0
		if n > 0 {
			h.maxCode[length] = code << (16 - length)
		}
		code <<= 1
	}
	return nil
}

// spread enters a code under every index that begins with it.
func (h *huffman) spread(code int32, length int, symbol byte) {
	shift := fastBits - length
	from := int(code) << shift
	for i := from; i < from+1<<shift && i < len(h.fast); i++ {
		h.fast[i] = uint16(length)<<8 | uint16(symbol)
	}
}

// buildQuick enters what a code and the bits behind it mean together, where both are short. A DC code without bits behind it means 0.
func (h *huffman) buildQuick(dc bool) {
	for i, e := range h.fast {
		length, run, size := uint(e>>8), int32(e>>4&15), uint(e&15)
		h.quick[i] = 0
		if length == 0 || length+size > fastBits || size == 0 && !dc || dc && run != 0 {
			continue
		}
		raw := uint32(i) >> (fastBits - length - size) & (1<<size - 1)
		h.quick[i] = extend(raw, size)<<16 | run<<8 | int32(length+size)
	}
}

// symbol decodes one symbol; at least 16 bits must be filled. ok is false for a code that is not in the table.
func (h *huffman) symbol(b *bits) (symbol byte, ok bool) {
	if e := h.fast[b.acc>>(b.n-fastBits)&(1<<fastBits-1)]; e != 0 {
		b.n -= uint(e >> 8)
		return byte(e), true
	}
	return h.slow(b)
}

func (h *huffman) slow(b *bits) (symbol byte, ok bool) {
	v := int32(b.acc >> (b.n - 16) & 0xFFFF)
	for length := 1; length <= 16; length++ {
		if v < h.maxCode[length] {
			b.n -= uint(length)
			return h.symbols[byte(v>>(16-length)+h.offset[length])], true
		}
	}
	return 0, false
}
