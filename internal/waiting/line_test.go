package waiting

import (
	"slices"
	"testing"

	"vecmill/internal/growth"
)

// granted says whether a place has its turn.
func granted(p *Place) bool {
	select {
	case <-p.Granted():
		return true
	default:
		return false
	}
}

func TestTurnsGoByRankAndAmongEqualsByTime(t *testing.T) {
	var l Line
	if _, waits := l.First(); waits {
		t.Fatal("somebody waits in an empty line")
	}
	ranks := []int{2, 1, 0, 1, 0, 2}
	places := make([]*Place, len(ranks))
	for i, rank := range ranks {
		places[i] = l.Enter(rank)
	}
	for _, want := range []int{2, 4, 1, 3, 0, 5} {
		if rank, waits := l.First(); !waits || rank != ranks[want] {
			t.Fatalf("rank %d is first, %t, want %d", rank, waits, ranks[want])
		}
		if granted(places[want]) {
			t.Fatalf("place %d has a turn already", want)
		}
		if rank := l.Grant(); rank != ranks[want] || !granted(places[want]) {
			t.Fatalf("a turn of rank %d; want it to be place %d's of rank %d", rank, want, ranks[want])
		}
	}
	if _, waits := l.First(); waits {
		t.Error("somebody still waits")
	}
}

// Ranks 1 and 2 wait behind a rank that never ends: they get a sixteenth of the turns, whoever of them came first.
func TestNobodyStarves(t *testing.T) {
	var l Line
	others := []*Place{l.Enter(2), l.Enter(1), l.Enter(2)}
	var got []int
	for range 48 {
		l.Enter(0)
		got = append(got, l.Grant())
	}
	want := slices.Repeat([]int{0}, 48)
	want[15], want[31], want[47] = 2, 1, 2
	if !slices.Equal(got, want) || !granted(others[0]) || !granted(others[1]) || !granted(others[2]) {
		t.Errorf("turns of ranks %v", got)
	}
}

func TestAPlaceIsLeftOnce(t *testing.T) {
	var l Line
	a, b := l.Enter(0), l.Enter(0)
	if !l.Leave(a) || l.Leave(a) || granted(a) {
		t.Error("a place that is left is still in the line, or has its turn")
	}
	if l.Grant(); !granted(b) || l.Leave(b) {
		t.Error("the next one has no turn, or could still leave it")
	}
}

func TestATurnCostsTheSameHoweverManyWait(t *testing.T) {
	growth.Check(t, 20, 100_000, func(waiting int) func() {
		var l Line
		for range waiting {
			l.Enter(1)
		}
		return func() {
			for range 100 {
				l.Leave(l.Enter(1))
				l.Enter(1)
				l.Grant()
			}
		}
	})
}
