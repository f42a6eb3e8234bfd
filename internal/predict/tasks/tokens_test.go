package tasks

import (
	"slices"
	"strings"
	"testing"
)

// logit makes logits that are all one label.
func logit(label int, how float32) []float32 {
	l := make([]float32, 5)
	l[label] = how
	return l
}

// tags are the labels of these tests.
var tags = []string{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}

func join(words []string) string {
	return strings.ReplaceAll(strings.Join(words, ""), "Ġ", " ")
}

// text is "Ann Lee in Rome." as five tokens, the second word of two.
var (
	text   = []rune("Ann Lee in Rome.")
	spoken = []ScoredToken{
		{1, "Ann", logit(1, 4), 0, 3, false},
		{2, "ĠL", logit(2, 2), 4, 5, false},
		{3, "ee", logit(4, 3), 5, 7, false},
		{4, "Ġin", logit(0, 5), 8, 10, false},
		{5, "ĠRome", logit(3, 6), 11, 15, false},
		{6, ".", logit(0, 9), 15, 16, false},
	}
)

func TestEntitiesFollowTheStrategy(t *testing.T) {
	for _, c := range []struct {
		strategy Strategy
		want     string
	}{
		{StrategySimple, "PER Ann L 0-5|LOC ee 5-7|LOC  Rome 11-15"},
		{StrategyFirst, "PER Ann Lee 0-7|LOC  Rome. 11-16"},
		{StrategyMax, "PER Ann 0-3|LOC  Lee 4-7"},
		{StrategyAverage, "PER Ann 0-3|LOC  Lee 4-7"},
	} {
		t.Run(string(c.strategy), func(t *testing.T) {
			g := Tagger{tags, []string{"O"}, c.strategy, join}
			w, err := g.Tag(text, spoken)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range g.Grouped([]Tagged{w}) {
				got = append(got, e.Group+" "+e.Word+" "+span(e.Start, e.End))
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
	if _, err := (&Tagger{Labels: tags, Strategy: "best"}).Tag(text, spoken); err == nil {
		t.Error("accepted the strategy best")
	}
	if _, err := (&Tagger{Labels: tags[:2], Strategy: StrategyNone}).Tag(text, spoken); err == nil {
		t.Error("accepted five logits for two labels")
	}
}

func span(a, b int) string {
	digits := func(n int) string { return strings.TrimLeft(string([]rune{rune('0' + n/10), rune('0' + n%10)}), "0") }
	s := digits(a)
	if s == "" {
		s = "0"
	}
	return s + "-" + digits(b)
}

func TestWithoutAggregationEveryTokenStandsAlone(t *testing.T) {
	g := Tagger{tags, []string{"O"}, StrategyNone, join}
	w, err := g.Tag(text, spoken)
	if err != nil {
		t.Fatal(err)
	}
	all := g.Single([]Tagged{w})
	if len(all) != 4 || all[1].Word != "ĠL" || all[1].Index != 2 || all[1].Entity != "I-PER" || all[3].End != 15 {
		t.Errorf("got %+v", all)
	}
	g.Ignore = nil
	if all := g.Single([]Tagged{w}); len(all) != 6 {
		t.Errorf("nothing ignored gives %d tokens", len(all))
	}
}

func TestTheUnknownTokenIsAWordOfItsOwn(t *testing.T) {
	g := Tagger{tags, nil, StrategyFirst, join}
	w, err := g.Tag([]rune("a?b"), []ScoredToken{{1, "a", logit(1, 4), 0, 1, false}, {2, "<unk>", logit(3, 4), 1, 2, true}})
	if err != nil {
		t.Fatal(err)
	}
	if all := g.Grouped([]Tagged{w}); len(all) != 2 || all[1].Word != "?" {
		t.Errorf("got %+v", all)
	}
}

func TestOverlappingWindowsKeepTheLongestThenTheBest(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []Entity
		want []Entity
	}{
		{"the longer wins", []Entity{{Start: 0, End: 3}, {Start: 0, End: 5}}, []Entity{{Start: 0, End: 5}}},
		{"of equals the better", []Entity{{Start: 0, End: 3, Score: .2}, {Start: 0, End: 3, Score: .4}}, []Entity{{Start: 0, End: 3, Score: .4}}},
		{"what only touches stays", []Entity{{Start: 3, End: 5}, {Start: 0, End: 3}}, []Entity{{Start: 0, End: 3}, {Start: 3, End: 5}}},
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
