package vp8l

import (
	"context"
	"encoding/binary"

	"vecmill/embed/image/prefix"
)

// layout is what is known of a picture when its pixels are read.
type layout struct {
	width      int
	cacheBits  uint // 0: no cache
	blockBits  uint // 0: one group
	blocksWide int
}

// readPixels reads all of out, row by row.
func (d *Decoder) readPixels(ctx context.Context, out []uint32, l layout) error {
	if l.cacheBits > 0 {
		d.cache = sized(d.cache, 1<<l.cacheBits)
		clear(d.cache)
	}
	x, y, last := 0, 0, 0 // last: how many pixels are in the cache; others are put there when it is asked
	for pos := 0; pos < len(out); {
		g, stop := &d.groups[0], pos+l.width-x
		if l.blockBits > 0 {
			g = &d.groups[d.blocks[y>>l.blockBits*l.blocksWide+x>>l.blockBits]]
			stop = min(stop, pos+1<<l.blockBits-x&(1<<l.blockBits-1))
		}
		next, e := d.literals(out, pos, stop, g)
		switch {
		case next == stop:
		case e&cached != 0:
			for _, v := range out[last:next] {
				d.cache[hash(v, l.cacheBits)] = v
			}
			last = next
			out[next] = d.cache[e.Value()]
			next++
		default:
			var err error
			if next, err = d.repeat(out, next, e, g, l.width); err != nil {
				return err
			}
		}
		x += next - pos
		pos = next
		if x >= l.width {
			y, x = y+x/l.width, x%l.width
			if d.in.ended() {
				return errShort
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

// literals reads pixels from pos on, as long as each is written itself and none is at stop. If it ends earlier, it has used the code of what follows, which is not a literal.
func (d *Decoder) literals(out []uint32, pos, stop int, g *group) (next int, e entry) {
	src, at, b, n := d.in.src, d.in.at, d.in.bits, d.in.n
	greens, reds, blues := g.greens, g.reds, g.blues
	fixed := g.fixed
	for i, row := pos, out[:stop]; i < len(row); i++ {
		if at <= len(src)-8 {
			b |= binary.LittleEndian.Uint64(src[at:]) << (n & 63)
			at += int(63-n) >> 3
			n |= 56
		} else {
			at, b, n = fillAtEnd(src, at, b, n)
		}
		e = greens[b&greenMask]
		if e&prefix.Second != 0 {
			b, n = b>>(e&31), n-e.Bits()
			e = d.tables[g.begin[green]+e.Value()+int(b&(1<<e.Extra()-1))]
		}
		b, n = b>>(e&31), n-e.Bits()
		if e&prefix.Literal == 0 {
			stop = i
			break
		}
		if g.greenOnly {
			row[i] = fixed | uint32(e>>8)&0xFF00
			continue
		}
		r := reds[b&plainMask]
		if r&prefix.Second != 0 {
			b, n = b>>(r&31), n-r.Bits()
			r = d.tables[g.begin[red]+r.Value()+int(b&(1<<r.Extra()-1))]
		}
		b, n = b>>(r&31), n-r.Bits()
		bl := blues[b&plainMask]
		if bl&prefix.Second != 0 {
			b, n = b>>(bl&31), n-bl.Bits()
			bl = d.tables[g.begin[blue]+bl.Value()+int(b&(1<<bl.Extra()-1))]
		}
		b, n = b>>(bl&31), n-bl.Bits()
		v := fixed | uint32(e>>8)&0xFF00 | uint32(r)&0xFF0000 | uint32(bl>>16)
		if !g.noAlpha {
			if n < prefix.MaxBits {
				d.in.at, d.in.bits, d.in.n = at, b, n
				d.in.fill()
				at, b, n = d.in.at, d.in.bits, d.in.n
			}
			a := g.alphas[b&plainMask]
			if a&prefix.Second != 0 {
				b, n = b>>(a&31), n-a.Bits()
				a = d.tables[g.begin[alpha]+a.Value()+int(b&(1<<a.Extra()-1))]
			}
			b, n = b>>(a&31), n-a.Bits()
			v |= uint32(a>>16) << 24
		}
		row[i] = v
	}
	d.in.at, d.in.bits, d.in.n = at, b, n
	return stop, e
}

// hash is where the cache has a colour.
func hash(v uint32, bits uint) uint32 { return v * 0x1E35A7BD >> (32 - bits) }

// repeat reads the rest of what e begins, a length and a distance, and writes pixels that were there before from pos on, up to next.
func (d *Decoder) repeat(out []uint32, pos int, e entry, g *group, width int) (next int, err error) {
	length := e.Value() + d.in.take(e.Extra())
	d.in.fill()
	e = g.distances[d.in.bits&plainMask]
	if e&prefix.Second != 0 {
		d.in.take(e.Bits())
		e = d.tables[g.begin[distance]+e.Value()+int(d.in.bits&(1<<e.Extra()-1))]
	}
	d.in.take(e.Bits())
	base, extra := prefixed(e.Value())
	back := base + d.in.take(extra)
	if back > len(neighbours) {
		back -= len(neighbours)
	} else {
		back = max(int(neighbours[back-1].x)+int(neighbours[back-1].y)*width, 1)
	}
	switch {
	case d.in.ended():
		return 0, errShort
	case back > pos:
		return 0, errDistance
	case length > len(out)-pos:
		return 0, errLength
	}
	next = pos + length
	for ; pos < next; pos += back { // what is written is there to be repeated
		copy(out[pos:next], out[pos-back:pos])
	}
	return next, nil
}
