package predict

import (
	"slices"

	"vecmill/embed"
	"vecmill/embed/text"
)

// limit is where text is cut: nowhere unless truncation is asked for, or, with neither truncation nor padding, max_length is.
func (t *texts) limit() int {
	switch t.truncation {
	case nil:
		if t.padding != nil && t.padding != false {
			return 0
		}
		return t.length
	case false, "do_not_truncate":
		return 0
	}
	if t.length > 0 {
		return t.length
	}
	return t.maxLength
}

// checkTruncation refuses words that the reference does not know, and lengths that are none.
func (t *texts) checkTruncation() error {
	switch {
	case t.maxLength < 0:
		return faultf("option model_max_length: %d is negative", t.maxLength)
	case t.length < 0:
		return faultf("option max_length: %d is negative", t.length)
	}
	switch t.truncation {
	case nil, true, false, "do_not_truncate", string(text.LongestFirst), string(text.OnlyFirst), string(text.OnlySecond):
	default:
		return faultf("option truncation: %v is not true, false, \"longest_first\", \"only_first\", \"only_second\" or \"do_not_truncate\"", t.truncation)
	}
	switch t.padding {
	case nil, true, false, "longest", "max_length", "do_not_pad":
		return nil
	}
	return faultf("option padding: %v is not true, false, \"longest\", \"max_length\" or \"do_not_pad\"", t.padding)
}

// pad fills the inputs of one text up to max_length, the tokenizer's own unless it is given.
func (t *texts) pad(run []embed.Tensor) error {
	most := t.length
	if most == 0 {
		most = t.maxLength
	}
	n := most - int(run[0].Shape[1])
	switch {
	case most > t.most:
		return faultf("option padding: max_length is %d, and the model takes %d tokens", most, t.most)
	case n <= 0:
		return nil
	}
	for i := range run {
		padding := make([]int64, n)
		if i == 0 {
			padding = slices.Repeat([]int64{int64(t.tok.Pad())}, n)
		}
		run[i].Shape = []int64{1, int64(most)}
		if t.tok.PadsLeft() {
			run[i].I64 = append(padding, run[i].I64...)
		} else {
			run[i].I64 = append(run[i].I64, padding...)
		}
	}
	return nil
}

// shares is how many tokens of two texts stay of room, as truncation says.
func (t *texts) shares(a, b, room int) (first, second int, err error) {
	if room < 0 {
		return 0, 0, faultf("%d tokens too few are allowed for the special ones alone", -room)
	}
	strategy := text.LongestFirst
	if s, ok := t.truncation.(string); ok {
		strategy = text.Truncation(s)
	}
	first, second, ok := strategy.Shares(a, b, room)
	if !ok {
		return 0, 0, faultf("option truncation: %v leaves nothing of a text: %d and %d tokens, and %d fit", t.truncation, a, b, room)
	}
	return first, second, nil
}

// shortened is a text's first n tokens, or its last where the tokenizer cuts on the left.
func (t *texts) shortened(e *text.Encoding, n int) *text.Encoding {
	from, to := 0, n
	if t.tok.CutsLeft() {
		from, to = len(e.IDs)-n, len(e.IDs)
	}
	return &text.Encoding{IDs: e.IDs[from:to], Offsets: e.Offsets[from:to], Words: e.Words[from:to]}
}

// cut makes the windows of a text of which room tokens fit: from its beginning on, or from its end where the tokenizer cuts on the left.
func (t *texts) cut(e *text.Encoding, room int, limited bool, stride int, wrap func(from, to int) encoded) ([]encoded, error) {
	n, left := len(e.IDs), t.tok.CutsLeft()
	if !limited || n <= room {
		return t.fitting(wrap(0, n))
	}
	switch {
	case room < 0:
		return nil, faultf("%d tokens too few are allowed for the special ones alone", -room)
	case stride >= max(room, 1):
		return nil, faultf("%d tokens of the text fit into a window, too few for windows that share %d", room, stride)
	}
	var all []encoded
	for done := 0; ; done += room - stride { // tokens before the window, seen from the side where windows begin
		from, to := done, min(done+room, n)
		if left {
			from, to = n-to, n-from
		}
		part, err := t.fitting(wrap(from, to))
		if err != nil {
			return nil, err
		}
		if all = append(all, part...); stride < 0 || done+room >= n {
			return all, nil
		}
	}
}
