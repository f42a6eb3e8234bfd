package embed

import "math"

// Seen is what a batch was seen to need.
type Seen struct {
	Items, Longest int     // rows, and the length of the longest in steps
	Needed         float64 // more than nothing
}

// boundRidge decides what batches leave open, such as what of a picture is dense layers' and what attention's: both the same. What they do not leave open it moves by a millionth.
const boundRidge = 1e-6

// Bound gives costs that none of these batches exceeds: the least squares of relative errors, with no negative terms, and then raised, each term alike, by the factor that the worst missed one asks for. It is for what
// a bound is reckoned with, such as bytes, of which each batch of a shape needs the same; time, which it does not, is a [CostModel]'s. There must be a batch.
func Bound(seen []Seen) (c Costs, raised float64) {
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
	c, raised = Costs{Fixed: x[0] / norm[0], Step: x[1] / norm[1], Square: x[2] / norm[2]}, 1
	for _, s := range seen {
		raised = max(raised, s.Needed/c.Batch(s.Items, s.Longest))
	}
	return Costs{c.Fixed * raised, c.Step * raised, c.Square * raised}, raised
}
