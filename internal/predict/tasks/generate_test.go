package tasks

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestTokensAreChosenFromWhatTheSamplerLeaves(t *testing.T) {
	logits := []float32{1, 4, 3, 0}
	for _, c := range []struct {
		name string
		s    Sampler
		only []int32
	}{
		{"the best without sampling", Sampler{}, []int32{1}},
		{"the best of one", Sampler{Sample: true, Temperature: 1, TopK: 1, TopP: 1}, []int32{1}},
		{"two of the top", Sampler{Sample: true, Temperature: 1, TopK: 2, TopP: 1}, []int32{1, 2}},
		{"those that make up nine tenths", Sampler{Sample: true, Temperature: 1, TopP: .9}, []int32{1, 2}},
		{"one even if it is more than enough", Sampler{Sample: true, Temperature: 1, TopP: .01}, []int32{1}},
		{"cold is as good as none", Sampler{Sample: true, Temperature: .01, TopP: 1}, []int32{1}},
		{"hot takes all", Sampler{Sample: true, Temperature: 100, TopP: 1}, []int32{0, 1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.s.Validate(); err != nil {
				t.Fatal(err)
			}
			c.s.Rand = rand.New(rand.NewPCG(1, 2))
			seen := map[int32]int{}
			for range 400 {
				id, err := c.s.Next(logits)
				if err != nil {
					t.Fatal(err)
				}
				seen[id]++
			}
			for _, id := range c.only {
				if seen[id] == 0 {
					t.Errorf("never chose %d: %v", id, seen)
				}
				delete(seen, id)
			}
			if len(seen) > 0 {
				t.Errorf("chose %v, too", seen)
			}
		})
	}
	for _, s := range []Sampler{{Sample: true}, {Sample: true, Temperature: 1, TopP: 2}, {Sample: true, Temperature: 1, TopP: 1, TopK: -1}} {
		if s.Validate() == nil {
			t.Errorf("accepted %+v", s)
		}
	}
	if _, err := (&Sampler{}).Next([]float32{float32(math.NaN())}); err == nil {
		t.Error("chose among NaN")
	}
}

func TestTextIsContinuedAndCleaned(t *testing.T) {
	if got := Continuation("é a", "é a b"); got != " b" {
		t.Errorf("continues with %q", got)
	}
	if got := Continuation("longer", "short"); got != "" {
		t.Errorf("continues with %q", got)
	}
	if got := CleanUp("I do n't , really ."); got != "I don't, really." {
		t.Errorf("cleaned to %q", got)
	}
}

func TestPerplexityIsTheMeanSurprise(t *testing.T) {
	logits := []float32{0, 0, 0, 0, float32(math.Log(3)), 0, 9, 9} // of 2: even, then 3 to 1
	got, err := Perplexity(logits[:6], []int32{0, 1, 0}, 2)
	if err != nil || math.Abs(got-2) > 1e-6 {
		t.Errorf("perplexity %v, %v, want 2", got, err)
	}
	got, err = Perplexity(append([]float32{0, 0}, logits[4:]...), []int32{0, 1, 0}, 2)
	if want := math.Exp((math.Log(2) + math.Log(4.0/3)) / 2); err != nil || math.Abs(got-want) > 1e-6 {
		t.Errorf("perplexity %v, %v, want %v", got, err, want)
	}
	if _, err := Perplexity(logits, []int32{1}, 2); err == nil {
		t.Error("one token has a perplexity")
	}
}
