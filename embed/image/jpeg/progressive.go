package jpeg

// firstDC decodes a block's DC coefficient but for its lowest bits.
func (sc *scan) firstDC(p *plane, dc *huffman, c *[64]int16) error {
	diff, err := sc.difference(dc)
	if err != nil {
		return err
	}
	p.predictor += diff
	c[0] = int16(p.predictor << sc.low)
	return nil
}

// firstAC decodes a band of a block but for its lowest bits.
func (sc *scan) firstAC(ac *huffman, c *[64]int16) error {
	if sc.endOfBand > 0 {
		sc.endOfBand--
		return nil
	}
	for k := sc.from; k <= sc.to; k++ {
		if sc.n < 32 {
			sc.fill()
		}
		rs, ok := ac.symbol(&sc.bits)
		if !ok {
			return errCode
		}
		run, size := uint(rs>>4), uint(rs&15)
		if size == 0 {
			if run != 15 {
				sc.endOfBand = 1<<run - 1 + int(sc.take(run))
				return nil
			}
			k += 15
			continue
		}
		k += int(run)
		if k > sc.to {
			return errCode
		}
		c[natural[k]] = int16(extend(sc.take(size), size) << sc.low)
	}
	return nil
}

// refineAC decodes one more bit of a band of a block: of the coefficients that are known to be non-zero, and of those that
// become it.
func (sc *scan) refineAC(ac *huffman, c *[64]int16) error {
	k := sc.from
	for sc.endOfBand == 0 && k <= sc.to {
		if sc.n < 32 {
			sc.fill()
		}
		rs, ok := ac.symbol(&sc.bits)
		if !ok {
			return errCode
		}
		run, size := int(rs>>4), rs&15
		var value int16
		switch {
		case size != 0: // libjpeg takes any size for 1
			value = -1 << sc.low
			if sc.bit() {
				value = 1 << sc.low
			}
		case run != 15:
			sc.endOfBand = 1<<run + int(sc.take(uint(run)))
			continue
		}
		k = sc.refineRun(c, k, run)
		if value != 0 {
			if k > sc.to {
				return errCode
			}
			c[natural[k]] = value
		}
		k++
	}
	if sc.endOfBand > 0 {
		sc.refineRun(c, k, 64)
		sc.endOfBand--
	}
	return nil
}

// refineRun refines the non-zero coefficients from place k on and passes over run zero ones; it gives the place of the next
// zero one, or one behind the band.
func (sc *scan) refineRun(c *[64]int16, k, run int) int {
	bit := int16(1) << sc.low
	for ; k <= sc.to; k++ {
		v := &c[natural[k]]
		if *v == 0 {
			if run--; run < 0 {
				break
			}
			continue
		}
		if sc.bit() && *v&bit == 0 {
			if *v >= 0 {
				*v += bit
			} else {
				*v -= bit
			}
		}
	}
	return k
}
