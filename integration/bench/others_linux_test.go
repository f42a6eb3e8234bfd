package bench

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// processors is what those of the machine have done until a moment, in all and for this process with its children.
type processors struct{ busy, all, ours time.Duration }

// processorsNow reads it; the zero processors where the system does not tell.
func processorsNow() (m processors) {
	b, err := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	words := strings.Fields(line)
	if err != nil || len(words) < 9 || words[0] != "cpu" {
		return processors{}
	}
	for i, word := range words[1:9] { // user, nice, system, idle, iowait, irq, softirq, steal; what guests had is in user
		n, err := strconv.Atoi(word)
		if err != nil {
			return processors{}
		}
		took := time.Duration(n) * clockTick
		if m.all += took; i != 3 && i != 4 {
			m.busy += took
		}
	}
	for _, s := range processes() {
		if s.pid == os.Getpid() || s.parent == os.Getpid() {
			m.ours += s.cpu
		}
	}
	return m
}

// others is the part of the machine, from 0 to 1, that was somebody else's since a moment: 1 where the system does not tell.
func (m processors) others(now processors) float64 {
	if m.all == 0 || now.all <= m.all {
		return 1
	}
	return min(max(float64(now.busy-m.busy-(now.ours-m.ours))/float64(now.all-m.all), 0), 1)
}

func TestWhatOthersHaveOfTheMachineIsTold(t *testing.T) {
	before := processors{busy: 10 * time.Second, all: 100 * time.Second, ours: 4 * time.Second}
	for now, want := range map[processors]float64{
		{busy: 14 * time.Second, all: 108 * time.Second, ours: 8 * time.Second}: 0,
		{busy: 14 * time.Second, all: 108 * time.Second, ours: 4 * time.Second}: 0.5,
		{busy: 14 * time.Second, all: 108 * time.Second, ours: 9 * time.Second}: 0, // clocks of two kinds
		before: 1,
		{}:     1,
	} {
		if got := before.others(now); got != want {
			t.Errorf("%+v: %v, want %v", now, got, want)
		}
	}
	if got := (processors{}).others(before); got != 1 {
		t.Errorf("of a system that does not tell: %v", got)
	}
}
