package tasks

import (
	"fmt"
	"strings"
	"testing"
)

// context is "Rome is old": cls, a question token, the context in four tokens of three words, and a separator.
var (
	context = []rune("Rome is old")
	window  = Span{
		Allowed: []bool{true, false, true, true, true, true, false},
		Offsets: [][2]int32{{}, {0, 3}, {0, 2}, {2, 4}, {5, 7}, {8, 11}, {}},
		Words:   []int32{-1, -1, 0, 0, 1, 2, -1},
	}
)

func TestAnswersAreTheLikeliestSpans(t *testing.T) {
	for _, c := range []struct {
		name       string
		start, end []float32
		r          Reader
		want       string
	}{
		{"the best, widened to its word", []float32{0, 0, 9, 0, 0, 0, 0}, []float32{0, 0, 9, 0, 0, 0, 0}, Reader{TopK: 1, MaxAnswerLen: 15, Impossible: false, AlignToWords: true}, "Rome 0-4"},
		{"the tokens as they are", []float32{0, 0, 9, 0, 0, 0, 0}, []float32{0, 0, 9, 0, 0, 0, 0}, Reader{TopK: 1, MaxAnswerLen: 15, Impossible: false, AlignToWords: false}, "Ro 0-2"},
		{"from the middle of a word", []float32{0, 0, 0, 9, 0, 0, 0}, []float32{0, 0, 0, 0, 9, 0, 0}, Reader{TopK: 1, MaxAnswerLen: 15, Impossible: false, AlignToWords: true}, "Rome is 0-7"},
		{"never a question's token", []float32{0, 99, 0, 0, 0, 9, 0}, []float32{0, 99, 0, 0, 0, 9, 0}, Reader{TopK: 1, MaxAnswerLen: 15, Impossible: false, AlignToWords: true}, "old 8-11"},
		{"no longer than asked", []float32{0, 0, 9, 0, 8, 0, 0}, []float32{0, 0, 0, 0, 0, 9, 0}, Reader{TopK: 1, MaxAnswerLen: 2, Impossible: false, AlignToWords: true}, "is old 5-11"},
		{"none, if cls is likeliest and that may be", []float32{9, 0, 0, 0, 0, 0, 0}, []float32{9, 0, 0, 0, 0, 0, 0}, Reader{TopK: 1, MaxAnswerLen: 15, Impossible: true, AlignToWords: true}, " 0-0"},
		{"not none, if that may not be", []float32{9, 0, 0, 0, 0, 3, 0}, []float32{9, 0, 0, 0, 0, 3, 0}, Reader{TopK: 1, MaxAnswerLen: 15, Impossible: false, AlignToWords: true}, "old 8-11"},
		{"several", []float32{0, 0, 5, 0, 0, 9, 0}, []float32{0, 0, 0, 5, 0, 9, 0}, Reader{TopK: 2, MaxAnswerLen: 1, Impossible: false, AlignToWords: true}, "old 8-11|Rome 0-4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := window
			s.StartLogits, s.EndLogits = c.start, c.end
			var got []string
			for _, a := range c.r.Read(context, []Span{s}) {
				got = append(got, fmt.Sprintf("%s %d-%d", a.Answer, a.Start, a.End))
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("got %q, want %q", s, c.want)
			}
		})
	}
}

func TestEqualAnswersAddUp(t *testing.T) {
	s := window
	s.StartLogits, s.EndLogits = []float32{0, 0, 9, 9, 0, 0, 0}, []float32{0, 0, 9, 9, 0, 0, 0}
	one := Reader{TopK: 1, MaxAnswerLen: 15, Impossible: false, AlignToWords: true}.Read(context, []Span{s})
	if len(one) != 1 || one[0].Score < 0.7 || one[0].Score > 0.76 { // three of the four pairs of a half each
		t.Errorf("one span gives %+v", one)
	}
	two := Reader{TopK: 1, MaxAnswerLen: 15, Impossible: false, AlignToWords: true}.Read(context, []Span{s, s})
	if len(two) != 1 || two[0].Score < 1.4 {
		t.Errorf("two spans give %+v", two)
	}
}
