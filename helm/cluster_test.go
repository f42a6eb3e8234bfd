package helm

import (
	"math"
	"math/rand/v2"
)

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
// dealt round; while the group drains, nobody computes and no worker tells any lag (its partitions are taken away); how long a drain takes is drawn each time, and a worker that goes drains as long as the others.
type cluster struct {
	s       settings
	start   int // seconds from a pod's start to its first row
	r       *rand.Rand
	outage  func(second int) outage // of Prometheus; nil is none
	failing int                     // seconds for which it has said nothing
	second  int

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

func newCluster(s settings, seed uint64) *cluster {
	return &cluster{s: s, start: startSeconds, r: rand.New(rand.NewPCG(seed, 2)), lag: make([]float64, s.partitions), working: s.min, added: map[int]int{}, removed: map[int]int{}}
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

// settling is the part of drain_timeout behind which a worker gives up what it has not settled; the rest is for writing what it has (stream).
const settling = 0.75

// drain is how many seconds it takes until all that is in flight is settled.
func (c *cluster) drain() float64 { return leastDrain + c.r.Float64()*(mostDrain-leastDrain) }

// rebalance makes the whole group drain. What a drain that is cut off had in flight is computed again.
func (c *cluster) rebalance() {
	drain, most := c.drain(), settling*float64(c.s.drainTimeout)
	c.pausing = c.second + int(math.Ceil(min(drain, most)))
	c.redone += float64(c.working*speed) * max(0, drain-most)
}

// outage is what is wrong with Prometheus.
type outage int

const (
	well  outage = iota
	away         // it does not answer
	blank        // it answers, and has nothing of the workers
)

// heard says whether there are metrics, and whether the autoscaler hears of anything at all.
func (c *cluster) heard() (metrics, anything bool) {
	o := well
	if c.outage != nil {
		o = c.outage(c.second)
	}
	if o == away || o == blank && !c.s.ignoreNull {
		c.failing += syncEvery
		return false, c.failing > c.s.fallback.FailureThreshold*c.s.polling
	}
	c.failing = 0
	return o == well, true
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
	want := 0.0
	switch metrics, anything := c.heard(); {
	case !anything: // KEDA gives an error, by which nothing is scaled
		return
	case metrics:
		want = proposal(now, c.seen[max(0, c.second-metricAge)], c.s.threshold)
		if c.s.busyShare > 0 {
			want = max(want, proposal(now, c.rate(), c.s.busyShare))
		}
	case c.failing > 0:
		want = float64(c.s.fallback.Replicas)
		if c.s.fallback.Behavior == "currentReplicasIfHigher" {
			want = max(want, float64(now))
		}
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
		c.redone += speed * max(0, c.drain()-float64(c.s.grace)) // killed half-way
		c.working--
		c.rebalance()
	}
}
