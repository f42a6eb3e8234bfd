package vorbis

import (
	"math"
	"slices"
)

// floor is the curve that a spectrum stands on, of type 1: lines between points.
type floor struct {
	classOf    []int // of partitions
	classes    []floorClass
	multiplier int
	x          []int // of the points in order of the stream
	order      []int // points by x
	low, high  []int // nearest points on both sides among those before
}

type floorClass struct {
	dims  int
	bits  int // of the choice of a book
	index int // book that chooses
	books []int
}

// maxPoints of a floor, by the specification.
const maxPoints = 65

// parseFloor reads a floor of the setup header.
func parseFloor(r *bitReader, books int) (*floor, error) {
	switch r.read(16) {
	case 0:
		return nil, errFloor0
	case 1:
	default:
		return nil, errSetup
	}
	f := &floor{classOf: make([]int, r.read(5))}
	most := -1
	for i := range f.classOf {
		f.classOf[i] = r.read(4)
		most = max(most, f.classOf[i])
	}
	f.classes = make([]floorClass, most+1)
	for i := range f.classes {
		c := &f.classes[i]
		c.dims, c.bits = r.read(3)+1, r.read(2)
		if c.bits > 0 {
			if c.index = r.read(8); c.index >= books {
				return nil, errSetup
			}
		}
		c.books = make([]int, 1<<c.bits)
		for k := range c.books {
			if c.books[k] = r.read(8) - 1; c.books[k] >= books {
				return nil, errSetup
			}
		}
	}
	f.multiplier = r.read(2) + 1
	width := r.read(4)
	f.x = append(f.x, 0, 1<<width)
	for _, c := range f.classOf {
		for range f.classes[c].dims {
			f.x = append(f.x, r.read(width))
		}
	}
	if len(f.x) > maxPoints || r.ended() {
		return nil, errSetup
	}
	return f, f.arrange()
}

// arrange sorts the points and finds each one's neighbours among those before it.
func (f *floor) arrange() error {
	f.order = make([]int, len(f.x))
	for i := range f.order {
		f.order[i] = i
	}
	slices.SortFunc(f.order, func(a, b int) int { return f.x[a] - f.x[b] })
	for i := 1; i < len(f.order); i++ {
		if f.x[f.order[i]] == f.x[f.order[i-1]] {
			return errSetup
		}
	}
	f.low, f.high = make([]int, len(f.x)), make([]int, len(f.x))
	for i := 2; i < len(f.x); i++ {
		f.low[i], f.high[i] = 0, 1
		for k := range i {
			if f.x[k] < f.x[i] && f.x[k] > f.x[f.low[i]] {
				f.low[i] = k
			}
			if f.x[k] > f.x[i] && f.x[k] < f.x[f.high[i]] {
				f.high[i] = k
			}
		}
	}
	return nil
}

// points are a floor's values in one packet.
type points [maxPoints]int

var floorRanges = [4]int{256, 128, 86, 64}

// read decodes the points; false says that there is no sound.
func (f *floor) read(r *bitReader, books []*book, y *points) bool {
	if !r.flag() {
		return false
	}
	width := ilog(floorRanges[f.multiplier-1] - 1)
	y[0], y[1] = r.read(width), r.read(width)
	at := 2
	for _, k := range f.classOf {
		c := &f.classes[k]
		choice := 0
		if c.bits > 0 {
			if choice = books[c.index].next(r); choice < 0 {
				return false
			}
		}
		for range c.dims {
			y[at] = 0
			if b := c.books[choice&(1<<c.bits-1)]; b >= 0 {
				if y[at] = books[b].next(r); y[at] < 0 {
					return false
				}
			}
			choice >>= c.bits
			at++
		}
	}
	return !r.ended()
}

// apply multiplies x with the curve of y.
func (f *floor) apply(y *points, x []float32) {
	var used [maxPoints]bool
	var at points
	f.unwrap(y, &at, &used)
	fromX, fromY := 0, at[0]*f.multiplier
	for _, i := range f.order[1:] {
		if !used[i] {
			continue
		}
		toX, toY := f.x[i], at[i]*f.multiplier
		line(x, fromX, fromY, toX, toY)
		fromX, fromY = toX, toY
	}
	if fromX < len(x) {
		g := decibels[fromY&255]
		for i := fromX; i < len(x); i++ {
			x[i] *= g
		}
	}
}

// unwrap undoes the prediction of each point from its neighbours.
func (f *floor) unwrap(y, at *points, used *[maxPoints]bool) {
	span := floorRanges[f.multiplier-1]
	at[0], at[1] = y[0], y[1]
	used[0], used[1] = true, true
	for i := 2; i < len(f.x); i++ {
		l, h := f.low[i], f.high[i]
		want := between(f.x[l], at[l], f.x[h], at[h], f.x[i])
		v := y[i]
		if v == 0 {
			at[i] = want
			continue
		}
		used[l], used[h], used[i] = true, true, true
		above, below := span-want, want
		switch {
		case v >= 2*min(above, below) && above > below:
			at[i] = v
		case v >= 2*min(above, below):
			at[i] = want - v + above - 1
		case v&1 != 0:
			at[i] = want - (v+1)/2
		default:
			at[i] = want + v/2
		}
		at[i] = min(max(at[i], 0), span-1) // a damaged stream leaves the range
	}
}

// between is the y of the line at x, as the specification rounds it.
func between(x0, y0, x1, y1, x int) int {
	d := y1 - y0
	if d < 0 {
		return y0 - -d*(x-x0)/(x1-x0)
	}
	return y0 + d*(x-x0)/(x1-x0)
}

// line multiplies x[x0:x1] with the values of a line of whole steps.
func line(x []float32, x0, y0, x1, y1 int) {
	width, dy := x1-x0, y1-y0
	base := dy / width
	step := base + 1
	rest := dy - base*width
	if dy < 0 {
		step, rest = base-1, -rest
	}
	y, e := y0, 0
	for i := x0; i < min(x1, len(x)); i++ {
		x[i] *= decibels[y&255]
		if e += rest; e >= width {
			e -= width
			y += step
		} else {
			y += base
		}
	}
}

// decibels are the factors of the steps of a floor: 140 dB in 256 of them.
var decibels = func() (t [256]float32) {
	for i := range t {
		t[i] = float32(math.Pow(10, float64(i-255)*140/256/20))
	}
	return t
}()
