package text

import (
	"strings"
	"unicode/utf8"
)

// cursor finds code points in a text; going forward is cheap.
type cursor struct {
	text          string
	bytes, points int // place: how many are before it
}

// to moves to a code point, or to the end if there are fewer.
func (c *cursor) to(point int) {
	if point < c.points {
		c.bytes, c.points = 0, 0
	}
	for ; c.points < point && c.bytes < len(c.text); c.points++ {
		_, size := utf8.DecodeRuneInString(c.text[c.bytes:])
		c.bytes += size
	}
}

// excerpt is the part of the text that offsets (code points) cover and one code point on each side, and the code point at which it begins.
func (c *cursor) excerpt(offsets [][2]int32) (string, int) {
	if len(offsets) == 0 {
		return "", 0
	}
	first, last := offsets[0][0], offsets[0][1]
	for _, o := range offsets[1:] {
		first, last = min(first, o[0]), max(last, o[1])
	}
	c.to(max(int(first)-1, 0))
	end := *c
	end.to(int(last) + 1)
	return strings.Clone(c.text[c.bytes:end.bytes]), c.points // a copy: the rest of the text need not stay
}
