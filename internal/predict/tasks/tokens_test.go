package tasks

import (
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
		{Index: 1, Word: "Ann", Logits: logit(1, 4), Start: 0, End: 3},
		{Index: 2, Word: "ĠL", Logits: logit(2, 2), Start: 4, End: 5},
		{Index: 3, Word: "ee", Logits: logit(4, 3), Start: 5, End: 7},
		{Index: 4, Word: "Ġin", Logits: logit(0, 5), Start: 8, End: 10},
		{Index: 5, Word: "ĠRome", Logits: logit(3, 6), Start: 11, End: 15},
		{Index: 6, Word: ".", Logits: logit(0, 9), Start: 15, End: 16},
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
			g := Tagger{Labels: tags, Ignore: []string{"O"}, Strategy: c.strategy, Join: join}
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
	g := Tagger{Labels: tags, Ignore: []string{"O"}, Strategy: StrategyNone, Join: join}
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
	g := Tagger{Labels: tags, Strategy: StrategyFirst, Join: join}
	w, err := g.Tag([]rune("a?b"), []ScoredToken{{Index: 1, Word: "a", Logits: logit(1, 4), Start: 0, End: 1}, {Index: 2, Word: "<unk>", Logits: logit(3, 4), Start: 1, End: 2, Unknown: true}})
	if err != nil {
		t.Fatal(err)
	}
	if all := g.Grouped([]Tagged{w}); len(all) != 2 || all[1].Word != "?" {
		t.Errorf("got %+v", all)
	}
}
