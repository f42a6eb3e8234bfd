package listing

import "math/big"

// The alphabet of cuts: printable ASCII. Keys may have other characters; a cut only has to lie between keys, not to be one.
const (
	lowest  = 0x20
	highest = 0x7e
	base    = highest - lowest + 1
)

// digits is how many characters behind the common beginning take part: enough to tell 95^12 keys apart.
const digits = 12

// cut gives a key between last and upto, times page widths ahead of last; "" if there is none. first and last are the ends of a page, upto "" means no end.
func cut(first, last, upto string, times *big.Int) string {
	common := sharedBytes(first, last)
	if common == len(last) {
		return ""
	}
	// A carry may have to go further to the left than where the page's keys differ: the names before it count on, too.
	from := common
	for from > 0 && common-from < digits/2 && last[from-1] >= lowest && last[from-1] <= highest {
		from--
	}
	lo, width := number(last[from:]), number(last[from:])
	width.Sub(width, number(first[from:]))
	if width.Sign() <= 0 {
		width.SetInt64(1)
	}
	end := limit(last[:from], upto, lo)
	if rest := new(big.Int).Sub(end, lo); rest.Cmp(new(big.Int).Lsh(width, 1)) <= 0 {
		return "" // two pages, as far as can be guessed: each of two ranges would bring a part of one, and keys of others
	}
	at := width.Mul(width, times)
	at.Add(at, lo)
	if at.Cmp(end) >= 0 { // beyond what is left of the range: half of that
		at.Add(lo, end).Rsh(at, 1)
	}
	key := last[:from] + text(at)
	if key <= last || upto != "" && key >= upto {
		return ""
	}
	return key
}

// limit is upto as a number behind the prefix; where it lies beyond the prefix, the highest there is.
func limit(prefix, upto string, lo *big.Int) *big.Int {
	if upto != "" && len(upto) >= len(prefix) && upto[:len(prefix)] == prefix {
		if n := number(upto[len(prefix):]); n.Cmp(lo) > 0 {
			return n
		}
	}
	top := new(big.Int).Exp(big.NewInt(base), big.NewInt(digits), nil)
	return top.Sub(top, big.NewInt(1))
}

func sharedBytes(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// number reads the first characters of s as one number; a missing one counts as the lowest.
func number(s string) *big.Int {
	n, b := new(big.Int), big.NewInt(base)
	for i := range digits {
		n.Mul(n, b)
		if i < len(s) {
			n.Add(n, big.NewInt(int64(min(max(s[i], lowest), highest)-lowest)))
		}
	}
	return n
}

// text is the inverse of number.
func text(n *big.Int) string {
	var out [digits]byte
	b, rest := big.NewInt(base), new(big.Int)
	n = new(big.Int).Set(n)
	for i := digits - 1; i >= 0; i-- {
		n.DivMod(n, b, rest)
		out[i] = byte(rest.Int64()) + lowest
	}
	if n.Sign() != 0 { // over the highest
		for i := range out {
			out[i] = highest
		}
	}
	return string(out[:])
}
