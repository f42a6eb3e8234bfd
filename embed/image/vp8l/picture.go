package vp8l

// Picture is a picture whose rows are made as they are asked for.
type Picture struct {
	width, height int
	pixels        []uint32
	row           int // pixels of a row, which are fewer than its width if they have several numbers of colours
	greenless     bool
	colours       *[256]uint32 // nil: pixels are colours
	bits          uint
}

// Size is the picture's width and height.
func (p *Picture) Size() (width, height int) { return p.width, p.height }

// Row writes row y as RGB.
func (p *Picture) Row(dst []byte, y int) {
	row := p.pixels[y*p.row:][:p.row]
	switch {
	case p.colours != nil && p.bits > 0:
		for x := range p.width {
			put(dst[3*x:], p.colours[numberOf(row[x>>p.bits], x, p.bits)])
		}
	case p.colours != nil:
		for ; len(row) > 0 && len(dst) >= 3; row, dst = row[1:], dst[3:] {
			put(dst, p.colours[uint8(row[0]>>8)])
		}
	case p.greenless:
		for ; len(row) > 0 && len(dst) >= 3; row, dst = row[1:], dst[3:] {
			v := row[0]
			g := byte(v >> 8)
			dst[0], dst[1], dst[2] = byte(v>>16)+g, g, byte(v)+g
		}
	default:
		for ; len(row) > 0 && len(dst) >= 3; row, dst = row[1:], dst[3:] {
			put(dst, row[0])
		}
	}
}

// put writes a pixel.
func put(dst []byte, v uint32) { dst[0], dst[1], dst[2] = byte(v>>16), byte(v>>8), byte(v) }
