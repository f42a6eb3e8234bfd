package audio

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
	lead := f.taps/2 - 1
	r.hist = append(r.hist[:0], make([]float32, lead)...)
	r.base, r.fed, r.made = int64(-lead), 0, 0
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
	lead := int64(f.taps/2 - 1)
	// The position of an output sample in the input is at + part/up, advanced by down/up each time.
	at, part := r.made*f.down/f.up, r.made*f.down%f.up
	stepAt, stepPart := f.down/f.up, f.down%f.up
	for r.made < end {
		lo := at - lead - r.base
		hi := lo + int64(f.taps)
		if hi > int64(len(r.hist)) {
			break
		}
		x := r.hist[lo:hi]
		if f.exact {
			out = append(out, dot(x, f.row(int(part))))
		} else {
			out = append(out, f.between(x, part))
		}
		r.made++
		at, part = at+stepAt, part+stepPart
		if part >= f.up {
			at, part = at+1, part-f.up
		}
	}
	if used := min(at-lead-r.base, int64(len(r.hist))); used > 0 {
		r.hist = r.hist[:copy(r.hist, r.hist[used:])]
		r.base += used
	}
	return out
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
