package vp8l

import "context"

// What was done to a picture before it was written.
const (
	predicted = iota
	coloured  // red and blue were predicted from green, and blue from red
	greenless // green was subtracted from red and blue
	numbered  // colours have numbers, several in a pixel if they are few
)

// transform is what the file says of one, besides its kind.
type transform struct {
	data  []uint32 // of blocks, or the colours
	bits  uint     // of a block's sides, or of how many numbers a pixel has
	width int      // of the picture when it is undone
}

// readTransform reads what a transform needs, and says how wide the picture is before it is undone.
func (d *Decoder) readTransform(ctx context.Context, kind, w, h int) (int, error) {
	t := &d.transforms[kind]
	t.width, t.bits = w, 0
	d.applied = append(d.applied, kind)
	switch kind {
	case predicted, coloured:
		t.bits = 2 + uint(d.in.take(3))
		across := blocks(w, t.bits)
		t.data = sized(t.data, across*blocks(h, t.bits))
		return w, d.readPlain(ctx, t.data, across)
	case numbered:
		n := 1 + d.in.take(8)
		t.data = sized(t.data, 256)
		if err := d.readPlain(ctx, t.data[:n], n); err != nil {
			return 0, err
		}
		clear(t.data[n:]) // a number without a colour is black
		for i := 1; i < n; i++ {
			t.data[i] = add(t.data[i], t.data[i-1])
		}
		switch {
		case n <= 2:
			t.bits = 3
		case n <= 4:
			t.bits = 2
		case n <= 16:
			t.bits = 1
		}
		return blocks(w, t.bits), nil
	}
	return w, nil
}

// undo undoes the transforms, the last first. What the first has done, if it needs no other pixel, is left to the picture's rows.
func (d *Decoder) undo(ctx context.Context, width, height int) (*Picture, error) {
	d.picture = Picture{width: width, height: height, row: width}
	for i := len(d.applied) - 1; i >= 0; i-- {
		kind := d.applied[i]
		t := &d.transforms[kind]
		if i == 0 && kind >= greenless {
			d.picture.greenless = kind == greenless
			if kind == numbered {
				d.picture.colours, d.picture.bits = (*[256]uint32)(t.data), t.bits
				d.picture.row = blocks(width, t.bits)
			}
			break
		}
		switch kind {
		case predicted:
			if err := t.unpredict(ctx, d.pixels); err != nil {
				return nil, err
			}
		case coloured:
			t.recolour(d.pixels)
		case greenless:
			for i, v := range d.pixels {
				d.pixels[i] = addGreen(v)
			}
		case numbered:
			d.pixels = d.pixels[:width*height]
			t.number(d.pixels, height)
		}
	}
	d.picture.pixels = d.pixels
	return &d.picture, nil
}

// add adds two pixels, channel by channel.
func add(a, b uint32) uint32 {
	const odd = 0x00FF00FF
	return (a&^odd+b&^odd)&^odd | (a&odd+b&odd)&odd
}

func addGreen(v uint32) uint32 {
	g := v >> 8 & 0xFF
	return v&0xFF00FF00 | (v&0x00FF00FF+g*0x00010001)&0x00FF00FF
}

// recolour adds what was predicted of red and of blue.
func (t *transform) recolour(pixels []uint32) {
	across := blocks(t.width, t.bits)
	for y := 0; len(pixels) >= t.width; y++ {
		row := pixels[:t.width]
		pixels = pixels[t.width:]
		for _, m := range t.data[y>>t.bits*across:][:across] {
			part := row[:min(1<<t.bits, len(row))]
			row = row[len(part):]
			redOfGreen, blueOfGreen, blueOfRed := int32(int8(m)), int32(int8(m>>8)), int32(int8(m>>16))
			for i, v := range part {
				g := int32(int8(v >> 8))
				r := v>>16 + uint32(redOfGreen*g>>5)
				b := v + uint32(blueOfGreen*g>>5) + uint32(blueOfRed*int32(int8(r))>>5)
				part[i] = v&0xFF00FF00 | r&0xFF<<16 | b&0xFF
			}
		}
	}
}

// number puts colours in place of numbers, from the end on, since there may be fewer pixels before.
func (t *transform) number(pixels []uint32, height int) {
	narrow := blocks(t.width, t.bits)
	for y := height - 1; y >= 0; y-- {
		for x := t.width - 1; x >= 0; x-- {
			pixels[y*t.width+x] = t.data[numberOf(pixels[y*narrow+x>>t.bits], x, t.bits)]
		}
	}
}

// numberOf is the number that a pixel has for a place in the row, where it has 1 << bits of them.
func numberOf(v uint32, x int, bits uint) uint8 {
	n := 8 >> bits // bits of a number
	return uint8(v>>8) >> (x & (1<<bits - 1) * n) & uint8(1<<n-1)
}
