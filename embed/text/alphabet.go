package text

import (
	"unicode/utf8"
)

// runeOfByte is GPT-2's alphabet: each byte as a visible character. Bytes that are printable in Latin-1 are themselves, the others follow
// from U+0100 on.
var runeOfByte, byteOfRune = func() (to [256]rune, from map[rune]byte) {
	from = make(map[rune]byte, 256)
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		printable := b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae
		if !printable {
			r = next
			next++
		}
		to[b], from[r] = r, byte(b)
	}
	return to, from
}()

// rawToken is the bytes of a token of the vocabulary. A token with characters outside of the alphabet is its own UTF-8, as the
// reference's decoder has it; ok is false then.
func rawToken(token string) (raw string, ok bool) {
	b := make([]byte, 0, len(token))
	for _, r := range token {
		c, known := byteOfRune[r]
		if !known {
			return token, false
		}
		b = append(b, c)
	}
	return string(b), true
}

// byteToken is the token of a single byte.
func byteToken(b byte) string { return string(utf8.AppendRune(nil, runeOfByte[b])) }
