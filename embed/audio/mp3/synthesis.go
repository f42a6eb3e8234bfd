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
		s.samples(t, (*[subbands]float32)(out[t*subbands:]))
	}
	copy(s.v[:15], s.v[subbandLines:])
}

// samples are those of the vector at t.
func (s *synthesis) samples(t int, out *[subbands]float32) {
	*out = [subbands]float32{}
	for i := 0; i < 16; i += 2 {
		a, b := (*[subbands]float32)(s.v[15+t-i][:]), (*[subbands]float32)(s.v[14+t-i][subbands:])
		wa, wb := &window[i], &window[i+1]
		for j := range out {
			out[j] += a[j]*wa[j] + b[j]*wb[j]
		}
	}
}
