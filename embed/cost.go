package embed

import "math"

// Costs predict what a session needs for a batch: Fixed + items x max(Row, Step x longest + Square x longest^2). Fixed is what a batch costs whatever is in it, such as
// reading the weights; Step is the dense layers' share of a step, Square the attention's; Row is of bytes alone: the most that an item needs before the rest comes, such as the first piece of a recording. Time is in seconds once something has been learnt, in any unit before; memory in bytes.
type Costs struct {
	Fixed  float64 `json:"fixed"`         // of a batch
	Step   float64 `json:"step"`          // of a step of the longest item, for each item
	Square float64 `json:"square"`        // of such a step squared, for each item
	Row    float64 `json:"row,omitempty"` // of each item at least
}

// Sound says whether these can be what batches cost: they grow with the batch, and are numbers. The zero value is not sound.
func (c Costs) Sound() bool {
	return c.Fixed >= 0 && c.Row >= 0 && c.Step >= 0 && c.Square >= 0 && c.Step+c.Square > 0 && !math.IsInf(c.Fixed+c.Row+c.Step+c.Square, 1)
}

// Item is an item's own part of a batch that is as long as itself.
func (c Costs) Item(steps int) float64 {
	l := float64(steps)
	return max(c.Row, (c.Step+c.Square*l)*l)
}

// Batch is the whole batch: items, each padded to the longest.
func (c Costs) Batch(items, longest int) float64 { return c.Fixed + float64(items)*c.Item(longest) }

// within is how many items of a length need no more than most in one batch; less than 1 if one does.
func (c Costs) within(most float64, longest int) int {
	return int(min((most-c.Fixed)/c.Item(longest), math.MaxInt32))
}

// What a model is taken for before anything has been seen: a batch's fixed part is what an eighth of the budget costs.
const priorFixed = 8

const (
	costKept  = 0.97  // of an observation's weight is left at the next one: the last 33 count
	costTrust = 0.005 // weight of the prior's shape: it decides what observations leave open, such as Square when all items are of one length
	costLeast = 0.01  // of the prior's terms, at least: no term vanishes, so that more work never looks free
)

// CostModel learns Costs, in seconds or in bytes, from the batches that a session has run: weighted least squares of relative errors, with forgetting, and no negative terms. An error is taken
// relative to what was observed, so a run that other work made ten times as slow pulls the prediction by a hundredth of its weight and not by tenfold. The same
// observations always give the same costs. It is not safe for concurrent use.
type CostModel struct {
	prior Costs         // a shape: its unit means nothing
	kept  [3]float64    // the shape of costs that were kept, as multiples of the prior's terms
	trust float64       // in kept, the rest being in the prior
	known bool          // costs are in the unit of what is observed
	seen  int           // predictions that miss is made of
	gram  [3][3]float64 // discounted sums over the observations, of the terms as multiples of the prior's, over the time
	right [3]float64
	costs Costs
	miss  float64 // mean relative error of the latest predictions
}

// NewCostModel begins with a shape: dense layers and attention as flops counts them for an item of so many steps (nil, or all 0: a guess).
func NewCostModel(maxCost int, flops func(steps int) float64) *CostModel {
	n := float64(max(maxCost/priorFixed, 1))
	once, twice := 0.0, 0.0
	if flops != nil {
		once, twice = flops(int(n)), flops(2*int(n))
	}
	square := (twice - 2*once) / (2 * n * n)
	step := once/n - square*n
	if step <= 0 {
		step, square = 1, 0
	}
	square = max(square, step/(100*n)) // so that it can be learnt
	per := step + square*n             // of one step, in an item of n
	m := &CostModel{prior: Costs{Fixed: float64(maxCost) / priorFixed, Step: step / per, Square: square / per}}
	m.costs = m.prior
	return m
}

// NewCostModelFrom begins with costs that were learnt before, of the same model on the same device: they are known, and give way to what is seen. How large they are the first batch
// tells already; their shape decides what observations leave open, and is forgotten as observations are. Costs that are not sound are none.
func NewCostModelFrom(kept Costs, maxCost int, flops func(steps int) float64) *CostModel {
	m := NewCostModel(maxCost, flops)
	if !kept.Sound() {
		return m
	}
	usual := max(maxCost/priorFixed, 1)
	unit := kept.Batch(priorFixed, usual) / m.prior.Batch(priorFixed, usual)
	m.kept = [3]float64{kept.Fixed / (unit * m.prior.Fixed), kept.Step / (unit * m.prior.Step), kept.Square / (unit * m.prior.Square)}
	m.trust, m.costs, m.known = 1, kept, true
	return m
}

// Costs are the latest estimate; known says that they are in the unit of what is observed, and in none otherwise.
func (m *CostModel) Costs() (c Costs, known bool) { return m.costs, m.known }

// Miss is the mean relative error of the latest predictions, each made before its batch was seen.
func (m *CostModel) Miss() float64 { return m.miss }

// Observe tells what a batch took: seconds or bytes, always the same of a model. A run that took nothing says nothing.
func (m *CostModel) Observe(items, longest int, v float64) {
	if !(v > 0) || items < 1 || longest < 1 {
		return
	}
	if m.known {
		m.seen++
		off := min(abs(m.costs.Batch(items, longest)-v)/v, 1)
		m.miss += (off - m.miss) * max(1-costKept, 1/float64(m.seen))
	}
	m.known = true
	n, l := float64(items), float64(longest)
	x := [3]float64{m.prior.Fixed / v, m.prior.Step * n * l / v, m.prior.Square * n * l * l / v}
	for i := range x {
		for j := range x {
			m.gram[i][j] = m.gram[i][j]*costKept + x[i]*x[j]
		}
		m.right[i] = m.right[i]*costKept + x[i]
	}
	m.trust *= costKept
	m.fit()
}

// shape is what fit is drawn to, as multiples of the prior's terms: 1 of each where nothing was kept.
func (m *CostModel) shape() (s [3]float64) {
	for i := range s {
		s[i] = 1 + m.trust*(m.kept[i]-1)
	}
	return s
}

// fit solves for the multiples of the prior's terms, drawn towards the one multiple of the shape that fits best.
func (m *CostModel) fit() {
	shape := m.shape()
	num, den := 0.0, 0.0
	for i := range m.right {
		num += shape[i] * m.right[i]
		for j := range m.right {
			den += shape[i] * shape[j] * m.gram[i][j]
		}
	}
	scale := num / den
	gram, right := m.gram, m.right
	for i := range right {
		gram[i][i] += costTrust / (scale * scale)
		right[i] += costTrust * shape[i] / scale
	}
	least := costLeast * scale
	for i := range right {
		for j := range right {
			right[i] -= gram[i][j] * least
		}
	}
	x := nonNegative(gram, right)
	m.costs = Costs{Fixed: m.prior.Fixed * (x[0] + least), Step: m.prior.Step * (x[1] + least), Square: m.prior.Square * (x[2] + least)}
}

// nonNegative is the x >= 0 with the least x'Gx/2 - b'x, for a positive definite G: of each set of terms that may be above 0, the solution, if it is one, and of these the best.
func nonNegative(g [3][3]float64, b [3]float64) (best [3]float64) {
	least := 0.0 // of x = 0
	for set := 1; set < 8; set++ {
		x, ok := solve(g, b, set)
		if !ok {
			continue
		}
		value := 0.0
		for i := range x {
			value -= x[i] * b[i] / 2 // at a solution x'Gx = b'x
		}
		if value < least {
			best, least = x, value
		}
	}
	return best
}

// solve eliminates within the terms of set, the others being 0. It is no solution if a term comes out negative.
func solve(g [3][3]float64, b [3]float64, set int) (x [3]float64, ok bool) {
	var terms []int
	for i := range b {
		if set&(1<<i) != 0 {
			terms = append(terms, i)
		}
	}
	for k, p := range terms {
		for _, r := range terms[k+1:] {
			f := g[r][p] / g[p][p]
			for _, c := range terms[k:] {
				g[r][c] -= f * g[p][c]
			}
			b[r] -= f * b[p]
		}
	}
	for k := len(terms) - 1; k >= 0; k-- {
		p := terms[k]
		x[p] = b[p]
		for _, c := range terms[k+1:] {
			x[p] -= g[p][c] * x[c]
		}
		if x[p] /= g[p][p]; !(x[p] >= 0) {
			return x, false
		}
	}
	return x, true
}

func abs(x float64) float64 { return max(x, -x) }
