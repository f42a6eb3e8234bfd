package vp8l

import (
	"context"

	"vecmill/embed/image/prefix"
)

type entry = prefix.Entry

// cached is a place in the cache of colours.
const cached entry = 1 << 12

const (
	greenBits = 9 // looked up at once of the first code
	greenMask = 1<<greenBits - 1
	plainBits = 8 // of the others
	plainMask = 1<<plainBits - 1
	lengths   = 24 // prefixes of lengths
	maxCache  = 11 // bits
)

// What the five codes of a group are for.
const (
	green = iota // and lengths, and the cache
	red
	blue
	alpha
	distance
	codesOfGroup
)

// symbols is how many a code has, without a cache.
var symbols = [codesOfGroup]int{256 + lengths, 256, 256, 256, 40}

// meaning of the symbols of the first code, and of the others.
var greenMeaning, plainMeaning = meanings()

func meanings() (g [256 + lengths + 1<<maxCache]entry, plain [256]entry) {
	for i := range plain {
		plain[i] = entry(i) << 16
		g[i] = prefix.Literal | plain[i]
	}
	for i := range lengths {
		base, extra := prefixed(i)
		g[256+i] = entry(base)<<16 | entry(extra)<<5
	}
	for i := range 1 << maxCache {
		g[256+lengths+i] = cached | entry(i)<<16
	}
	return g, plain
}

// prefixed is what a prefix of a length or a distance stands for: the least, and how many bits that are added follow.
func prefixed(p int) (base int, extra uint) {
	if p < 4 {
		return p + 1, 0
	}
	extra = uint(p-2) >> 1
	return (2+p&1)<<extra + 1, extra
}

// group is the codes of some blocks of a picture.
type group struct {
	greens                         *[1 << greenBits]entry
	reds, blues, alphas, distances *[1 << plainBits]entry
	begin                          [codesOfGroup]int // of each table among all
	// Pixels of one code only, as of numbers of colours or of grey, and what they have in the other channels; of other pixels that is alpha, if it has no code.
	greenOnly, noAlpha bool
	fixed              uint32
}

// readGroups reads n groups, and keeps those whose number is at least 0 in numbers, under that number.
func (d *Decoder) readGroups(ctx context.Context, n int, numbers []int32, cacheBits uint) error {
	d.tables = d.tables[:0]
	for i := range n {
		var g group
		begin := len(d.tables)
		if err := d.readGroup(&g, cacheBits); err != nil {
			return err
		}
		switch {
		case numbers == nil:
			d.groups = append(d.groups[:0], g)
		case numbers[i] < 0:
			d.tables = d.tables[:begin]
		default:
			d.groups[numbers[i]] = g
		}
		if len(d.tables) > d.mostEntries {
			return errTables
		}
		if i&1023 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for i := range d.groups {
		g := &d.groups[i]
		g.greens = (*[1 << greenBits]entry)(d.tables[g.begin[green]:])
		g.reds = (*[1 << plainBits]entry)(d.tables[g.begin[red]:])
		g.blues = (*[1 << plainBits]entry)(d.tables[g.begin[blue]:])
		g.alphas = (*[1 << plainBits]entry)(d.tables[g.begin[alpha]:])
		g.distances = (*[1 << plainBits]entry)(d.tables[g.begin[distance]:])
	}
	return nil
}

// readGroup reads five codes.
func (d *Decoder) readGroup(g *group, cacheBits uint) error {
	var single [codesOfGroup]bool
	for k := range codesOfGroup {
		n, first, meaning := symbols[k], plainBits, plainMeaning[:]
		if k == green {
			first, meaning = greenBits, greenMeaning[:]
			if cacheBits > 0 {
				n += 1 << cacheBits
			}
		}
		g.begin[k] = len(d.tables)
		var err error
		if single[k], err = d.readCode(n, first, meaning); err != nil {
			return err
		}
	}
	only := func(k int) uint32 { return uint32(d.tables[g.begin[k]].Value()) }
	if g.noAlpha = single[alpha]; g.noAlpha {
		g.fixed = only(alpha) << 24
	}
	if g.greenOnly = single[red] && single[blue] && single[alpha]; g.greenOnly {
		g.fixed |= only(red)<<16 | only(blue)
	}
	return nil
}

// readCode reads the code of n symbols and appends its table. single says that it has one symbol, which takes no bits.
func (d *Decoder) readCode(n, first int, meaning []entry) (single bool, err error) {
	lengths := d.lengths[:n]
	clear(lengths)
	if d.in.flag() {
		two, wide := d.in.flag(), d.in.flag()
		width := uint(1)
		if wide {
			width = 8
		}
		for k := range 2 {
			if s := d.in.take(width); s < n { // libwebp leaves out one that is not
				lengths[s] = 1
			}
			if k == 0 && !two {
				break
			}
			width = 8
		}
	} else if err := d.readLengths(lengths); err != nil {
		return false, err
	}
	if d.in.ended() {
		return false, errShort
	}
	used, last := 0, 0
	for s, n := range lengths {
		if n > 0 {
			used++
			last = s
		}
	}
	switch used {
	case 0:
		return false, errCode
	case 1:
		d.tables = appendAlone(d.tables, first, meaning[last])
		return true, nil
	}
	var ok bool
	if d.tables, ok = prefix.Append(d.tables, first, lengths, meaning); !ok {
		return false, errCode
	}
	return false, nil
}

// appendAlone appends the table for a code of one symbol, which takes no bits.
func appendAlone(tables []entry, first int, meaning entry) []entry {
	for range 1 << first {
		tables = append(tables, meaning)
	}
	return tables
}

const orderBits = 7

// orderOfLengths is in which order the lengths of the code for lengths of codes come.
var orderOfLengths = [19]uint8{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// readLengths reads the lengths of a code's symbols.
func (d *Decoder) readLengths(lengths []uint8) error {
	var order [19]uint8
	used, only := 0, 0
	for _, i := range orderOfLengths[:4+d.in.take(4)] {
		if order[i] = uint8(d.in.take(3)); order[i] > 0 {
			used++
			only = int(i)
		}
	}
	switch used {
	case 0:
		return errCode
	case 1:
		d.order = appendAlone(d.order[:0], orderBits, entry(only)<<16)
	default:
		var ok bool
		if d.order, ok = prefix.Append(d.order[:0], orderBits, order[:], plainMeaning[:]); !ok {
			return errCode
		}
	}
	most := len(lengths) // codes to read
	if d.in.flag() {
		if most = 2 + d.in.take(2+2*uint(d.in.take(3))); most > len(lengths) {
			return errCode
		}
	}
	last := uint8(8)
	for i := 0; i < len(lengths) && most > 0; most-- {
		d.in.fill()
		e := d.order[d.in.bits&(1<<orderBits-1)]
		d.in.take(e.Bits())
		v, n := uint8(e.Value()), 1
		switch v {
		case 16:
			v, n = last, 3+d.in.take(2)
		case 17:
			v, n = 0, 3+d.in.take(3)
		case 18:
			v, n = 0, 11+d.in.take(7)
		default:
			if v > 0 {
				last = v
			}
		}
		if n > len(lengths)-i {
			return errCode
		}
		for range n {
			lengths[i] = v
			i++
		}
	}
	return nil
}
