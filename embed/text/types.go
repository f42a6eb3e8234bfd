package text

import (
	"slices"
	"strings"

	"vecmill/model"
)

// typesInput is the model's input of token types.
const typesInput = "token_type_ids"

// typing is which type each token of a sequence has.
type typing struct {
	special [3][]int64 // of the tokens before a text, before a second one, and behind the last
	text    [2]int64   // of each text's own
}

// of are the types of a sequence of texts of so many tokens.
func (y *typing) of(lengths ...int) []int64 {
	var all []int64
	for i, n := range lengths {
		all = append(all, y.special[i]...)
		all = append(all, slices.Repeat([]int64{y.text[i]}, n)...)
	}
	return append(all, y.special[len(lengths)]...)
}

// largest is the largest type of a sequence of so many texts.
func (y *typing) largest(texts int) int64 {
	return slices.Max(append(y.of(make([]int, texts)...), y.text[:texts]...))
}

// Types are the types of the tokens of one text or two, of so many tokens each; special says whether there are special tokens around them.
func (t *Tokenizer) Types(special bool, lengths ...int) []int64 {
	y := t.types[len(lengths)-1]
	if !special {
		y.special = [3][]int64{}
	}
	return y.of(lengths...)
}

// Typed says whether the model is given the types of the tokens: the configuration, or the tokenizer's class, lists them among the model's inputs, the model has several, and they are
// not all 0. pairs says whether there may be second texts.
func (t *Tokenizer) Typed(spec *model.Spec, pairs bool) bool {
	return t.listsTypes && spec.Text.TypeVocabSize > 1 && spec.Takes(typesInput) && t.largestType(pairs) > 0
}

func (t *Tokenizer) largestType(pairs bool) int64 {
	n := t.types[0].largest(1)
	if pairs {
		n = max(n, t.types[1].largest(2))
	}
	return n
}

// types says whether the configuration lists token types among the model's inputs. Where it is silent, the class does: of those with a byte-level vocabulary, these two.
func (c *config) types() bool {
	if c.Inputs != nil {
		return slices.Contains(*c.Inputs, typesInput)
	}
	switch strings.TrimSuffix(c.Class, "Fast") {
	case "PreTrainedTokenizer", "DebertaTokenizer":
		return true
	}
	return false
}
