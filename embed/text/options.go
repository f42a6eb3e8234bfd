package text

import "fmt"

// Long is what happens to text that has more tokens than the model takes.
type Long string

// The policies for long text.
const (
	Fail     Long = "fail"     // refused as too large
	Truncate Long = "truncate" // cut behind the last token that fits, and flagged
	Window   Long = "window"   // cut into windows that overlap by Stride tokens, each a sample of its own
)

// Specials is how special tokens inside a text are read.
type Specials string

// The readings of "<mask>" inside a text.
const (
	Parse Specials = "parse" // as the special token: the reference's default
	Plain Specials = "plain" // as seven characters: the reference's split_special_tokens
)

// InvalidUTF8 is what happens to bytes that are not UTF-8.
type InvalidUTF8 string

// The policies for invalid UTF-8.
const (
	Refuse  InvalidUTF8 = "fail"    // refused as damaged
	Replace InvalidUTF8 = "replace" // one U+FFFD for each maximal part of a character, as Python does it
)

// Truncation is which of two texts gives way where both are too long together, and the policy is Truncate. The names are the reference's.
type Truncation string

// The strategies of truncation.
const (
	LongestFirst Truncation = "longest_first" // the longer, token by token
	OnlyFirst    Truncation = "only_first"    // the object's text
	OnlySecond   Truncation = "only_second"   // the pair's other text, or the choice
)

// Options say how text is prepared. The zero value means the defaults.
type Options struct {
	MaxTokens     int         // longest sample, special tokens included; default and at most what model and tokenizer allow
	Long          Long        // what happens to longer text; default Fail
	Truncation    Truncation  // of pairs and choices; default LongestFirst
	Stride        int         // tokens that a window shares with the one before it, for Window; default 0
	SpecialTokens Specials    // default Parse
	InvalidUTF8   InvalidUTF8 // default Refuse; of other character sets too
	Format        Format      // what the text of an object is wrapped in; default PlainText
	Field         string      // JSON: the path of the text, a.b.0 or /a/b/0
	Charset       string      // of an object; default UTF8. What comes beside it in a reference is UTF-8
}

// withDefaults fills what is zero, for a model that takes most tokens.
func (o Options) withDefaults(most int) Options {
	if o.MaxTokens == 0 {
		o.MaxTokens = most
	}
	if o.Long == "" {
		o.Long = Fail
	}
	if o.Truncation == "" {
		o.Truncation = LongestFirst
	}
	if o.SpecialTokens == "" {
		o.SpecialTokens = Parse
	}
	if o.InvalidUTF8 == "" {
		o.InvalidUTF8 = Refuse
	}
	if o.Format == "" {
		o.Format = PlainText
	}
	if o.Charset == "" {
		o.Charset = UTF8
	}
	return o
}

// Validate names the first option that makes no sense by itself; New checks the lengths against the model. It accepts the zero
// value.
func (o Options) Validate() error {
	o = o.withDefaults(1)
	switch {
	case o.Long != Fail && o.Long != Truncate && o.Long != Window:
		return fmt.Errorf("long: %q is not one of fail, truncate, window", o.Long)
	case o.Truncation != LongestFirst && o.Truncation != OnlyFirst && o.Truncation != OnlySecond:
		return fmt.Errorf("truncation: %q is not one of longest_first, only_first, only_second", o.Truncation)
	case o.SpecialTokens != Parse && o.SpecialTokens != Plain:
		return fmt.Errorf("special_tokens: %q is not one of parse, plain", o.SpecialTokens)
	case o.InvalidUTF8 != Refuse && o.InvalidUTF8 != Replace:
		return fmt.Errorf("invalid_utf8: %q is not one of fail, replace", o.InvalidUTF8)
	case o.MaxTokens < 1:
		return fmt.Errorf("max_tokens: %d is not at least 1", o.MaxTokens)
	case o.Stride < 0:
		return fmt.Errorf("stride: %d is negative", o.Stride)
	}
	_, err := newInput(o)
	return err
}
