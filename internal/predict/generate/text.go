package generate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// errNotFinite is what logits are refused with; remove_invalid_values takes them all the same.
var errNotFinite = errors.New("the model's output is not a finite number")

// Model computes logits, one row of a text each, float32 for every token of the vocabulary. It is used by one goroutine.
type Model interface {
	// Start reads a prompt, as row 0, and gives the logits behind its last token.
	Start(ctx context.Context, prompt []int32) ([]float32, error)
	// Step puts tokens[i] behind the text of row parents[i], which makes it row i, and gives the logits behind each. Texts that are no parents are forgotten.
	Step(ctx context.Context, parents []int, tokens []int32) ([][]float32, error)
}

// Texts writes NumReturnSequences continuations of a prompt, best first for beam search. Each is the prompt and what follows it; shorter ones are filled with
// PadTokenID, as in the reference. most is how many tokens the model takes; spell gives a token's text, for StopStrings. It fails if the configuration
// is not valid, the prompt is empty or leaves no room, or the model's logits are not finite.
func Texts(ctx context.Context, m Model, prompt []int32, c Config, most int, spell func(id int32) string) ([][]int32, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	limit := c.limit(len(prompt))
	switch {
	case len(prompt) == 0:
		return nil, errors.New("the prompt has no tokens")
	case len(prompt) >= limit:
		return nil, fmt.Errorf("the prompt has %d tokens, and max_length is %d", len(prompt), limit)
	case len(prompt) >= most:
		return nil, fmt.Errorf("the prompt has %d tokens, and the model takes %d: there is no room for one more", len(prompt), most)
	}
	s := &search{
		c: &c, model: m, prompt: prompt, limit: min(limit, most), process: c.processors(len(prompt), limit),
		ended: stops(&c, min(limit, most), spell), pad: or(c.PadTokenID, firstOr(c.EOSTokenID, 0)),
	}
	if c.beams() > 1 {
		return s.beams(ctx)
	}
	return s.rows(ctx)
}

func firstOr(ids []int32, other int32) int32 {
	if len(ids) > 0 {
		return ids[0]
	}
	return other
}

// search is one call of Texts.
type search struct {
	c       *Config
	model   Model
	prompt  []int32
	limit   int // tokens of a text
	process []processor
	ended   func(ids []int32) bool
	pad     int32
}

// stops says whether a text is complete, given that it was not one token before.
func stops(c *Config, limit int, spell func(id int32) string) func(ids []int32) bool {
	begun := time.Now()
	return func(ids []int32) bool {
		switch {
		case len(ids) >= limit, slices.Contains(c.EOSTokenID, ids[len(ids)-1]):
			return true
		case c.MaxTime != nil && time.Since(begun).Seconds() > *c.MaxTime:
			return true
		}
		return slices.ContainsFunc(c.StopStrings, func(stop string) bool { return endsWith(ids, stop, spell) })
	}
}

// endsWith says whether a string of text ends within the last token.
func endsWith(ids []int32, stop string, spell func(id int32) string) bool {
	last := len(ids) - 1
	text := spell(ids[last])
	behind := len(text)
	for i := last - 1; i >= 0 && len(text)-behind < len(stop); i-- {
		text = spell(ids[i]) + text
	}
	for end := len(text) - behind + 1; end <= len(text); end++ {
		if strings.HasSuffix(text[:end], stop) {
			return true
		}
	}
	return false
}

// scores processes a row of logits behind ids; log makes log probabilities of them first, as beam search does.
func (s *search) scores(ids []int32, logits []float32, log bool) ([]float32, error) {
	out := slices.Clone(logits)
	if !or(s.c.RemoveInvalid, false) {
		for _, v := range logits {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, errNotFinite
			}
		}
	}
	if log {
		logSoftmax(out)
	}
	for _, p := range s.process {
		p(ids, out)
	}
	return out, nil
}

// padded makes texts of one length.
func (s *search) padded(texts [][]int32) [][]int32 {
	longest := 0
	for _, t := range texts {
		longest = max(longest, len(t))
	}
	for i, t := range texts {
		texts[i] = append(slices.Clip(t), slices.Repeat([]int32{s.pad}, longest-len(t))...)
	}
	return texts
}
