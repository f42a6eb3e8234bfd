package tasks

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Generated is one entry of text-generation.
type Generated struct {
	Text string `json:"generated_text"`
}

// Sampler chooses the next token. Without Sample it takes the best.
type Sampler struct {
	Sample      bool
	Temperature float64
	TopK        int     // most likely tokens to choose from; 0 means all
	TopP        float64 // probability that those to choose from must have together; 1 means all
	Rand        *rand.Rand
}

// Validate names the first field that makes no sense.
func (s *Sampler) Validate() error {
	switch {
	case !s.Sample:
		return nil
	case !(s.Temperature > 0):
		return fmt.Errorf("temperature %v is not above 0", s.Temperature)
	case s.TopK < 0:
		return fmt.Errorf("top_k %d is negative", s.TopK)
	case !(s.TopP > 0 && s.TopP <= 1):
		return fmt.Errorf("top_p %v is not above 0 and at most 1", s.TopP)
	}
	return nil
}

// Next chooses a token by the logits of the last one: divided by the temperature, cut to the top k, then to the top p, as generate() does.
func (s *Sampler) Next(logits []float32) (int32, error) {
	if !s.Sample {
		if _, err := None.Apply(logits); err != nil {
			return 0, err
		}
		return int32(argmax(logits)), nil
	}
	warm := make([]float32, len(logits))
	for i, v := range logits {
		warm[i] = float32(float64(v) / s.Temperature)
	}
	order := make([]int32, len(logits))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(warm[b], warm[a]) })
	if s.TopK > 0 {
		order = order[:min(s.TopK, len(order))]
	}
	kept := make([]float32, len(order))
	for i, id := range order {
		kept[i] = warm[id]
	}
	p, err := Softmax.Apply(kept)
	if err != nil {
		return 0, err
	}
	sum, n := 0.0, 0
	for n < len(p) && (n == 0 || sum < s.TopP) {
		sum += p[n]
		n++
	}
	at := s.Rand.Float64() * sum
	for i := range n {
		if at -= p[i]; at < 0 {
			return order[i], nil
		}
	}
	return order[n-1], nil
}

// Continuation is what generated text adds to a prompt: all behind the prompt's own decoded length, in code points.
func Continuation(prompt, all string) string {
	runes := []rune(all)
	return string(runes[min(len([]rune(prompt)), len(runes)):])
}

// CleanUp is clean_up_tokenization_spaces: no space before punctuation and contractions.
func CleanUp(text string) string {
	for _, r := range [...][2]string{
		{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	} {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return text
}

// Perplexity is exp of the mean negative log-likelihood of each token after the first, from logits [L, V].
func Perplexity(logits []float32, ids []int32, vocabulary int) (float64, error) {
	if len(ids) < 2 || len(logits) != len(ids)*vocabulary {
		return 0, fmt.Errorf("perplexity needs two tokens and %d logits for each, and has %d and %d", vocabulary, len(ids), len(logits))
	}
	sum := 0.0
	for i, id := range ids[1:] {
		row := logits[i*vocabulary : (i+1)*vocabulary]
		top, total := float64(row[argmax(row)]), 0.0
		for _, v := range row {
			total += math.Exp(float64(v) - top)
		}
		sum += top + math.Log(total) - float64(row[id])
	}
	p := math.Exp(sum / float64(len(ids)-1))
	if math.IsNaN(p) || math.IsInf(p, 0) {
		return 0, errNotFinite
	}
	return p, nil
}
