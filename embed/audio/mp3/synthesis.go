package mp3

// window is the synthesis window in the order of use: [2i][j] goes with the first half of the vector 2i back, [2i+1][j] with the second half of the vector 2i+1 back.
var window = func() (w [16][subbands]float32) {
	at := func(n int) float32 {
		v := halfWindow[min(n, 512-n)]
		if n > 256 && n%64 != 0 {
			v = -v
		}
		return float32(v) / 65536
	}
	for i := range w {
		for j := range w[i] {
			w[i][j] = at(32*i + j)
		}
	}
	return w
}()

// synthesis turns subbands' signals into samples. It keeps the last 15 vectors, of 64 values each.
type synthesis struct {
	v [15 + subbandLines][64]float32
}

// run makes the samples of one granule.
func (s *synthesis) run(in *times, out []float32) {
	for t := range in {
		v := &s.v[15+t]
		var c [subbands]float32
		dct32(&in[t], &c)
		for i := range 16 {
			v[i] = c[16+i]
			v[48+i] = -c[i]
		}
		v[16] = 0
		for i := 17; i < 48; i++ {
			v[i] = -c[48-i]
		}
		windowed((*[subbands]float32)(out[t*subbands:]), (*[16][64]float32)(s.v[t:]))
	}
	copy(s.v[:15], s.v[subbandLines:])
}

// windowedPlain makes the samples of the last of 16 vectors. Each is a sum in registers: adding to out over and over would take half as long again.
func windowedPlain(out *[subbands]float32, v *[16][64]float32) {
	for j := range out {
		x := v[15][j]*window[0][j] + v[14][subbands+j]*window[1][j]
		x += v[13][j]*window[2][j] + v[12][subbands+j]*window[3][j]
		x += v[11][j]*window[4][j] + v[10][subbands+j]*window[5][j]
		x += v[9][j]*window[6][j] + v[8][subbands+j]*window[7][j]
		x += v[7][j]*window[8][j] + v[6][subbands+j]*window[9][j]
		x += v[5][j]*window[10][j] + v[4][subbands+j]*window[11][j]
		x += v[3][j]*window[12][j] + v[2][subbands+j]*window[13][j]
		out[j] = x + (v[1][j]*window[14][j] + v[0][subbands+j]*window[15][j])
	}
}
