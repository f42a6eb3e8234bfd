//go:build integration

package soak

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// vitals are what a process takes at one moment.
type vitals struct {
	at         time.Duration // since the watch began
	rss        float64       // bytes
	fds        int
	goroutines int
	held       map[string]float64 // bytes reserved in the memory budget, by pipeline
	inFlight   map[string]float64 // records, by pipeline
}

// look reads the vitals of a process from /proc and from its own metrics.
func look(tb testing.TB, pid int, metrics string, at time.Duration) vitals {
	tb.Helper()
	v := vitals{at: at, held: map[string]float64{}, inFlight: map[string]float64{}}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		tb.Fatalf("reading the memory of process %d: %v", pid, err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	size, _, _ := strings.Cut(rest, " kB")
	v.rss = 1024 * number(tb, strings.TrimSpace(size))
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		tb.Fatalf("counting the descriptors of process %d: %v", pid, err)
	}
	v.fds = len(open)
	resp, err := http.Get(metrics)
	if err != nil {
		tb.Fatalf("reading the worker's metrics: %v", err)
	}
	defer resp.Body.Close()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), " ")
		name, label, _ := strings.Cut(name, `{pipeline="`)
		label, _, _ = strings.Cut(label, `"`)
		switch name {
		case "go_goroutines":
			v.goroutines = int(number(tb, value))
		case "vecmill_memory_held_bytes":
			v.held[label] = number(tb, value)
		case "vecmill_records_in_flight":
			v.inFlight[label] = number(tb, value)
		}
	}
	return v
}

func number(tb testing.TB, s string) float64 {
	tb.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		tb.Fatalf("%q is not a number", s)
	}
	return f
}

// series is one of the vitals over time.
type series struct {
	at []float64 // minutes
	y  []float64
}

// means are y's means over stretches of the given length: what is in flight goes up and down for many looks in a row, and an error that took
// neighbouring looks for independent would be far too small.
func means(all []vitals, stretch time.Duration, y func(vitals) float64) series {
	var s series
	for i := 0; i < len(all); {
		j, at, sum := i, 0.0, 0.0
		for ; j < len(all) && all[j].at/stretch == all[i].at/stretch; j++ {
			at, sum = at+all[j].at.Minutes(), sum+y(all[j])
		}
		n := float64(j - i)
		s.at, s.y = append(s.at, at/n), append(s.y, sum/n)
		i = j
	}
	return s
}

// slope is the least-squares slope of y over time, in units a minute, with its standard error.
func (s series) slope() (perMinute, stderr float64) {
	n := float64(len(s.y))
	var mx, my float64
	for i := range s.y {
		mx += s.at[i] / n
		my += s.y[i] / n
	}
	var xx, xy float64
	for i := range s.y {
		dx := s.at[i] - mx
		xx += dx * dx
		xy += dx * (s.y[i] - my)
	}
	perMinute = xy / xx
	var rest float64
	for i := range s.y {
		d := s.y[i] - my - perMinute*(s.at[i]-mx)
		rest += d * d
	}
	return perMinute, math.Sqrt(rest / (n - 2) / xx)
}

// span is the least and the most of y.
func span(all []vitals, y func(vitals) float64) (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	for _, v := range all {
		least, most = min(least, y(v)), max(most, y(v))
	}
	return least, most
}

func TestSlopeIsTheLeastSquaresLine(t *testing.T) {
	for _, c := range []struct {
		name      string
		y         []float64 // one a minute
		want, err float64
	}{
		{"a flat line has none", []float64{5, 5, 5, 5}, 0, 0},
		{"a straight line is its own", []float64{1, 3, 5, 7}, 2, 0},
		{"noise about a flat line has none, and an error", []float64{1, -1, -1, 1}, 0, math.Sqrt(4. / 2 / 5)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all []vitals
			for i, y := range c.y {
				all = append(all, vitals{at: time.Duration(i) * time.Minute, rss: y})
			}
			got, err := means(all, time.Second, func(v vitals) float64 { return v.rss }).slope()
			if math.Abs(got-c.want) > 1e-9 || math.Abs(err-c.err) > 1e-9 {
				t.Errorf("slope = %v ± %v, want %v ± %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestJudgeSeesALeakUnderNoise(t *testing.T) {
	const length = 30 * time.Minute
	run := func(leakPerMinute float64, fds int, burst time.Duration) []vitals {
		r := rand.New(rand.NewPCG(5, 6))
		var all []vitals
		noise := 0.0
		for at := time.Duration(0); at < length; at += looks {
			if at%burst == 0 {
				noise = 60 * (1 << 20) * r.NormFloat64()
			}
			n := at.Minutes()
			all = append(all, vitals{at: at, rss: 250<<20 + n*leakPerMinute + noise, fds: 30 + int(n)*fds, goroutines: 150 + r.IntN(50)})
		}
		return all
	}
	for _, c := range []struct {
		name   string
		all    []vitals
		length time.Duration
		want   int // faults
	}{
		{"noise alone is no fault", run(0, 0, looks), length, 0},
		{"bursts of a minute and a half are no fault", run(0, 0, 90*time.Second), length, 0},
		{"a MiB a minute is one", run(1<<20, 0, looks), length, 1},
		{"so are five under bursts of half a minute", run(5<<20, 0, 30*time.Second), length, 1},
		{"two descriptors a minute are one", run(0, 2, looks), length, 1},
		{"a short run tells nothing", run(1<<20, 2, looks)[:60], time.Minute, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if account, faults := judge(c.all, c.length); len(faults) != c.want {
				t.Errorf("faults = %q, want %d; %q", faults, c.want, account)
			}
		})
	}
}
