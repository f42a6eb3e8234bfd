package image

import (
	"context"

	"vecmill/embed"
)

// apply runs a recipe on a decoded picture: resize, crop, and the table of values, channel by channel.
func (s *scratch) apply(ctx context.Context, r *recipe, src source, floats *embed.Floats) (values []float32, w, h int, err error) {
	w, h = src.Size()
	if r.resize {
		w, h = r.width, r.height
	}
	if n := 3 * w * h; cap(s.pix) < n {
		s.pix = make([]byte, n)
	}
	pix := s.pix[:3*w*h]
	if err := s.resizer.Resize(ctx, pix, w, h, src, r.filter); err != nil {
		return nil, 0, 0, err
	}
	if !r.crop {
		values = floats.Get(3 * w * h)
		for y := range h {
			r.lookUp(values, y*w, w*h, pix[3*y*w:3*(y+1)*w])
		}
		return values, w, h, nil
	}
	values = floats.Get(3 * r.cropWidth * r.cropHeight)
	r.crops(values, pix, w, h)
	return values, r.cropWidth, r.cropHeight, nil
}

// lookUp turns a run of pixels into values from place at of each plane on.
func (r *recipe) lookUp(values []float32, at, plane int, pix []byte) {
	n := len(pix) / 3
	red, green, blue := values[at:][:n], values[plane+at:][:n], values[2*plane+at:][:n]
	for x := range red {
		p := pix[3*x : 3*x+3 : 3*x+3]
		red[x], green[x], blue[x] = r.table[0][p[0]], r.table[1][p[1]], r.table[2][p[2]]
	}
}

// crops cuts the centre out. A picture that is too short on a side is first padded with black pixels, which are then normalised
// like any other.
func (r *recipe) crops(values []float32, pix []byte, w, h int) {
	cw, ch := r.cropWidth, r.cropHeight
	// Rounded down, also where negative: the reference rounds its padding up, which comes to the same.
	left, top := (w-cw)>>1, (h-ch)>>1
	for c := range 3 {
		black := r.table[c][0]
		plane := values[c*cw*ch : (c+1)*cw*ch]
		for i := range plane {
			plane[i] = black
		}
	}
	x0, x1 := max(left, 0), min(left+cw, w) // what the crop shows of the picture
	for y := max(top, 0); y < min(top+ch, h) && x0 < x1; y++ {
		r.lookUp(values, (y-top)*cw+x0-left, cw*ch, pix[3*(y*w+x0):3*(y*w+x1)])
	}
}
