package embed

import "time"

// Costs predict how long a session takes for a batch: Fixed + items x (Step x longest + Square x longest^2). Fixed is what a batch costs whatever is in it, such as
// reading the weights; Step is the dense layers' share of a step, Square the attention's. In seconds once something has been learnt, in any unit before.
type Costs struct {
	Fixed, Step, Square float64
}

// Item is an item's own part of a batch that is as long as itself.
func (c Costs) Item(steps int) float64 {
	l := float64(steps)
	return (c.Step + c.Square*l) * l
}

// Batch is the whole batch: items, each padded to the longest.
func (c Costs) Batch(items, longest int) float64 { return c.Fixed + float64(items)*c.Item(longest) }

// What a model is taken for before anything has been seen: a batch's fixed part is what an eighth of the budget costs.
const priorFixed = 8

const (
	costKept  = 0.97  // of an observation's weight is left at the next one: the last 33 count
	costTrust = 0.005 // weight of the prior's shape: it decides what observations leave open, such as Square when all items are of one length
	costLeast = 0.01  // of the prior's terms, at least: no term vanishes, so that more work never looks free
)

// CostModel learns Costs from the batches that a session has run: weighted least squares of relative errors, with forgetting, and no negative terms. An error is taken
// relative to what was observed, so a run that other work made ten times as slow pulls the prediction by a hundredth of its weight and not by tenfold. The same
// observations always give the same costs. It is not safe for concurrent use.
type CostModel struct {
	prior Costs // a shape: its unit means nothing
	seen  int
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

// Costs are the latest estimate; known says that they are in seconds.
func (m *CostModel) Costs() (c Costs, known bool) { return m.costs, m.seen > 0 }

// Miss is the mean relative error of the latest predictions, each made before its batch was seen.
func (m *CostModel) Miss() float64 { return m.miss }

// Observe tells what a batch took. A run that took no time says nothing.
func (m *CostModel) Observe(items, longest int, took time.Duration) {
	if took <= 0 || items < 1 || longest < 1 {
		return
	}
	t := took.Seconds()
	if m.seen > 0 {
		off := min(abs(m.costs.Batch(items, longest)-t)/t, 1)
		m.miss += (off - m.miss) * max(1-costKept, 1/float64(m.seen))
	}
	m.seen++
	n, l := float64(items), float64(longest)
	x := [3]float64{m.prior.Fixed / t, m.prior.Step * n * l / t, m.prior.Square * n * l * l / t}
	for i := range x {
		for j := range x {
			m.gram[i][j] = m.gram[i][j]*costKept + x[i]*x[j]
		}
		m.right[i] = m.right[i]*costKept + x[i]
	}
	m.fit()
}

// fit solves for the multiples of the prior's terms, drawn towards the one multiple of all of them that fits best.
func (m *CostModel) fit() {
	num, den := 0.0, 0.0
	for i := range m.right {
		num += m.right[i]
		for j := range m.right {
			den += m.gram[i][j]
		}
	}
	scale := num / den
	gram, right := m.gram, m.right
	for i := range right {
		gram[i][i] += costTrust / (scale * scale)
		right[i] += costTrust / scale
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
