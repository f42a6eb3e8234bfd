package flac

import "errors"

// margin is how many zeros lie before a channel's samples, so that a predictor that is filled up with coefficients of 0 may reach for them: as many as the longest has.
const margin = 32

var (
	errPredictor = errors.New("a subframe's header has a reserved code")
	errResidual  = errors.New("a residual of a reserved kind, or of parts that do not fit")
)

// decode reads a subframe of samples of a width in bits.
func (c channel) decode(r *bitReader, width int) error {
	x := c[margin:]
	if r.read(1) != 0 {
		return errPredictor
	}
	kind := r.read(6)
	wasted := 0
	if r.read(1) != 0 {
		wasted = r.unary() + 1
	}
	if width -= wasted; width < 1 {
		return errPredictor
	}
	var err error
	switch {
	case kind == 0:
		v := r.signed(width)
		for i := range x {
			x[i] = v
		}
	case kind == 1:
		for i := range x {
			x[i] = r.signed(width)
		}
	case kind >= 8 && kind <= 12:
		err = c.fixed(r, width, kind-8)
	case kind >= 32:
		err = c.linear(r, width, kind-31)
	default:
		err = errPredictor
	}
	if err == nil && wasted > 0 {
		for i := range x {
			x[i] <<= wasted
		}
	}
	return err
}

// warmUp reads the samples that a predictor of an order begins with.
func (c channel) warmUp(r *bitReader, width, order int) error {
	if order > len(c)-margin {
		return errResidual
	}
	for i := range order {
		c[margin+i] = r.signed(width)
	}
	return nil
}

// fixed reads a subframe with one of the five predictors that are differences: of the differences of an order the residual is the next one.
func (c channel) fixed(r *bitReader, width, order int) error {
	if err := c.warmUp(r, width, order); err != nil {
		return err
	}
	if err := c.residual(r, order); err != nil {
		return err
	}
	x := c[margin:]
	if order == 0 {
		return nil
	}
	var s [4]int32 // the last sample, its difference, and so on; where the stream has less, zeros
	for i, v := range c[margin : margin+order] {
		was := s
		s[0] = v
		for k := 1; k <= i; k++ {
			s[k] = s[k-1] - was[k-1]
		}
	}
	a, b, e, f := s[0], s[1], s[2], s[3]
	switch x = x[order:]; order {
	case 1:
		for i, v := range x {
			a += v
			x[i] = a
		}
	case 2:
		for i, v := range x {
			b += v
			a += b
			x[i] = a
		}
	case 3:
		for i, v := range x {
			e += v
			b += e
			a += b
			x[i] = a
		}
	case 4:
		for i, v := range x {
			f += v
			e += f
			b += e
			a += b
			x[i] = a
		}
	}
	return nil
}

// linear reads a subframe with a predictor of its own.
func (c channel) linear(r *bitReader, width, order int) error {
	if err := c.warmUp(r, width, order); err != nil {
		return err
	}
	precision := r.read(4) + 1
	shift := int(r.signed(5))
	if precision == 16 || shift < 0 {
		return errPredictor
	}
	var weights [margin]int64 // of the samples before, the nearest last
	for i := range order {
		weights[margin-1-i] = int64(r.signed(precision))
	}
	if err := c.residual(r, order); err != nil {
		return err
	}
	c.predict(&weights, order, shift)
	return nil
}

// predict adds to each residual behind the first order samples what the samples before it give. Orders up to 12, which is what encoders use, have a loop of their own with the
// samples at fixed places.
func (c channel) predict(w *[margin]int64, order, shift int) {
	s := shift & 63
	switch {
	case order <= 4:
		w := (*[4]int64)(w[margin-4:])
		for i := margin + order; i < len(c); i++ {
			x := (*[5]int32)(c[i-4:])
			x[4] += int32((w[0]*int64(x[0]) + w[1]*int64(x[1]) + w[2]*int64(x[2]) + w[3]*int64(x[3])) >> s)
		}
	case order <= 8:
		w := (*[8]int64)(w[margin-8:])
		for i := margin + order; i < len(c); i++ {
			x := (*[9]int32)(c[i-8:])
			x[8] += int32((w[0]*int64(x[0]) + w[1]*int64(x[1]) + w[2]*int64(x[2]) + w[3]*int64(x[3]) +
				w[4]*int64(x[4]) + w[5]*int64(x[5]) + w[6]*int64(x[6]) + w[7]*int64(x[7])) >> s)
		}
	case order <= 12:
		w := (*[12]int64)(w[margin-12:])
		for i := margin + order; i < len(c); i++ {
			x := (*[13]int32)(c[i-12:])
			x[12] += int32((w[0]*int64(x[0]) + w[1]*int64(x[1]) + w[2]*int64(x[2]) + w[3]*int64(x[3]) +
				w[4]*int64(x[4]) + w[5]*int64(x[5]) + w[6]*int64(x[6]) + w[7]*int64(x[7]) +
				w[8]*int64(x[8]) + w[9]*int64(x[9]) + w[10]*int64(x[10]) + w[11]*int64(x[11])) >> s)
		}
	default:
		for i := margin + order; i < len(c); i++ {
			sum := int64(0)
			for k, v := range (*[margin]int32)(c[i-margin:]) {
				sum += w[k] * int64(v)
			}
			c[i] += int32(sum >> s)
		}
	}
}

// residual reads what the predictor of an order has left, in parts with a Rice parameter each, to where the samples will be.
func (c channel) residual(r *bitReader, order int) error {
	x := c[margin:]
	size := 4 // bits of a parameter
	switch r.read(2) {
	case 0:
	case 1:
		size = 5
	default:
		return errResidual
	}
	parts := r.read(4)
	each := len(x) >> parts
	if each<<parts != len(x) || each < order {
		return errResidual
	}
	for p := range 1 << parts {
		part := x[max(p*each, order) : (p+1)*each]
		k := r.read(size)
		if k < 1<<size-1 {
			if !r.rice(part, k) {
				return errTruncated
			}
			continue
		}
		n := r.read(5) // not coded at all
		for i := range part {
			part[i] = r.signed(n)
		}
		if r.over() {
			return errTruncated
		}
	}
	return nil
}
