package audio

import "slices"

// resampler runs a filter over a stream of blocks. Before the first and behind the last sample it sees zeros.
type resampler struct {
	f    *filter
	hist []float32 // input from sample base on; what lies before was used up
	base int64     // may be negative: the zeros before the first sample
	fed  int64     // input samples so far
	made int64     // output samples so far
}

// reset begins a new stream, keeping memory.
func (r *resampler) reset(f *filter) {
	r.f = f
	r.hist = append(r.hist[:0], make([]float32, f.lead())...)
	r.base, r.fed, r.made = -int64(f.lead()), 0, 0
}

// push appends to out what the stream's output has become with x.
func (r *resampler) push(out, x []float32) []float32 {
	r.hist = append(r.hist, x...)
	r.fed += int64(len(x))
	return r.run(out, 1<<62)
}

// finish appends the rest: after it, out has exactly filter.length(n) samples of this stream.
func (r *resampler) finish(out []float32) []float32 {
	r.hist = append(r.hist, make([]float32, r.f.taps)...)
	return r.run(out, r.f.length(r.fed))
}

// run makes output samples up to number end while their input is there.
func (r *resampler) run(out []float32, end int64) []float32 {
	f := r.f
	n, have := int(max(min(end, r.reached())-r.made, 0)), len(out)
	out = slices.Grow(out, n)[:have+n]
	if f.exact {
		r.byRows(out[have:])
	} else {
		r.byPlaces(out[have:])
	}
	r.made += int64(n)
	if used := min(r.made*f.down/f.up-int64(f.lead())-r.base, int64(len(r.hist))); used > 0 {
		r.hist = r.hist[:copy(r.hist, r.hist[used:])]
		r.base += used
	}
	return out
}

// reached is up to which output sample there is input. The position of an output sample in the input is its number times down/up.
func (r *resampler) reached() int64 {
	f := r.f
	last := r.base + int64(len(r.hist)-f.taps+f.lead()) // the position's whole part may be this
	return max(((last+1)*f.up+f.down-1)/f.down, 0)
}

// byRows makes the next output samples. Those that are up apart share a row of the bank: taken together they need it once, and the bank is larger than a processor's nearest cache.
func (r *resampler) byRows(out []float32) {
	f, up, down := r.f, int(r.f.up), int(r.f.down)
	at, part := int(r.made*f.down/f.up), int(r.made*f.down%f.up)
	for first := range min(up, len(out)) {
		lo, h := at-f.lead()-int(r.base), f.row(part)
		i := first
		for ; i+2*up < len(out); i += 3 * up {
			out[i], out[i+up], out[i+2*up] = dot3(r.hist[lo:], down, h)
			lo += 3 * down
		}
		for ; i < len(out); i += up {
			out[i] = dot(r.hist[lo:lo+f.taps], h)
			lo += down
		}
		at, part = at+down/up, part+down%up
		if part >= up {
			at, part = at+1, part-up
		}
	}
}

// byPlaces makes the next output samples where each falls between two rows.
func (r *resampler) byPlaces(out []float32) {
	f := r.f
	for i := range out {
		place := (r.made + int64(i)) * f.down
		lo := int(place/f.up-r.base) - f.lead()
		out[i] = f.between(r.hist[lo:lo+f.taps], place%f.up)
	}
}

// lanes is what the length of a filter's rows is a multiple of: a vector of the processor.
const lanes = 8

// dotPlain is dot in Go. Four sums keep the processor's adders busy, and add up more exactly than one.
func dotPlain(x, h []float32) float32 {
	h = h[:len(x)]
	var a, b, c, d float32
	for len(x) >= 4 && len(h) >= 4 {
		a += x[0] * h[0]
		b += x[1] * h[1]
		c += x[2] * h[2]
		d += x[3] * h[3]
		x, h = x[4:], h[4:]
	}
	return (a + c) + (b + d)
}

// dot3Plain is dot3 without vector instructions.
func dot3Plain(x []float32, step int, h []float32) (a, b, c float32) {
	n := len(h)
	return dotPlain(x[:n], h), dotPlain(x[step:step+n], h), dotPlain(x[2*step:2*step+n], h)
}
