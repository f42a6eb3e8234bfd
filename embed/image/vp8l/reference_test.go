package vp8l

import (
	"errors"
	"slices"
)

// reference is RFC 9649, section 3, word by word and bit by bit, without tables, words of several pixels, or anything that is done later. It panics with an error about what it does not take.
type reference struct {
	src []byte
	at  int // bits
}

// referenceCode is the symbols by how many bits their codes have and what these are, the first bit the highest.
type referenceCode map[[2]int]int

var errReference = errors.New("not taken")

// pixels are those of a chunk, without alpha.
func (r *reference) pixels(b []byte) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			if err, _ = p.(error); !errors.Is(err, errReference) {
				panic(p)
			}
		}
	}()
	r.src, r.at = b, 8
	width, height := r.bits(14)+1, r.bits(14)+1
	r.bits(4)
	type applied struct {
		kind, bits, width int
		data              []uint32
	}
	var all []applied
	w := width
	for r.bits(1) == 1 {
		t := applied{kind: r.bits(2), width: w}
		r.need(!slices.ContainsFunc(all, func(a applied) bool { return a.kind == t.kind }))
		switch t.kind {
		case predicted, coloured:
			t.bits = r.bits(3) + 2
			t.data = r.image(r.blocks(w, t.bits), r.blocks(height, t.bits), false)
		case numbered:
			n := r.bits(8) + 1
			t.data = r.image(n, 1, false)
			for i := 1; i < n; i++ {
				t.data[i] = plus(t.data[i], channels(t.data[i-1]))
			}
			switch {
			case n <= 2:
				t.bits = 3
			case n <= 4:
				t.bits = 2
			case n <= 16:
				t.bits = 1
			}
			w = r.blocks(w, t.bits)
		}
		all = append(all, t)
	}
	pixels := r.image(w, height, true)
	for _, t := range slices.Backward(all) {
		pixels = undone(pixels, t.kind, t.bits, t.width, height, t.data)
	}
	for _, v := range pixels[:width*height] {
		c := channels(v)
		out = append(out, byte(c[2]), byte(c[1]), byte(c[0]))
	}
	return out, nil
}

func (r *reference) need(ok bool) {
	if !ok {
		panic(errReference)
	}
}

func (r *reference) blocks(n, bits int) int { return (n + 1<<bits - 1) / (1 << bits) }

func (r *reference) bits(n int) (v int) {
	for i := range n {
		r.need(r.at < 8*len(r.src))
		v |= int(r.src[r.at/8]>>(r.at%8)&1) << i
		r.at++
	}
	return v
}

func (r *reference) symbol(c referenceCode) int {
	for n, code := 0, 0; n <= 15; n++ {
		if s, ok := c[[2]int{n, code}]; ok {
			return s
		}
		code = code<<1 | r.bits(1)
	}
	panic(errReference)
}

// code is that of lengths, by the rule of RFC 1951.
func (r *reference) code(lengths []int) referenceCode {
	c := referenceCode{}
	code, left := 0, 1<<15
	for n := 1; n <= 15; n++ {
		code <<= 1
		for s, l := range lengths {
			if l == n {
				c[[2]int{n, code}] = s
				code++
				left -= 1 << (15 - n)
			}
		}
	}
	if len(c) == 1 {
		for _, s := range c {
			return referenceCode{{0, 0}: s}
		}
	}
	r.need(left == 0)
	return c
}

func (r *reference) readCode(n int) referenceCode {
	lengths := make([]int, n)
	if r.bits(1) == 1 {
		two, wide := r.bits(1) == 1, r.bits(1) == 1
		symbols := []int{r.bits(map[bool]int{true: 8, false: 1}[wide])}
		if two {
			symbols = append(symbols, r.bits(8))
		}
		for _, s := range symbols {
			if s < n {
				lengths[s] = 1
			}
		}
		return r.code(lengths)
	}
	order := make([]int, 19)
	for _, i := range []int{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}[:4+r.bits(4)] {
		order[i] = r.bits(3)
	}
	code := r.code(order)
	most := n
	if r.bits(1) == 1 {
		most = 2 + r.bits(2+2*r.bits(3))
		r.need(most <= n)
	}
	last := 8
	for i := 0; i < n && most > 0; most-- {
		s := r.symbol(code)
		v, times := s, 1
		switch s {
		case 16:
			v, times = last, 3+r.bits(2)
		case 17:
			v, times = 0, 3+r.bits(3)
		case 18:
			v, times = 0, 11+r.bits(7)
		}
		if v > 0 {
			last = v
		}
		r.need(i+times <= n)
		for range times {
			lengths[i] = v
			i++
		}
	}
	return r.code(lengths)
}

// image reads pixels; of the picture proper they may have several groups of codes.
func (r *reference) image(w, h int, proper bool) []uint32 {
	cacheBits, places := 0, 0
	if r.bits(1) == 1 {
		cacheBits = r.bits(4)
		r.need(cacheBits >= 1 && cacheBits <= 11)
		places = 1 << cacheBits
	}
	groupOf, groups := func(int, int) int { return 0 }, 1
	if proper && r.bits(1) == 1 {
		bits := r.bits(3) + 2
		across := r.blocks(w, bits)
		numbers := r.image(across, r.blocks(h, bits), false)
		for _, v := range numbers {
			groups = max(groups, int(v>>8&0xFFFF)+1)
		}
		groupOf = func(x, y int) int { return int(numbers[y>>bits*across+x>>bits] >> 8 & 0xFFFF) }
	}
	codes := make([][5]referenceCode, groups)
	for i := range codes {
		for k, n := range []int{280 + places, 256, 256, 256, 40} {
			codes[i][k] = r.readCode(n)
		}
	}
	value := func(p int) int { // of a prefix
		if p < 4 {
			return p + 1
		}
		extra := (p - 2) >> 1
		return (2+p&1)<<extra + r.bits(extra) + 1
	}
	cache := make([]uint32, places)
	var out []uint32
	write := func(v uint32) {
		out = append(out, v)
		if places > 0 {
			cache[0x1E35A7BD*v>>(32-cacheBits)] = v
		}
	}
	for len(out) < w*h {
		c := codes[groupOf(len(out)%w, len(out)/w)]
		switch s := r.symbol(c[0]); {
		case s < 256:
			red, blue, alpha := r.symbol(c[1]), r.symbol(c[2]), r.symbol(c[3])
			write(uint32(alpha)<<24 | uint32(red)<<16 | uint32(s)<<8 | uint32(blue))
		case s >= 280:
			write(cache[s-280])
		default:
			length := value(s - 256)
			back := value(r.symbol(c[4]))
			if back > 120 {
				back -= 120
			} else {
				back = max(int(neighbours[back-1].x)+int(neighbours[back-1].y)*w, 1)
			}
			r.need(back <= len(out) && len(out)+length <= w*h)
			for range length {
				write(out[len(out)-back])
			}
		}
	}
	return out
}

// plus adds channels to a pixel.
func plus(v uint32, c [4]int) (out uint32) {
	for i, p := range channels(v) {
		out |= uint32((p+c[i])&255) << (8 * i)
	}
	return out
}

// undone is a picture without a transform.
func undone(in []uint32, kind, bits, w, h int, data []uint32) []uint32 {
	out := make([]uint32, w*h)
	across := (w + 1<<bits - 1) >> bits
	for i := range out {
		x, y := i%w, i/w
		switch kind {
		case numbered:
			v := in[y*across+x>>bits] >> 8 & 255
			n := 8 >> bits
			if k := int(v) >> (x % (1 << bits) * n) & (1<<n - 1); k < len(data) {
				out[i] = data[k]
			}
		case greenless:
			g := channels(in[i])[1]
			out[i] = plus(in[i], [4]int{g, 0, g, 0})
		case coloured:
			delta := func(factor, c int) int { return int(int8(factor)) * int(int8(c)) >> 5 }
			p, m := channels(in[i]), channels(data[y>>bits*across+x>>bits])
			red := (p[2] + delta(m[0], p[1])) & 255
			out[i] = plus(in[i], [4]int{delta(m[1], p[1]) + delta(m[2], red), 0, red - p[2], 0})
		case predicted:
			switch mode := int(data[y>>bits*across+x>>bits] >> 8 & 15); {
			case i == 0:
				out[i] = plus(in[i], prediction(0, 0, 0, 0, 0))
			case y == 0:
				out[i] = plus(in[i], channels(out[i-1]))
			case x == 0:
				out[i] = plus(in[i], channels(out[i-w]))
			default:
				out[i] = plus(in[i], prediction(mode, out[i-1], out[i-w], out[i-w+1], out[i-w-1]))
			}
		}
	}
	return out
}
