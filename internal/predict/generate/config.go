package generate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// Config is what GenerationConfig says, by its names. A nil field is None there: the feature is off.
type Config struct {
	MaxLength    *int // tokens, those of the prompt included; MaxNewTokens takes precedence
	MaxNewTokens *int
	MinLength    *int
	MinNewTokens *int
	MaxTime      *float64 // seconds
	StopStrings  Strings
	EOSTokenID   IDs // each of these ends a text
	PadTokenID   *int32

	DoSample           *bool
	NumBeams           *int
	NumReturnSequences *int
	EarlyStopping      EarlyStopping
	LengthPenalty      *float64
	UseCache           *bool // of the model; read by who makes it

	Temperature   *float64
	TopK          *int
	TopP          *float64
	MinP          *float64
	TypicalP      *float64
	EpsilonCutoff *float64
	EtaCutoff     *float64

	RepetitionPenalty *float64
	NoRepeatNgramSize *int
	SequenceBias      []Bias
	BadWordsIDs       [][]int32
	ForcedBOSTokenID  *int32
	ForcedEOSTokenID  IDs
	SuppressTokens    []int32
	BeginSuppress     []int32
	Decay             *Decay // exponential_decay_length_penalty
	RemoveInvalid     *bool
	Renormalize       *bool

	Seed uint64 // of sampling; ours, the reference has torch's
}

// Fields are the places of all fields by their names in the reference, and seed.
func (c *Config) Fields() map[string]any {
	return map[string]any{
		"max_length": &c.MaxLength, "max_new_tokens": &c.MaxNewTokens, "min_length": &c.MinLength, "min_new_tokens": &c.MinNewTokens,
		"max_time": &c.MaxTime, "stop_strings": &c.StopStrings, "eos_token_id": &c.EOSTokenID, "pad_token_id": &c.PadTokenID,
		"do_sample": &c.DoSample, "num_beams": &c.NumBeams, "num_return_sequences": &c.NumReturnSequences,
		"early_stopping": &c.EarlyStopping, "length_penalty": &c.LengthPenalty, "use_cache": &c.UseCache,
		"temperature": &c.Temperature, "top_k": &c.TopK, "top_p": &c.TopP, "min_p": &c.MinP, "typical_p": &c.TypicalP,
		"epsilon_cutoff": &c.EpsilonCutoff, "eta_cutoff": &c.EtaCutoff,
		"repetition_penalty": &c.RepetitionPenalty, "no_repeat_ngram_size": &c.NoRepeatNgramSize, "sequence_bias": &c.SequenceBias,
		"bad_words_ids": &c.BadWordsIDs, "forced_bos_token_id": &c.ForcedBOSTokenID, "forced_eos_token_id": &c.ForcedEOSTokenID,
		"suppress_tokens": &c.SuppressTokens, "begin_suppress_tokens": &c.BeginSuppress, "exponential_decay_length_penalty": &c.Decay,
		"remove_invalid_values": &c.RemoveInvalid, "renormalize_logits": &c.Renormalize, "seed": &c.Seed,
	}
}

// NewDefaultConfig is GenerationConfig().
func NewDefaultConfig() Config {
	return Config{MaxLength: new(20), TopK: new(50)}
}

// or is a field's value, or the reference's default where that is the same as off.
func or[T any](p *T, off T) T {
	if p == nil {
		return off
	}
	return *p
}

// beams is the number of beams, 1 for none.
func (c *Config) beams() int { return max(or(c.NumBeams, 1), 1) }

// Validate names the first field that makes no sense.
func (c *Config) Validate() error {
	positive := func(name string, p *float64, most float64) error {
		switch {
		case p == nil || *p > 0 && *p <= most:
			return nil
		case most == math.MaxFloat64:
			return fmt.Errorf("%s %v is not above 0", name, *p)
		}
		return fmt.Errorf("%s %v is not above 0 and at most %v", name, *p, most)
	}
	atLeast := func(name string, p *int, least int) error {
		if p != nil && *p < least {
			return fmt.Errorf("%s %d is not at least %d", name, *p, least)
		}
		return nil
	}
	n := or(c.NumReturnSequences, 1)
	if err := errors.Join(
		atLeast("max_length", c.MaxLength, 1), atLeast("max_new_tokens", c.MaxNewTokens, 1), atLeast("min_length", c.MinLength, 0),
		atLeast("min_new_tokens", c.MinNewTokens, 0), atLeast("num_beams", c.NumBeams, 1), atLeast("num_return_sequences", c.NumReturnSequences, 1),
		atLeast("top_k", c.TopK, 0), atLeast("no_repeat_ngram_size", c.NoRepeatNgramSize, 0),
		positive("temperature", c.Temperature, math.MaxFloat64), positive("top_p", c.TopP, 1), positive("min_p", c.MinP, 1),
		positive("typical_p", c.TypicalP, 1), positive("repetition_penalty", c.RepetitionPenalty, math.MaxFloat64),
		positive("max_time", c.MaxTime, math.MaxFloat64),
	); err != nil {
		return err
	}
	switch {
	case c.MaxNewTokens == nil && c.MaxLength == nil:
		return errors.New("neither max_new_tokens nor max_length says where to end")
	case n > 1 && c.beams() == 1 && !or(c.DoSample, false):
		return fmt.Errorf("num_return_sequences %d: greedy search has one result; set do_sample or num_beams", n)
	case n > c.beams() && c.beams() > 1:
		return fmt.Errorf("num_return_sequences %d is more than num_beams %d", n, c.beams())
	}
	return c.validateTokens()
}

func (c *Config) validateTokens() error {
	for _, words := range c.BadWordsIDs {
		if len(words) == 0 {
			return errors.New("bad_words_ids has an empty word")
		}
	}
	for _, b := range c.SequenceBias {
		if len(b.IDs) == 0 {
			return errors.New("sequence_bias has an empty sequence")
		}
	}
	if d := c.Decay; d != nil && !(d.Factor > 0) {
		return fmt.Errorf("exponential_decay_length_penalty %v is not a factor above 0", d.Factor)
	}
	return nil
}

// limit is how long a text may get behind a prompt of n tokens, and defaulted the reference's way of saying "20 more".
func (c *Config) limit(n int) int {
	if c.MaxNewTokens != nil {
		return n + *c.MaxNewTokens
	}
	if *c.MaxLength == *NewDefaultConfig().MaxLength {
		return n + *c.MaxLength
	}
	return *c.MaxLength
}

// IDs is one token id or a list of them in JSON.
type IDs []int32

// UnmarshalJSON implements [json.Unmarshaler].
func (i *IDs) UnmarshalJSON(b []byte) error { return oneOrMany(b, (*[]int32)(i)) }

// Strings is one string or a list of them in JSON.
type Strings []string

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Strings) UnmarshalJSON(b []byte) error { return oneOrMany(b, (*[]string)(s)) }

func oneOrMany[T any](b []byte, to *[]T) error {
	*to = nil
	if string(b) == "null" {
		return nil
	}
	var one T
	if json.Unmarshal(b, &one) == nil {
		*to = []T{one}
		return nil
	}
	return json.Unmarshal(b, to)
}

// EarlyStopping is when beam search ends: "" while a better text seems possible, "true" when there are enough texts, "never" when no better text is possible.
type EarlyStopping string

// The values of early_stopping other than false.
const (
	EarlyTrue  EarlyStopping = "true"
	EarlyNever EarlyStopping = "never"
)

// UnmarshalJSON implements [json.Unmarshaler].
func (e *EarlyStopping) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "null", "false":
		*e = ""
	case "true":
		*e = EarlyTrue
	case `"never"`:
		*e = EarlyNever
	default:
		return fmt.Errorf("early_stopping %s is not true, false or \"never\"", b)
	}
	return nil
}

// Bias is added to the score of the last token of a sequence when the text ends with the others: [[ids], bias] in JSON.
type Bias struct {
	IDs   []int32
	Value float32
}

// UnmarshalJSON implements [json.Unmarshaler].
func (b *Bias) UnmarshalJSON(raw []byte) error {
	return pair(raw, &b.IDs, &b.Value)
}

// Decay raises the score of the end behind Start new tokens, exponentially: [start, factor] in JSON.
type Decay struct {
	Start  int
	Factor float64
}

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Decay) UnmarshalJSON(raw []byte) error {
	return pair(raw, &d.Start, &d.Factor)
}

// pair reads a JSON list of two.
func pair(raw []byte, first, second any) error {
	both := []any{first, second}
	if err := json.Unmarshal(raw, &both); err != nil {
		return err
	}
	if len(both) != 2 {
		return fmt.Errorf("%s is not a list of two", raw)
	}
	return nil
}
