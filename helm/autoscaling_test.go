package helm

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// rules are one direction of an autoscaler's behavior.
type rules struct {
	window   int
	policies []policy
}

type policy struct {
	Type          string
	Value         int
	PeriodSeconds int `yaml:"periodSeconds"`
}

// most is how many replicas the policies allow, least how few; of several the one that allows the greater change counts (selectPolicy Max).
func (r rules) most(now int, changed func(int) (added, removed int)) int {
	n := now
	for _, p := range r.policies {
		added, removed := changed(p.PeriodSeconds)
		base := now - added + removed
		if p.Type == "Percent" {
			n = max(n, (base*(100+p.Value)+99)/100)
		} else {
			n = max(n, base+p.Value)
		}
	}
	return n
}

func (r rules) least(now int, changed func(int) (added, removed int)) int {
	n := now
	for _, p := range r.policies {
		added, removed := changed(p.PeriodSeconds)
		base := now - added + removed
		if p.Type == "Percent" {
			n = min(n, base*(100-p.Value)/100)
		} else {
			n = min(n, base-p.Value)
		}
	}
	return n
}

// settings are what the rendered manifests say of scaling.
type settings struct {
	min, max, partitions int
	threshold, busyShare float64 // of the two triggers of a pipeline
	up, down             rules
	grace, drainTimeout  int // seconds
	polling              int // seconds
	ignoreNull           bool
	fallback             fallback
}

// fallback is what is scaled to once Prometheus has not answered so often.
type fallback struct {
	FailureThreshold int `yaml:"failureThreshold"`
	Replicas         int
	Behavior         string
}

type behavior struct {
	Window   int      `yaml:"stabilizationWindowSeconds"`
	Policies []policy `yaml:"policies"`
}

// manifest has what is looked at of a ScaledObject, a Deployment and a ConfigMap.
type manifest struct {
	Kind string
	Data map[string]string
	Spec struct {
		Min      int `yaml:"minReplicaCount"`
		Max      int `yaml:"maxReplicaCount"`
		Polling  int `yaml:"pollingInterval"`
		Fallback fallback
		Advanced struct {
			HPA struct {
				Behavior struct {
					Up   behavior `yaml:"scaleUp"`
					Down behavior `yaml:"scaleDown"`
				}
			} `yaml:"horizontalPodAutoscalerConfig"`
		}
		Triggers []struct {
			MetricType string `yaml:"metricType"`
			Metadata   struct {
				Threshold  string
				IgnoreNull string `yaml:"ignoreNullValues"`
			}
		}
		Template struct {
			Spec struct {
				Grace int `yaml:"terminationGracePeriodSeconds"`
			}
		}
	}
}

// rendered reads testdata/full.yaml. Its topics have 24 partitions, as vecmill/ci/full-values.yaml says.
func rendered(t *testing.T) settings {
	t.Helper()
	b, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := settings{partitions: 24}
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var m manifest
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch m.Kind {
		case "ScaledObject":
			h := m.Spec.Advanced.HPA.Behavior
			s.min, s.max = m.Spec.Min, m.Spec.Max
			s.polling, s.fallback = m.Spec.Polling, m.Spec.Fallback
			s.up, s.down = rules{h.Up.Window, h.Up.Policies}, rules{h.Down.Window, h.Down.Policies}
			for i, into := range []*float64{&s.threshold, &s.busyShare} {
				if *into, err = strconv.ParseFloat(m.Spec.Triggers[i].Metadata.Threshold, 64); err != nil || m.Spec.Triggers[i].MetricType != "AverageValue" {
					t.Fatalf("%+v, %v", m.Spec.Triggers, err)
				}
				s.ignoreNull = s.ignoreNull || m.Spec.Triggers[i].Metadata.IgnoreNull != "false" // which KEDA does unless it is told
			}
		case "Deployment":
			s.grace = m.Spec.Template.Spec.Grace
		case "ConfigMap":
			var c struct {
				Kafka struct {
					Drain string `yaml:"drain_timeout"`
				}
			}
			if err := yaml.Unmarshal([]byte(m.Data["worker.yaml"]), &c); err != nil {
				t.Fatal(err)
			}
			d, err := time.ParseDuration(c.Kafka.Drain)
			if err != nil {
				t.Fatal(err)
			}
			s.drainTimeout = int(d.Seconds())
		}
	}
	if s.min < 1 || s.max < 2 || s.threshold <= 0 || s.busyShare <= 0 || len(s.up.policies) == 0 || len(s.down.policies) == 0 || s.grace == 0 || s.drainTimeout == 0 || s.polling == 0 || s.fallback.FailureThreshold == 0 {
		t.Fatalf("read %+v", s)
	}
	return s
}

// What is in flight is so much that it is settled within the part of the example's drain_timeout that is for it, 22.5 s: max_in_flight and memory_budget are to be set so.
const (
	startSeconds = 90
	leastDrain   = 5.0
	mostDrain    = 22.0
	hour         = 3600
)

// bursts are loads that jump from nearly nothing to most for minutes to an hour, with pauses, from a seed.
func bursts(seed uint64, most float64) load {
	r := rand.New(rand.NewPCG(seed, 1))
	until, now := 0, 0.0
	return func(second int) float64 {
		if second >= until {
			until = second + 120 + r.IntN(hour)
			if now = 0.05 * most; r.IntN(2) == 0 {
				now = most * r.Float64()
			}
		}
		return now
	}
}

// upThenDown is the shortest time between an increase and a decrease that follows it, downThenUp the other way round; what was played if there is none.
func (c *cluster) upThenDown() int {
	return c.shortest(func(a, b event) bool { return a.to > a.from && b.to < b.from })
}

func (c *cluster) downThenUp() int {
	return c.shortest(func(a, b event) bool { return a.to < a.from && b.to > b.from })
}

func (c *cluster) shortest(pair func(a, b event) bool) int {
	n := c.second
	for i := 1; i < len(c.events); i++ {
		if a, b := c.events[i-1], c.events[i]; pair(a, b) {
			n = min(n, b.second-a.second)
		}
	}
	return n
}

// reversals counts how often the number of replicas turned round.
func (c *cluster) reversals() (n int) {
	for i := 1; i < len(c.events); i++ {
		if (c.events[i].to > c.events[i].from) != (c.events[i-1].to > c.events[i-1].from) {
			n++
		}
	}
	return n
}

// TestTheAutoscalerDoesNotSwing plays days of bursts: nothing that was added goes within ten minutes, replicas stay within the partitions, the backlog is worked off,
// and no drain is cut off. It is a model, not a cluster; doc of cluster says what is assumed.
func TestTheAutoscalerDoesNotSwing(t *testing.T) {
	s := rendered(t)
	for seed := range uint64(20) {
		c := newCluster(s, seed)
		c.play(bursts(seed, 20*speed), 48*hour)
		c.play(func(int) float64 { return 0 }, 12*hour)
		if c.upThenDown() < 600 || c.mostCount > s.partitions || c.redone > 0 {
			t.Errorf("seed %d: %d s between up and down, %d replicas, %.0f steps redone: %v", seed, c.upThenDown(), c.mostCount, c.redone, c.events)
		}
		if told := c.seen[len(c.seen)-1]; told > 0 || c.replicas() != s.min || c.mostCount < 8 {
			t.Errorf("seed %d: at the end %.0f steps are left and %d replicas, of %d at most", seed, told, c.replicas(), c.mostCount)
		}
		t.Logf("seed %d: %d changes, %d reversals, at least %d s from up to down, at most %d replicas and %.0f minutes of work of one worker waiting",
			seed, len(c.events), c.reversals(), c.upThenDown(), c.mostCount, c.mostLag/speed/60)
	}
}

// TestASteadyLoadSettles has loads that are no whole number of workers, too. With lag alone as its measure the autoscaler would go up and down between neighbours
// for ever: lag does not say how much arrives.
func TestASteadyLoadSettles(t *testing.T) {
	s := rendered(t)
	for _, workers := range []float64{0.5, 2, 3.5, 7.3, 11} {
		c := newCluster(s, 1)
		c.play(func(int) float64 { return workers * speed }, 12*hour)
		before := len(c.events)
		c.play(func(int) float64 { return workers * speed }, 36*hour)
		t.Logf("%.1f: %d replicas after %d changes, %d reversals", workers, c.replicas(), len(c.events), c.reversals())
		if len(c.events) > before || c.reversals() > 2 || float64(c.replicas()) < workers || c.seen[len(c.seen)-1] > 60*workers*speed {
			t.Errorf("%.1f workers' load: %d replicas, %.0f steps behind, %v", workers, c.replicas(), c.seen[len(c.seen)-1], c.events)
		}
	}
}

// TestPartitionsThatDivideBadly has 15.9 workers' load on 24 partitions: as long as one worker has two of them it falls behind, so that one replica comes and goes. It
// does so by the hour.
func TestPartitionsThatDivideBadly(t *testing.T) {
	c := newCluster(rendered(t), 1)
	c.play(func(int) float64 { return 15.9 * speed }, 24*hour)
	before := c.reversals()
	c.play(func(int) float64 { return 15.9 * speed }, 24*hour)
	t.Logf("%d reversals in the second day, %d s from up to down, %d from down to up", c.reversals()-before, c.upThenDown(), c.downThenUp())
	if c.upThenDown() < 600 || c.downThenUp() < 600 || c.reversals()-before > 24 {
		t.Errorf("%d s from up to down, %d from down to up: %v", c.upThenDown(), c.downThenUp(), c.events)
	}
}

// outages are an hour with Prometheus, two without it, and an hour with it again.
func outages(of outage) func(int) outage {
	return func(second int) outage {
		if second >= hour && second < 3*hour {
			return of
		}
		return well
	}
}

// least is the smallest number of replicas between two seconds.
func (c *cluster) least(from, to int) int {
	now, n := c.s.min, math.MaxInt
	for _, e := range c.events {
		if e.second >= from {
			n = min(n, now)
		}
		if e.second >= to {
			break
		}
		now = e.to
	}
	return min(n, now)
}

// TestNobodyGoesWhilePrometheusIsAway has work for eighteen workers that goes on, and nobody who tells of it for two hours.
func TestNobodyGoesWhilePrometheusIsAway(t *testing.T) {
	for _, of := range []outage{away, blank} {
		c := newCluster(rendered(t), 1)
		c.outage = outages(of)
		c.play(func(int) float64 { return 18 * speed }, hour)
		before := c.replicas()
		c.play(func(int) float64 { return 18 * speed }, 3*hour)
		if least := c.least(hour, 4*hour); before < 18 || least < before || c.redone > 0 {
			t.Errorf("%d: of %d workers %d were left, %.0f steps redone: %v", of, before, least, c.redone, c.events)
		}
	}
}

// TestAFirstStartThatNobodyTellsOf has nothing in Prometheus for its first minutes, as before the first scrape: the workers are those that the chart would have without autoscaling, not more.
func TestAFirstStartThatNobodyTellsOf(t *testing.T) {
	s := rendered(t)
	c := newCluster(s, 1)
	c.outage = func(second int) outage {
		if second < 300 {
			return blank
		}
		return well
	}
	c.play(func(int) float64 { return 0 }, 300)
	if c.mostCount > max(s.min, s.fallback.Replicas) {
		t.Errorf("%d workers, want %d at most", c.mostCount, s.fallback.Replicas)
	}
	c.play(func(int) float64 { return 6 * speed }, 2*hour)
	if c.replicas() < 6 {
		t.Errorf("%d workers for the work of six", c.replicas())
	}
}

// TestTheSimulationSeesWhatIsWrong spoils the settings one by one.
func TestTheSimulationSeesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(s *settings)
		seen  func(c *cluster, s settings) bool
	}{
		{"no windows", func(s *settings) {
			s.up.window, s.down.window = 0, 0
			s.up.policies = []policy{{"Percent", 900, 15}}
			s.down.policies = []policy{{"Percent", 100, 15}}
		}, func(c *cluster, _ settings) bool { return c.upThenDown() < 600 }},
		{"lag alone under a load that is steady", func(s *settings) { s.busyShare = 0 }, func(_ *cluster, s settings) bool {
			c := newCluster(s, 1)
			c.play(func(int) float64 { return 3.5 * speed }, 48*hour)
			return c.reversals() > 20
		}},
		{"no cap", func(s *settings) { s.max = 50 }, func(c *cluster, s settings) bool { return c.mostCount > s.partitions }},
		{"less time than a drain takes", func(s *settings) { s.drainTimeout = 28 }, func(c *cluster, _ settings) bool { return c.redone > 0 }},
		{"a fallback that does not look at what there is", func(s *settings) { s.fallback.Behavior = "static" }, func(_ *cluster, s settings) bool {
			c := newCluster(s, 1)
			c.outage = outages(away)
			c.play(func(int) float64 { return 18 * speed }, 4*hour)
			return c.least(hour, 4*hour) < 10
		}},
		{"no series for no work", func(s *settings) { s.ignoreNull = true }, func(_ *cluster, s settings) bool {
			c := newCluster(s, 1)
			c.outage = outages(blank)
			c.play(func(int) float64 { return 18 * speed }, 4*hour)
			return c.least(hour, 4*hour) < 10
		}},
		{"killed before the drain ends", func(s *settings) { s.grace = 20 }, func(c *cluster, _ settings) bool { return c.redone > 0 }},
	} {
		s := rendered(t)
		c.spoil(&s)
		x := newCluster(s, 1)
		x.play(bursts(3, 60*speed), 48*hour)
		if !c.seen(x, s) {
			t.Errorf("%s is not seen", c.name)
		}
	}
}
