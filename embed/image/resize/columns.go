package resize

import "context"

// columnsFirst says whether the height is scaled before the width: when it shrinks by more pixels than twice what the width does. The order
// shows in the pixels, as the first pass rounds. Releases of Pillow before 13 always scaled the width first.
func columnsFirst(srcWidth, srcHeight, width, height int) bool {
	shrink := srcHeight - height
	return shrink > 0 && shrink > 2*(srcWidth-width)
}

// inFlight is the most target rows that one source row can count for when the height shrinks: windows are at most 2 x 3 target
// rows wide, and rounding may touch one more at each end.
const inFlight = 8

// columnsFirst scales the height as source rows arrive, and the width of each row that is complete.
func (r *Resizer) columnsFirst(ctx context.Context, dst []byte, width, height int, src Source, f Filter) error {
	w, h := src.Size()
	r.vertical.compute(h, height, f)
	r.horizontal.compute(w, width, f)
	n, line := 3*w, 3*width
	r.sums = grow(r.sums, inFlight*n)
	r.packed = growPacked(r.packed, w)
	r.rows[0] = grow(r.rows[0], n)
	for i := range r.finished {
		r.finished[i] = grow(r.finished[i], n)
	}
	t := &r.vertical
	begun, done := 0, 0 // target rows
	for y := t.first[0]; done < height; y++ {
		src.Row(r.rows[0], y)
		for ; begun < height && t.first[begun] <= y; begun++ {
			sums := r.slot(begun, n)
			for i := range sums {
				sums[i] = 1 << (precision - 1)
			}
		}
		for i := done; i < begun; i++ {
			accumulate(r.slot(i, n), r.rows[0], t.weight[i*t.stride+y-t.first[i]])
		}
		for ; done < begun && t.first[done]+t.count[done] == y+1; done++ {
			out := r.finished[done&1]
			for i, s := range r.slot(done, n) {
				out[i] = clip(s)
			}
			switch {
			case done&1 == 1:
				Pack(r.packed[:w], r.finished[0], out)
				r.horizontal.pair(dst[(done-1)*line:done*line], dst[done*line:(done+1)*line], r.packed)
			case done == height-1:
				Pack(r.packed[:w], out, out)
				r.horizontal.pair(dst[done*line:(done+1)*line], nil, r.packed)
			}
		}
		if y%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// slot is where the sums of a target row under way are.
func (r *Resizer) slot(row, n int) []int32 {
	i := row % inFlight
	return r.sums[i*n : (i+1)*n]
}

func accumulate(sums []int32, row []byte, weight int32) {
	row = row[:len(sums)]
	for i, v := range row {
		sums[i] += int32(v) * weight
	}
}
