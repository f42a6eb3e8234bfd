package embed

import (
	"cmp"
	"math"
	"slices"
)

// Seen is what a batch was seen to need.
type Seen struct {
	Items, Longest int     // rows, and the length of the longest in steps
	Needed         float64 // more than nothing
}

// boundRidge decides what batches leave open, such as what of a picture is dense layers' and what attention's: both the same. What they do not leave open it moves by a millionth.
const boundRidge = 1e-6

// Where what was seen is of several lengths, a bound is so much above it: at lengths between them, and from one run to the next, chunks of the arena happen to fit better or worse. Several short items share a batch, and have more and smaller chunks.
const (
	between      = 9.0 / 8
	betweenShort = 4.0 / 3 // of a Row
)

// rowGain is what a Row must take off the furthest that a bound is above what was seen, or there is none.
const rowGain = 0.01

// Bound gives costs that none of these batches exceeds. For each length, what is shorter has the most that an item of it needs for a Row, and the rest has the least squares of relative errors, with no negative terms, raised, each term alike, by the factor that the worst missed one asks for:
// of several lengths the last has a Step alone, as one does not say how needs grow;
// of these bounds it is the one that is nowhere far above what was seen. It is for what a bound is reckoned with, such as bytes, of which each batch of a shape needs the same; time, which it does not, is a [CostModel]'s. There must be a batch.
func Bound(seen []Seen) (c Costs, raised float64) {
	seen = slices.Clone(seen)
	slices.SortStableFunc(seen, func(a, b Seen) int { return cmp.Compare(a.Longest, b.Longest) })
	last, above := seen[len(seen)-1].Longest, math.Inf(1)
	for i := range seen {
		if i > 0 && seen[i].Longest == seen[i-1].Longest {
			continue
		}
		bound := line
		if i > 0 && seen[i].Longest == last {
			bound = proportional
		}
		now, by := bound(seen[i:])
		for _, s := range seen[:i] {
			now.Row = max(now.Row, (s.Needed-now.Fixed)/float64(s.Items))
		}
		worst := 0.0
		for _, s := range seen {
			worst = max(worst, now.Batch(s.Items, s.Longest)/s.Needed)
		}
		if worst < above*(1-rowGain) {
			c, raised, above = now, by, worst
		}
	}
	if seen[0].Longest < last {
		c = c.times(between)
		c.Row *= betweenShort / between
	}
	return c, raised
}

// line is a bound without a Row.
func line(seen []Seen) (c Costs, raised float64) {
	var gram [3][3]float64
	var right, norm [3]float64
	for _, s := range seen {
		n, l := float64(s.Items), float64(s.Longest)
		x := [3]float64{1 / s.Needed, n * l / s.Needed, n * l * l / s.Needed}
		for i := range x {
			for j := range x {
				gram[i][j] += x[i] * x[j]
			}
			right[i] += x[i]
		}
	}
	for i := range norm {
		norm[i] = math.Sqrt(gram[i][i])
	}
	for i := range gram {
		for j := range gram {
			gram[i][j] /= norm[i] * norm[j]
		}
		gram[i][i] += boundRidge
		right[i] /= norm[i]
	}
	x := nonNegative(gram, right)
	return Costs{Fixed: x[0] / norm[0], Step: x[1] / norm[1], Square: x[2] / norm[2]}.raise(seen)
}

// proportional is a bound of one length without a Row and a Fixed part.
func proportional(seen []Seen) (c Costs, raised float64) {
	sum, squares := 0.0, 0.0
	for _, s := range seen {
		x := float64(s.Items) * float64(s.Longest) / s.Needed
		sum += x
		squares += x * x
	}
	return Costs{Step: sum / squares}.raise(seen)
}

// raise makes costs as much more as the worst missed batch asks for.
func (c Costs) raise(seen []Seen) (above Costs, by float64) {
	by = 1
	for _, s := range seen {
		by = max(by, s.Needed/c.Batch(s.Items, s.Longest))
	}
	return c.times(by), by
}

func (c Costs) times(by float64) Costs {
	return Costs{Fixed: c.Fixed * by, Step: c.Step * by, Square: c.Square * by, Row: c.Row * by}
}
