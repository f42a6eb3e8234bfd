package helm

import "math"

// load is the work that arrives at a second, in steps of the model a second.
type load func(second int) float64

const (
	speed       = 1000 // steps that a worker computes in a second; the example's stepsPerReplica are ten minutes of it
	syncEvery   = 15   // --horizontal-pod-autoscaler-sync-period
	tolerance   = 0.1  // --horizontal-pod-autoscaler-tolerance
	rateSeconds = 120  // of the query for busy sessions
	metricAge   = 30   // how old the lag is that the autoscaler sees: a scrape of 15 s, and one that was just missed
)

// cluster is a group of workers under an autoscaler, second by second. Assumed: every worker computes the same; work arrives evenly over the partitions; partitions are
// dealt round; while the group drains, nobody computes and no worker tells any lag (its partitions are taken away); a worker that goes drains as long as the others.
type cluster struct {
	s      settings
	start  int // seconds from a pod's start to its first row
	drain  int // seconds that a drain takes
	second int

	lag      []float64 // of each partition
	seen     []float64 // what was told, by second
	busy     []float64 // workers that computed, by second
	starting []int     // seconds at which pods that start will be there
	working  int
	pausing  int // until then the group drains

	wanted    []float64 // recommendations, one each sync
	added     map[int]int
	removed   map[int]int
	events    []event
	redone    float64
	mostLag   float64
	mostCount int
}

// event is a change of the number of replicas.
type event struct{ second, from, to int }

func newCluster(s settings, start, drain int) *cluster {
	return &cluster{s: s, start: start, drain: drain, lag: make([]float64, s.partitions), working: s.min, added: map[int]int{}, removed: map[int]int{}}
}

func (c *cluster) replicas() int { return c.working + len(c.starting) }

// play lets seconds pass.
func (c *cluster) play(l load, seconds int) {
	for range seconds {
		c.step(l(c.second))
		c.second++
	}
}

func (c *cluster) step(arriving float64) {
	for i := range c.lag {
		c.lag[i] += arriving / float64(len(c.lag))
	}
	for len(c.starting) > 0 && c.starting[0] <= c.second {
		c.starting = c.starting[1:]
		c.working++
		c.rebalance()
	}
	told, busy := 0.0, 0.0
	if c.second >= c.pausing {
		busy = c.compute()
		for _, n := range c.lag {
			told += n
		}
	}
	c.seen = append(c.seen, told)
	c.busy = append(c.busy, busy)
	c.mostLag = max(c.mostLag, told)
	if c.second%syncEvery == 0 {
		c.sync()
	}
	c.mostCount = max(c.mostCount, c.replicas())
}

// compute gives each worker its second, over those of its partitions that have work, and gives how many of the seconds were used.
func (c *cluster) compute() (busy float64) {
	for w := range c.working {
		left := float64(speed)
		for p := w; p < len(c.lag) && left > 0; p += c.working {
			n := min(left, c.lag[p])
			c.lag[p] -= n
			left -= n
		}
		busy += 1 - left/speed
	}
	return busy
}

// rebalance makes the whole group drain. What a drain that is cut off had in flight is computed again.
func (c *cluster) rebalance() {
	c.pausing = c.second + min(c.drain, c.s.drainTimeout)
	if c.drain > c.s.drainTimeout {
		c.redone += float64(c.working * speed * (c.drain - c.s.drainTimeout))
	}
}

// rate is how many workers computed over the time of the query, as old as metrics are.
func (c *cluster) rate() float64 {
	end := max(0, c.second-metricAge)
	begin := max(0, end-rateSeconds)
	sum := 0.0
	for _, n := range c.busy[begin : end+1] {
		sum += n
	}
	return sum / float64(end+1-begin)
}

// proposal is the formula for one metric of type AverageValue.
func proposal(now int, told, threshold float64) float64 {
	if ratio := told / (threshold * float64(now)); math.Abs(ratio-1) <= tolerance {
		return float64(now)
	}
	return math.Ceil(told / threshold)
}

// sync is one round of the HorizontalPodAutoscaler (v2) over its metrics, with the rules of its behavior. The largest proposal counts.
func (c *cluster) sync() {
	now := c.replicas()
	want := proposal(now, c.seen[max(0, c.second-metricAge)], c.s.threshold)
	if c.s.busyShare > 0 {
		want = max(want, proposal(now, c.rate(), c.s.busyShare))
	}
	want = min(max(want, float64(c.s.min)), float64(c.s.max))
	c.wanted = append(c.wanted, want)
	lowest, highest := want, want
	for i, w := range c.wanted {
		age := (len(c.wanted) - 1 - i) * syncEvery
		if age <= c.s.up.window {
			lowest = min(lowest, w)
		}
		if age <= c.s.down.window {
			highest = max(highest, w)
		}
	}
	switch {
	case int(lowest) > now:
		c.scale(now, min(int(lowest), c.s.up.most(now, c.changed), c.s.max))
	case int(highest) < now:
		c.scale(now, max(int(highest), c.s.down.least(now, c.changed)))
	}
}

// changed gives how many replicas came and went in the last seconds.
func (c *cluster) changed(seconds int) (added, removed int) {
	for at, n := range c.added {
		if at > c.second-seconds {
			added += n
		}
	}
	for at, n := range c.removed {
		if at > c.second-seconds {
			removed += n
		}
	}
	return added, removed
}

func (c *cluster) scale(now, to int) {
	if to == now {
		return
	}
	c.events = append(c.events, event{c.second, now, to})
	for range to - now {
		c.added[c.second]++
		c.starting = append(c.starting, c.second+c.start)
	}
	for range now - to {
		c.removed[c.second]++
		if n := len(c.starting); n > 0 { // pods that are not ready go first
			c.starting = c.starting[:n-1]
			continue
		}
		if c.drain > c.s.grace { // killed half-way
			c.redone += float64(speed * (c.drain - c.s.grace))
		}
		c.working--
		c.rebalance()
	}
}
