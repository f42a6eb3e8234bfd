package vp8l

import "context"

const black = 0xFF000000

// unpredict adds to each pixel what its block says is predicted from its neighbours. Those of the first row are predicted from the left, those of the first column from above.
func (t *transform) unpredict(ctx context.Context, pixels []uint32) error {
	w := t.width
	pixels[0] = add(pixels[0], black)
	addLeft(pixels[1:w], pixels[0])
	across := blocks(w, t.bits)
	for y := 1; y*w < len(pixels); y++ {
		row, above := pixels[y*w:][:w], pixels[(y-1)*w:][:w+1] // above the right of the last pixel is the first of this row
		row[0] = add(row[0], above[0])
		for i, m := range t.data[y>>t.bits*across:][:across] {
			from, to := max(i<<t.bits, 1), min((i+1)<<t.bits, w)
			if from < to {
				unpredictBlock(m>>8&15, row[from-1:to], above[from-1:to+1])
			}
		}
		if y&63 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// unpredictBlock adds what is predicted to a block's part of a row but for the pixel left of it, which comes first, and above which above begins, to reach one further than the part.
func unpredictBlock(mode uint32, part, above []uint32) {
	left, part := part[0], part[1:]
	corner, above, right := above[:len(part)], above[1:][:len(part)], above[2:][:len(part)]
	switch mode {
	case 1:
		addLeft(part, left)
	case 2:
		addAll(part, above)
	case 3:
		addAll(part, right)
	case 4:
		addAll(part, corner)
	case 5:
		for i, v := range part {
			left = add(v, mean(mean(left, right[i]), above[i]))
			part[i] = left
		}
	case 6:
		addMeanOfLeft(part, corner, left)
	case 7:
		addMeanOfLeft(part, above, left)
	case 8:
		addMeans(part, corner, above)
	case 9:
		addMeans(part, above, right)
	case 10:
		for i, v := range part {
			left = add(v, mean(mean(left, corner[i]), mean(above[i], right[i])))
			part[i] = left
		}
	case 11:
		addNearer(part, above, corner, left)
	case 12:
		addGradient(part, above, corner, left)
	case 13:
		addHalfGradient(part, above, corner, left)
	default:
		for i, v := range part {
			part[i] = add(v, black)
		}
	}
}

// mean is half of the sum, rounded down, channel by channel.
func mean(a, b uint32) uint32 { return (a^b)&0xFEFEFEFE>>1 + a&b }

func addLeft(part []uint32, left uint32) {
	for i, v := range part {
		left = add(v, left)
		part[i] = left
	}
}

func addAll(part, to []uint32) {
	for i, v := range part {
		part[i] = add(v, to[i])
	}
}

func addMeanOfLeft(part, other []uint32, left uint32) {
	for i, v := range part {
		left = add(v, mean(left, other[i]))
		part[i] = left
	}
}

func addMeans(part, a, b []uint32) {
	for i, v := range part {
		part[i] = add(v, mean(a[i], b[i]))
	}
}

// A spread pixel has its channels in four lanes of 16 bits: blue, red, green, alpha.
const (
	ones   = 0x0001_0001_0001_0001
	octets = 0xFF * ones
)

func spread(v uint32) uint64 {
	const odd = 0x00FF00FF
	return uint64(v&odd) | uint64(v&^odd)<<24
}

func joined(s uint64) uint32 { return uint32(s) | uint32(s>>24) }

// clamped is lanes of 0 to 1023, less 256, and held within a byte.
func clamped(s uint64) uint64 {
	within, over := s>>8&ones, s>>9&ones
	return s&(within<<8-within) | (over<<8 - over)
}

// magnitude is the sum over all lanes of how far a and b are apart.
func magnitude(a, b uint64) uint64 {
	d := a + 256*ones - b
	less := d>>8&ones ^ ones
	return ((d ^ (less<<8 - less)) + less) & octets * ones >> 48
}

// addNearer predicts left or above: that which is the nearer to left + above - corner, all channels together.
func addNearer(part, above, corner []uint32, left uint32) {
	l := spread(left)
	for i, v := range part {
		a, c := spread(above[i]), spread(corner[i])
		if magnitude(a, c) >= magnitude(l, c) {
			l = a
		}
		l = (l + spread(v)) & octets
		part[i] = joined(l)
	}
}

// addGradient predicts left + above - corner, held within a byte.
func addGradient(part, above, corner []uint32, left uint32) {
	l := spread(left)
	for i, v := range part {
		slope := spread(above[i]) + 256*ones - spread(corner[i])
		l = (clamped(l+slope) + spread(v)) & octets
		part[i] = joined(l)
	}
}

// addHalfGradient predicts the mean of left and above, and half of what that is more than corner, rounded to zero, held within a byte.
func addHalfGradient(part, above, corner []uint32, left uint32) {
	l := spread(left)
	for i, v := range part {
		m := (l + spread(above[i])) >> 1 & octets
		d := m + 256*ones - spread(corner[i])
		d += d>>8&ones ^ ones // of what is negative, half of one more
		half := d >> 1 & (511 * ones)
		l = (clamped(m+half+128*ones) + spread(v)) & octets
		part[i] = joined(l)
	}
}
