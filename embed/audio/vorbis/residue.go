package vorbis

// residue is how the spectrum over the floor is coded: partitions, each of a class, whose books add up.
type residue struct {
	kind       int
	begin, end int
	size       int // of a partition
	classes    int
	index      int // book of classes
	books      [][8]int
}

// parseResidue reads a residue of the setup header.
func parseResidue(r *bitReader, books []*book) (*residue, error) {
	d := &residue{kind: r.read(16)}
	d.begin, d.end = r.read(24), r.read(24)
	d.size, d.classes, d.index = r.read(24)+1, r.read(6)+1, r.read(8)
	if d.kind > 2 || d.end < d.begin || d.index >= len(books) || r.ended() {
		return nil, errSetup
	}
	passes := make([]int, d.classes)
	for i := range passes {
		passes[i] = r.read(3)
		if r.flag() {
			passes[i] |= r.read(5) << 3
		}
	}
	d.books = make([][8]int, d.classes)
	for i := range d.books {
		for p := range 8 {
			d.books[i][p] = -1
			if passes[i]>>p&1 == 0 {
				continue
			}
			b := r.read(8)
			if b >= len(books) || books[b].vectors == nil || d.size%books[b].dims != 0 {
				return nil, errSetup
			}
			d.books[i][p] = b
		}
	}
	// Each codeword of the index is that many classes: there must be as many as its entries stand for.
	n := 1
	for range books[d.index].dims {
		if n *= d.classes; n > books[d.index].entries {
			return nil, errSetup
		}
	}
	return d, nil
}

// room is memory for the classes of partitions.
type room struct {
	classes []uint8
	mixed   []float32
}

// read adds the residue of channels to out, which are zero. skip are the channels without sound.
func (d *residue) read(r *bitReader, books []*book, out [][]float32, skip []bool, m *room) {
	if d.kind != 2 {
		d.partitions(r, books, out, skip, m)
		return
	}
	silent := true
	for _, s := range skip {
		silent = silent && s
	}
	if silent {
		return
	}
	ch, n := len(out), len(out[0])
	if ch == 1 {
		d.partitions(r, books, out, []bool{false}, m)
		return
	}
	m.mixed = grow(m.mixed, ch*n)
	x := m.mixed
	clear(x)
	d.partitions(r, books, [][]float32{x}, []bool{false}, m)
	if ch == 2 {
		a, b := out[0][:n], out[1][:n]
		for i := range n {
			a[i], b[i] = x[2*i], x[2*i+1]
		}
		return
	}
	for c, o := range out {
		for i := range o {
			o[i] = x[i*ch+c]
		}
	}
}

// partitions decodes all passes.
func (d *residue) partitions(r *bitReader, books []*book, out [][]float32, skip []bool, m *room) {
	n := len(out[0])
	begin, end := min(d.begin, n), min(d.end, n)
	count := (end - begin) / d.size
	if count == 0 {
		return
	}
	index := books[d.index]
	row := count + index.dims
	m.classes = grow(m.classes, row*len(out))
	for pass := range 8 {
		for p := 0; p < count; p += index.dims {
			if pass == 0 && !d.readClasses(r, index, skip, m.classes, row, p) {
				return
			}
			for k := p; k < min(p+index.dims, count); k++ {
				for c, x := range out {
					if skip[c] {
						continue
					}
					b := d.books[m.classes[c*row+k]][pass]
					if b < 0 {
						continue
					}
					from := begin + k*d.size
					if !books[b].addTo(r, x[from:from+d.size], d.kind == 0) {
						return
					}
				}
			}
		}
	}
}

// readClasses decodes the classes of the partitions from p on that one codeword tells, of each channel.
func (d *residue) readClasses(r *bitReader, index *book, skip []bool, classes []uint8, row, p int) bool {
	for c, s := range skip {
		if s {
			continue
		}
		v := index.next(r)
		if v < 0 {
			return false
		}
		for k := index.dims - 1; k >= 0; k-- {
			classes[c*row+p+k] = uint8(v % d.classes)
			v /= d.classes
		}
	}
	return true
}

// addTo adds vectors to x: one behind the other, or spread. false at the packet's end.
func (b *book) addTo(r *bitReader, x []float32, spread bool) bool {
	dims := b.dims
	if spread {
		step := len(x) / dims
		for i := range step {
			e := b.next(r)
			if e < 0 {
				return false
			}
			for k, v := range b.vectors[e*dims : (e+1)*dims] {
				x[i+k*step] += v
			}
		}
		return true
	}
	for ; len(x) >= dims; x = x[dims:] {
		e := b.next(r)
		if e < 0 {
			return false
		}
		part := x[:dims]
		for k, v := range b.vectors[e*dims : (e+1)*dims] {
			part[k] += v
		}
	}
	return true
}

// grow is s with n elements, of any values.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
