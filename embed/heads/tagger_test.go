package heads

import (
	"slices"
	"testing"
)

func TestOverlappingWindowsKeepTheLongestThenTheBest(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []TaggedEntity
		want []TaggedEntity
	}{
		{"the longer wins", []TaggedEntity{{Start: 0, End: 3}, {Start: 0, End: 5}}, []TaggedEntity{{Start: 0, End: 5}}},
		{"of equals the better", []TaggedEntity{{Start: 0, End: 3, Score: .2}, {Start: 0, End: 3, Score: .4}}, []TaggedEntity{{Start: 0, End: 3, Score: .4}}},
		{"what only touches stays", []TaggedEntity{{Start: 3, End: 5}, {Start: 0, End: 3}}, []TaggedEntity{{Start: 0, End: 3}, {Start: 3, End: 5}}},
		{"none", nil, nil},
	} {
		if got := settle(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
}

func TestLabelsWithoutAMarkAreInsides(t *testing.T) {
	for _, c := range []struct {
		before, label string
		want          bool
	}{
		{"B-PER", "I-PER", true}, {"I-PER", "B-PER", false}, {"PER", "I-PER", true}, {"O", "O", true}, {"I-PER", "I-LOC", false}, {"PER", "PER", true},
	} {
		if got := continues(c.before, c.label); got != c.want {
			t.Errorf("%s after %s continues: %v", c.label, c.before, got)
		}
	}
}
