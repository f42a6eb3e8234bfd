package text

import (
	"unicode"
	"unicode/utf8"
)

// class is what GPT-2's pattern tells characters apart by.
type class uint8

const (
	other class = iota
	letter
	number
	space
)

// asciiClass is the class of each ASCII character.
var asciiClass = func() (t [utf8.RuneSelf]class) {
	for r := range t {
		t[r] = runeClass(rune(r))
	}
	return t
}()

// runeClass follows \p{L}, \p{N} and \s of the reference, which has Unicode 16.
func runeClass(r rune) class {
	switch {
	case unicode.IsLetter(r) || unicode.Is(newLetters, r):
		return letter
	case unicode.IsNumber(r) || unicode.Is(newNumbers, r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// newLetters are the letters that Unicode 15.1 and 16 added to the tables of Go's unicode package.
var newLetters = &unicode.RangeTable{
	R16: []unicode.Range16{{0x1c89, 0x1c8a, 1}, {0xa7cb, 0xa7cd, 1}, {0xa7da, 0xa7dc, 1}},
	R32: []unicode.Range32{
		{0x105c0, 0x105f3, 1},
		{0x10d4a, 0x10d65, 1},
		{0x10d6f, 0x10d85, 1},
		{0x10ec2, 0x10ec4, 1},
		{0x11380, 0x11389, 1},
		{0x1138b, 0x1138b, 1},
		{0x1138e, 0x1138e, 1},
		{0x11390, 0x113b5, 1},
		{0x113b7, 0x113b7, 1},
		{0x113d1, 0x113d1, 1},
		{0x113d3, 0x113d3, 1},
		{0x11bc0, 0x11be0, 1},
		{0x13460, 0x143fa, 1},
		{0x16100, 0x1611d, 1},
		{0x16d40, 0x16d6c, 1},
		{0x18cff, 0x18cff, 1},
		{0x1e5d0, 0x1e5ed, 1},
		{0x1e5f0, 0x1e5f0, 1},
		{0x2ebf0, 0x2ee5d, 1},
	},
}

// newNumbers are the numbers that they added.
var newNumbers = &unicode.RangeTable{
	R32: []unicode.Range32{
		{0x10d40, 0x10d49, 1},
		{0x116d0, 0x116e3, 1},
		{0x11bf0, 0x11bf9, 1},
		{0x16130, 0x16139, 1},
		{0x16d70, 0x16d79, 1},
		{0x1ccf0, 0x1ccf9, 1},
		{0x1e5f1, 0x1e5fa, 1},
	},
}

// classAt is the class of the character at s[i] and its length in bytes.
func classAt(s string, i int) (class, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return runeClass(r), n
}

// wordEnd is the end of the word that begins at s[at], at < len(s). Words are the matches of GPT-2's pattern
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// and cover the text without gaps.
func wordEnd(s string, at int) int {
	if s[at] == '\'' {
		if n := contraction(s[at+1:]); n > 0 {
			return at + 1 + n
		}
	}
	i := at
	if s[i] == ' ' && i+1 < len(s) {
		i++ // one space may lead a word
	}
	c, n := classAt(s, i)
	if c != space {
		return runEnd(s, i+n, c)
	}
	return spaceEnd(s, at)
}

// contraction is the length of s, t, re, ve, m, ll or d at the start of s, 0 if there is none.
func contraction(s string) int {
	if s == "" {
		return 0
	}
	switch s[0] {
	case 's', 't', 'm', 'd':
		return 1
	}
	if len(s) > 1 && (s[:2] == "re" || s[:2] == "ve" || s[:2] == "ll") {
		return 2
	}
	return 0
}

// runEnd is the end of the run of characters of class c from s[i] on.
func runEnd(s string, i int, c class) int {
	for i < len(s) {
		k, n := classAt(s, i)
		if k != c {
			break
		}
		i += n
	}
	return i
}

// spaceEnd is the end of the white space from s[at] on: all of it at the end of the text, otherwise all but the last
// character, which belongs to what follows; a single one stands alone.
func spaceEnd(s string, at int) int {
	i, last := at, at
	for i < len(s) {
		k, n := classAt(s, i)
		if k != space {
			break
		}
		i, last = i+n, i
	}
	if i < len(s) && last > at {
		return last
	}
	return i
}
