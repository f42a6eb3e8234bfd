package resize

import "context"

// Source is a picture that gives its rows one at a time.
type Source interface {
	// Size is the picture's width and height in pixels, both at least 1.
	Size() (width, height int)
	// Row writes row y as width RGB triples. Rows are asked for in ascending order, not every row needs to be, and one may be asked for twice.
	Row(dst []byte, y int)
}

// PairSource is a Source that makes two rows at once for less than one by one.
type PairSource interface {
	Source
	// Pairs is the first of the rows that Pair takes, which are every second from it on; -1 if it takes none.
	Pairs() int
	// Pair writes rows y and y+1, three words a pixel, the upper row in the lower halves of the words.
	Pair(dst [][3]uint64, y int)
}

// Resizer scales pictures and keeps its buffers from one to the next. The zero value is ready. It is for one goroutine at a time.
type Resizer struct {
	horizontal, vertical taps
	rows                 [2][]byte
	packed               [][3]uint64 // two rows, see pair
	middle               []byte
	sums                 []int32
	columns              []int
	finished             [2][]byte
}

// Bytes is the size of the buffers that r keeps.
func (r *Resizer) Bytes() int64 {
	n := 24*cap(r.packed) + 8*cap(r.columns) + 4*cap(r.sums) + cap(r.middle)
	for i := range r.rows {
		n += cap(r.rows[i]) + cap(r.finished[i])
	}
	for _, t := range []*taps{&r.horizontal, &r.vertical} {
		n += 8*(cap(t.first)+cap(t.count)+cap(t.scratch)) + 4*cap(t.weight)
	}
	return int64(n)
}

// Workspace is an upper bound, in bytes, of what a Resizer allocates to scale srcWidth x srcHeight to width x height.
func Workspace(srcWidth, srcHeight, width, height int) int64 {
	const worstSupport = 3
	weights := func(in, out int) int64 { return 4 * (int64(2*worstSupport*max(in, out)) + int64((3+unroll)*out)) }
	first := 3 * int64(srcHeight) * int64(width) // the middle picture
	if columnsFirst(srcWidth, srcHeight, width, height) {
		first = (12*inFlight + 6) * int64(srcWidth)
	}
	return first + 30*int64(srcWidth) + 12*int64(width) + 24*unroll + // two rows, and the two packed
		weights(srcWidth, width) + weights(srcHeight, height) + // the weights
		28*int64(width+height) + 16*(int64(srcWidth)/int64(width)+int64(srcHeight)/int64(height)+2)*worstSupport
}

// Resize scales src to width x height and writes the result to dst as height*width RGB triples, row by row. It returns early
// with ctx's error when ctx ends.
func (r *Resizer) Resize(ctx context.Context, dst []byte, width, height int, src Source, f Filter) error {
	w, h := src.Size()
	switch {
	case w == width && h == height:
		return copyRows(ctx, dst, src)
	case f == Nearest:
		return r.nearest(ctx, dst, width, height, src)
	case h == height:
		return r.firstPass(ctx, dst, width, 0, h, src, f)
	case w != width && columnsFirst(w, h, width, height):
		return r.columnsFirst(ctx, dst, width, height, src, f)
	}
	r.vertical.compute(h, height, f)
	first, last := r.vertical.rows()
	r.middle = grow(r.middle, (last-first)*width*3)
	if err := r.firstPass(ctx, r.middle, width, first, last, src, f); err != nil {
		return err
	}
	for y := range height {
		r.secondPass(dst[y*width*3:(y+1)*width*3], y, first)
	}
	return ctx.Err()
}

func copyRows(ctx context.Context, dst []byte, src Source) error {
	w, h := src.Size()
	for y := range h {
		src.Row(dst[y*w*3:(y+1)*w*3], y)
	}
	return ctx.Err()
}

// nearest takes the pixel under each target pixel's centre; positions are summed, not multiplied, as the reference does, because
// the rounding of the sum decides ties.
func (r *Resizer) nearest(ctx context.Context, dst []byte, width, height int, src Source) error {
	w, h := src.Size()
	stepX, stepY := float64(w)/float64(width), float64(h)/float64(height)
	r.columns = grow(r.columns, width)
	for x, at := 0, stepX*0.5; x < width; x, at = x+1, at+stepX {
		r.columns[x] = min(int(at), w-1)
	}
	row := grow(r.rows[0], 3*w)
	r.rows[0] = row
	have := -1
	for y, at := 0, stepY*0.5; y < height; y, at = y+1, at+stepY {
		if from := min(int(at), h-1); from != have {
			src.Row(row, from)
			have = from
		}
		out := dst[y*width*3 : (y+1)*width*3]
		for x, c := range r.columns {
			copy(out[3*x:3*x+3], row[3*c:3*c+3])
		}
		if y%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// firstPass writes rows [first, last) of src to dst, scaled in width alone.
func (r *Resizer) firstPass(ctx context.Context, dst []byte, width, first, last int, src Source, f Filter) error {
	w, _ := src.Size()
	line := width * 3
	if w == width {
		for y := first; y < last; y++ {
			src.Row(dst[(y-first)*line:(y-first+1)*line], y)
		}
		return ctx.Err()
	}
	r.horizontal.compute(w, width, f)
	r.packed = growPacked(r.packed, w)
	for i := range r.rows {
		r.rows[i] = grow(r.rows[i], 3*w)
	}
	paired, pairs := -1, PairSource(nil)
	if p, ok := src.(PairSource); ok {
		paired, pairs = p.Pairs(), p
	}
	for y, rows := first, 0; y < last; y += rows {
		rows = min(2, last-y)
		if rows == 2 && paired >= 0 && (y-paired)&1 != 0 {
			rows = 1 // pairs begin with the next
		}
		if rows == 2 && paired >= 0 && y >= paired {
			pairs.Pair(r.packed[:w], y)
		} else {
			a, b := r.rows[0], r.rows[1]
			src.Row(a, y)
			if rows == 2 {
				src.Row(b, y+1)
			}
			Pack(r.packed[:w], a, b)
		}
		upper, lower := dst[(y-first)*line:(y-first+1)*line], dst[:0]
		if rows == 2 {
			lower = dst[(y-first+1)*line : (y-first+2)*line]
		}
		r.horizontal.pair(upper, lower, r.packed)
		if y&126 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// Pack puts two rows of RGB into the words that pair takes, see [PairSource].
func Pack(dst [][3]uint64, a, b []byte) {
	for i := range dst {
		p, q := (*[3]byte)(a[3*i:]), (*[3]byte)(b[3*i:])
		dst[i] = [3]uint64{uint64(p[0]) | uint64(q[0])<<32, uint64(p[1]) | uint64(q[1])<<32, uint64(p[2]) | uint64(q[2])<<32}
	}
}

// pairPlain scales two rows, one in the lower and one in the upper half of every word of src. lower may be empty. Taps are taken four at a time, and weights
// behind the last are zero: src has room for that behind its rows, with any values.
func (t *taps) pairPlain(upper, lower []byte, src [][3]uint64) {
	const half = 1<<(precision-1) | 1<<(precision-1+32)
	for i, first := range t.first {
		n := (t.count[i] + unroll - 1) &^ (unroll - 1)
		k, p := t.weight[i*t.stride:][:n], src[first:][:n]
		r, g, b := uint64(half), uint64(half), uint64(half)
		for ; len(k) >= unroll && len(p) >= unroll; k, p = k[unroll:], p[unroll:] {
			w, q := (*[unroll]int32)(k), (*[unroll][3]uint64)(p)
			v0, v1, v2, v3 := uint64(int64(w[0])), uint64(int64(w[1])), uint64(int64(w[2])), uint64(int64(w[3]))
			r += q[0][0]*v0 + q[1][0]*v1 + q[2][0]*v2 + q[3][0]*v3
			g += q[0][1]*v0 + q[1][1]*v1 + q[2][1]*v2 + q[3][1]*v3
			b += q[0][2]*v0 + q[1][2]*v1 + q[2][2]*v2 + q[3][2]*v3
		}
		r0, r1 := halves(r)
		g0, g1 := halves(g)
		b0, b1 := halves(b)
		o := (*[3]byte)(upper[3*i:])
		o[0], o[1], o[2] = clip(r0), clip(g0), clip(b0)
		if len(lower) != 0 {
			o = (*[3]byte)(lower[3*i:])
			o[0], o[1], o[2] = clip(r1), clip(g1), clip(b1)
		}
	}
}

// halves splits a word into its two sums: the lower, if negative, has borrowed one from the upper.
func halves(s uint64) (lower, upper int32) {
	lower = int32(uint32(s))
	return lower, int32(uint32((s - uint64(int64(lower))) >> 32))
}

func clip(v int32) byte {
	v >>= precision
	if uint32(v) > 255 {
		return byte(^(v >> 31)) // 0 if negative, 255 if too large
	}
	return byte(v)
}

// secondPass writes row y of the result from the middle picture, whose row 0 is row first of the source.
func (r *Resizer) secondPass(dst []byte, y, first int) {
	t := &r.vertical
	r.sumRows(dst, r.middle[(t.first[y]-first)*len(dst):], t.weight[y*t.stride:y*t.stride+t.count[y]])
}

// sumRowsPlain is sumRows without vector instructions.
func (r *Resizer) sumRowsPlain(dst, rows []byte, k []int32) {
	n := len(dst)
	r.sums = grow(r.sums, n)
	sums := r.sums[:n]
	for i := range sums {
		sums[i] = 1 << (precision - 1)
	}
	for ; len(k) >= 4; k, rows = k[4:], rows[4*n:] {
		a, b, c, d := rows[:n], rows[n:][:n], rows[2*n:][:n], rows[3*n:][:n]
		ka, kb, kc, kd := k[0], k[1], k[2], k[3]
		for i := range sums {
			sums[i] += int32(a[i])*ka + int32(b[i])*kb + int32(c[i])*kc + int32(d[i])*kd
		}
	}
	for ; len(k) > 0; k, rows = k[1:], rows[n:] {
		a, ka := rows[:n], k[0]
		for i := range sums {
			sums[i] += int32(a[i]) * ka
		}
	}
	for i, s := range sums {
		dst[i] = clip(s)
	}
}
