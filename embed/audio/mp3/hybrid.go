package mp3

import "math"

// butterflies undo the aliasing between subbands: cosine and sine of each.
var butterflies = func() (t [8][2]float32) {
	for i, c := range [8]float64{-0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037} {
		r := math.Sqrt(1 + c*c)
		t[i] = [2]float32{float32(1 / r), float32(c / r)}
	}
	return t
}()

// antialias works on the borders of the first n subbands.
func antialias(x *[granuleLines]float32, n int) {
	for b := 1; b < n; b++ {
		up, down := x[b*subbandLines-8:b*subbandLines], x[b*subbandLines:b*subbandLines+8]
		for i := range 8 {
			u, d := up[7-i], down[i]
			cs, ca := butterflies[i][0], butterflies[i][1]
			up[7-i] = u*cs - d*ca
			down[i] = d*cs + u*ca
		}
	}
}

// longWindows are the windows of the block types, with the signs of the values and the factor that dct4x18 leaves; there is none for short blocks.
var longWindows = func() (t [4][36]float32) {
	for kind, w := range blockWindows() {
		for i := range 9 {
			for part, m := range [4]int{9 + i, 17 - i, 8 - i, i} {
				v := w[9*part+i] * 0.5 / math.Cos(math.Pi/72*float64(2*m+1))
				if part > 0 {
					v = -v
				}
				t[kind][9*part+i] = float32(v)
			}
		}
	}
	return t
}()

// blockWindows are those of the standard: 36 values each, and 12 for short blocks.
func blockWindows() (t [4][36]float64) {
	for i := range 36 {
		t[0][i] = math.Sin(math.Pi / 36 * (float64(i) + 0.5))
	}
	for i := range 12 {
		t[2][i] = math.Sin(math.Pi / 12 * (float64(i) + 0.5))
	}
	for i := range 18 {
		t[1][i] = t[0][i]
		t[3][35-i] = t[0][i]
	}
	for i := range 6 {
		t[1][18+i], t[3][17-i] = 1, 1
		t[1][24+i], t[3][11-i] = t[2][6+i], t[2][6+i]
	}
	return t
}

// overlap is what a channel's granule leaves to the next one, by subband.
type overlap [subbands][subbandLines]float32

// times is the signal of the subbands in one granule: by time, then subband.
type times [subbandLines][subbands]float32

// transform takes a spectrum to the subbands' signals and adds it to out. Subbands from the last set one on have what is left over only.
func (o *overlap) transform(s *spectrum, g *granule, out *times) {
	last := (s.used + subbandLines - 1) / subbandLines
	long := subbands
	switch {
	case g.blockType == shortBlock && g.mixed:
		long = 2
	case g.blockType == shortBlock:
		long = 0
	}
	if n := min(long, last+1); n > 1 {
		antialias(&s.x, n)
		if long == subbands {
			last = n // the border's lines have spread upwards
		}
	}
	var y [36]float32
	for b := range subbands {
		tail := &o[b]
		if b >= last {
			for i, v := range tail {
				if v != 0 {
					out[i][b] += v * sign(b, i)
				}
				tail[i] = 0
			}
			continue
		}
		x := (*[subbandLines]float32)(s.x[b*subbandLines:])
		switch {
		case b >= long:
			short(x, &y)
		case g.mixed && b < 2:
			imdct36(x, &longWindows[0], &y)
		default:
			imdct36(x, &longWindows[g.blockType], &y)
		}
		if b&1 == 0 {
			for i := range tail {
				out[i][b] += y[i] + tail[i]
			}
		} else {
			for i := 0; i < subbandLines; i += 2 {
				out[i][b] += y[i] + tail[i]
				out[i+1][b] -= y[i+1] + tail[i+1]
			}
		}
		copy(tail[:], y[18:])
	}
}

// sign is that of time i of subband b: odd subbands are mirrored in frequency.
func sign(b, i int) float32 {
	if b&i&1 != 0 {
		return -1
	}
	return 1
}

// cos12 is the transform of 6 lines to 12 values, times the window.
var cos12 = func() (t [6][12]float32) {
	for k := range t {
		for i := range t[k] {
			t[k][i] = float32(math.Cos(math.Pi/24*float64((2*i+7)*(2*k+1))) * math.Sin(math.Pi/12*(float64(i)+0.5)))
		}
	}
	return t
}()

// short transforms the three windows of a subband, which overlap in the middle of y.
func short(x *[subbandLines]float32, y *[36]float32) {
	*y = [36]float32{}
	for w := range 3 {
		out := (*[12]float32)(y[6+6*w:])
		for k := range 6 {
			v := x[3*k+w]
			for i, c := range cos12[k] {
				out[i] += v * c
			}
		}
	}
}

// imdct36 transforms 18 lines to 36 values, times the window. It is a DCT-IV of 18 whose values appear twice, with symmetries.
func imdct36(x *[subbandLines]float32, window, y *[36]float32) {
	var d [subbandLines]float32
	dct4x18(x, &d)
	for i := range 9 {
		y[i] = d[9+i] * window[i]
		y[9+i] = d[17-i] * window[9+i]
		y[18+i] = d[8-i] * window[18+i]
		y[27+i] = d[i] * window[27+i]
	}
}
