package embed

import (
	"slices"
	"testing"
)

// TestABoundHoldsForAllThatWasSeen has bytes that grow as predicted, but for one shape that needs a quarter more.
func TestABoundHoldsForAllThatWasSeen(t *testing.T) {
	truth := Costs{Fixed: 3 << 20, Step: 40 << 10, Square: 48}
	var seen []Seen
	for _, at := range [][2]int{{1, 8}, {64, 8}, {1, 64}, {8, 64}, {1, 256}, {2, 256}, {1, 512}} {
		seen = append(seen, Seen{at[0], at[1], truth.Batch(at[0], at[1])})
	}
	exact, raised := Bound(seen)
	for _, at := range [][2]int{{1, 8}, {16, 32}, {1, 512}, {4, 128}} {
		if p := exact.Batch(at[0], at[1]) / truth.Batch(at[0], at[1]) / between; p < 0.9999 || p > 1.001 {
			t.Errorf("%d items of %d steps are bound by %.2f of what they should be", at[0], at[1], p)
		}
	}
	if raised > 1.001 {
		t.Errorf("raised by %.3f to be exact", raised)
	}
	seen[3].Needed *= 1.25
	bound, raised := Bound(seen)
	for _, s := range seen {
		if told := bound.Batch(s.Items, s.Longest); told < 0.9999*s.Needed || told > 1.4*between*s.Needed {
			t.Errorf("%d items of %d steps need %.0f and are bound by %.0f", s.Items, s.Longest, s.Needed, told)
		}
	}
	if raised < 1.1 || raised > 1.25 {
		t.Errorf("raised by %.3f", raised)
	}
}

// TestABoundHoldsForRecordings has what batches of a model of base width were measured to make an arena hold, in MiB. A piece of a recording needs as much whatever is behind it, so that short ones need less by the step, and no line
// through all is a bound of any use. It does not prove that lengths between those that were measured are below it: they leap.
func TestABoundHoldsForRecordings(t *testing.T) {
	weighed := []Seen{
		{1, 24, 4.89}, {8, 24, 39.06}, {8, 49, 39.30}, {5, 74, 29.06}, {1, 99, 6.14}, {4, 99, 24.54}, {3, 112, 19.98}, {2, 168, 25.89}, {1, 252, 19.51}, {1, 379, 33.41}, {1, 399, 30.44}, {1, 759, 65.38}, {1, 1499, 124.14},
	}
	others := []Seen{
		{8, 1, 5.08}, {8, 5, 15.31}, {8, 11, 30.66}, {8, 12, 20.65}, {1, 47, 5.49}, {8, 47, 49.98}, {8, 48, 44.8}, {1, 60, 5.61}, {5, 71, 31.8}, {1, 72, 6.47}, {4, 99, 27.72}, {3, 133, 21.78}, {1, 192, 16.68}, {2, 192, 32.04}, {2, 200, 34.11}, {1, 306, 27.55}, {1, 346, 30.78}, {1, 384, 34.02}, {1, 385, 29.58}, {1, 400, 31.20}, {1, 544, 47.88}, {1, 1000, 83.24}, {1, 2999, 244.28},
	}
	bound, raised := Bound(weighed)
	if raised > 1.25 {
		t.Errorf("raised by %.2f", raised)
	}
	for _, s := range slices.Concat(weighed, others) {
		most := 1.5
		switch {
		case s.Longest < 24: // short ones share a Row
			most = 11
		case s.Longest > 1499:
			most = 2
		case s.Longest < 192:
			most = 1.8
		}
		if told := bound.Batch(s.Items, s.Longest); told < s.Needed || told > most*s.Needed {
			t.Errorf("%d x %d steps need %.2f MiB, and the bound is %.2f", s.Items, s.Longest, s.Needed, told)
		}
	}
	if c := (Costs{Row: 5, Step: 1}); !c.Sound() || c.Batch(2, 3) != 10 || c.Batch(2, 7) != 14 || c.within(40, 1) != 8 || (Costs{Row: -5, Step: 1}).Sound() {
		t.Error("an item needs less than a Row, or a Row may be negative")
	}
}

// TestABoundHoldsForRecordingsOfOnePiece has recordings of at most a second, of the same model: all of them need the same, and one length is behind the shortest.
func TestABoundHoldsForRecordingsOfOnePiece(t *testing.T) {
	bound, raised := Bound([]Seen{{1, 24, 4.89}, {8, 24, 39.06}, {8, 49, 39.30}})
	if raised > 1.01 || !bound.Sound() {
		t.Errorf("%+v, raised by %.2f", bound, raised)
	}
	for _, s := range []Seen{{1, 24, 4.89}, {8, 24, 39.06}, {8, 47, 49.98}, {1, 47, 5.49}, {8, 48, 44.8}, {8, 49, 39.30}} {
		if told := bound.Batch(s.Items, s.Longest); told < s.Needed || told > 1.4*s.Needed {
			t.Errorf("%d x %d steps need %.2f MiB, and the bound is %.2f", s.Items, s.Longest, s.Needed, told)
		}
	}
}

// TestABoundOfTwoLengths is that of texts: they grow, the shorter ones too, and a Row would say that these need what the longer ones do.
func TestABoundOfTwoLengths(t *testing.T) {
	truth := Costs{Fixed: 3 << 20, Step: 40 << 10, Square: 48}
	bound, raised := Bound([]Seen{{1, 3, truth.Batch(1, 3)}, {64, 3, truth.Batch(64, 3)}, {1, 12, truth.Batch(1, 12)}, {33, 12, truth.Batch(33, 12)}})
	if bound.Row > 0 || raised > 1.001 || bound.Batch(1, 3) > 1.001*between*truth.Batch(1, 3) {
		t.Errorf("%+v, raised by %.3f", bound, raised)
	}
}

// TestABoundOfOneLength is that of pictures: nothing lies between.
func TestABoundOfOneLength(t *testing.T) {
	bound, raised := Bound([]Seen{{1, 197, 15}, {8, 197, 120}})
	if raised > 1.01 || bound.Row > 0 || bound.Batch(8, 197) < 119.9 || bound.Batch(8, 197) > 121 || bound.Batch(1, 197) > 15.1 {
		t.Errorf("%+v, raised by %.2f", bound, raised)
	}
}
