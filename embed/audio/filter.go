package audio

import (
	"context"
	"math"
)

// The resampling filter: flat up to passband, down by attenuation from stopband on, both relative to the lower of the two
// Nyquist frequencies. These are the figures of soxr's HQ recipe (20 bits).
const (
	attenuation = 120.4 // dB
	passband    = 0.9136
	stopband    = 1.0
)

// maxPhases bounds a filter's table. Ratios with more phases than this are interpolated between neighbouring rows, whose
// error stays below -115 dB.
const maxPhases = 1024

// filter is a bank of FIR filters, one row for each position of an output sample between two input samples.
type filter struct {
	up, down int64 // output and input rate, divided by their greatest common divisor
	taps     int   // of a row; a multiple of lanes
	phases   int   // rows of the bank
	exact    bool  // phases == up: every output sample falls on a row; otherwise the bank has one row more, to interpolate
	rows     []float32
}

// row p holds the weights of the taps input samples around an output sample that lies p/phases behind the middle one.
func (f *filter) row(p int) []float32 { return f.rows[p*f.taps : (p+1)*f.taps] }

// lead is how many samples before its position an output sample's row begins.
func (f *filter) lead() int { return f.taps/2 - 1 }

// designFilter designs the bank from in to out samples a second. Each row is scaled to a gain of exactly one for direct current,
// so that no phase is louder than another. It takes milliseconds for the usual rates, and a second or more for rates far above out that have no divisor with it; the error is ctx's.
func designFilter(ctx context.Context, in, out int) (*filter, error) {
	g := gcd(in, out)
	f := &filter{up: int64(out / g), down: int64(in / g)}
	f.phases, f.exact = int(f.up), true
	rows := f.phases
	if f.phases > maxPhases {
		f.phases, f.exact = maxPhases, false
		rows = f.phases + 1
	}
	lower := math.Min(1, float64(out)/float64(in)) // lower Nyquist, in input Nyquists
	// Kaiser's formula for the length that a transition width needs; the cutoff lies in the middle of the transition.
	width := math.Pi * lower * (stopband - passband)
	cutoff := lower * (stopband + passband) / 2
	half := int(math.Ceil((attenuation-7.95)/(2.285*width)/2)) + 1
	half += -half & (lanes/2 - 1)
	f.taps = 2 * half
	beta := 0.1102 * (attenuation - 8.7)
	f.rows = make([]float32, rows*f.taps)
	scratch := make([]float64, f.taps)
	for p := range rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		sum := 0.0
		for j := range scratch {
			t := float64(half-1-j) + float64(p)/float64(f.phases) // distance of the output from input sample j, in samples
			w := cutoff * sinc(cutoff*t) * kaiser(t/float64(half), beta)
			scratch[j] = w
			sum += w
		}
		row := f.row(p)
		for j, w := range scratch {
			row[j] = float32(w / sum)
		}
	}
	return f, nil
}

// between is the sample for part/up, of the rows beside it, linearly.
func (f *filter) between(x []float32, part int64) float32 {
	pos := float64(part) / float64(f.up) * float64(f.phases)
	p := int(pos)
	w := float32(pos - float64(p))
	a := dot(x, f.row(p))
	return a + w*(dot(x, f.row(p+1))-a)
}

// length is the number of output samples for n input samples: ceil(n*out/in).
func (f *filter) length(n int64) int64 { return (n*f.up + f.down - 1) / f.down }

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// kaiser is the window at x in [-1, 1], not normalised: rows are.
func kaiser(x, beta float64) float64 {
	if x <= -1 || x >= 1 {
		return 0
	}
	return bessel0(beta * math.Sqrt(1-x*x))
}

// bessel0 is the modified Bessel function of the first kind, order 0, by its power series.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-17; k++ {
		term *= (x / 2) / k * (x / 2) / k
		sum += term
	}
	return sum
}
