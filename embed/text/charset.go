package text

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"

	"vecmill/schemas"
)

// The character sets with a meaning of their own. Any other name is WHATWG's: shift_jis, gb18030, koi8-r, ...
const (
	UTF8     = "utf-8"     // a byte order mark is a character of the text, as in Python
	UTF8Sig  = "utf-8-sig" // a byte order mark is dropped
	UTF16    = "utf-16"    // its byte order mark decides; without one little-endian
	UTF16LE  = "utf-16le"
	UTF16BE  = "utf-16be"
	Latin1   = "latin1" // ISO 8859-1 itself, where WHATWG means windows-1252
	ASCII    = "ascii"
	Detect   = "detect" // byte order mark, HTML's own declaration, UTF-8 if it is, else windows-1252; the row says what was found
	fallback = "windows-1252"
)

// decoder turns bytes of one character set into UTF-8.
type decoder struct {
	name     string
	encoding encoding.Encoding // nil where we decode ourselves
}

// newDecoder finds a character set by its name.
func newDecoder(name string) (decoder, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "utf8":
		name = UTF8
	case "iso-8859-1", "latin-1":
		name = Latin1
	case "us-ascii":
		name = ASCII
	case "utf_16":
		name = UTF16
	}
	switch name {
	case UTF8, UTF8Sig, UTF16, UTF16LE, UTF16BE, ASCII, Detect:
		return decoder{name: name}, nil
	case Latin1:
		return decoder{name, charmap.ISO8859_1}, nil
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return decoder{}, fmt.Errorf("%q is no character set that is known here: want utf-8, utf-8-sig, utf-16, latin1, windows-1252, another name of the WHATWG's list, or detect", name)
	}
	if e == encoding.Replacement {
		return decoder{}, fmt.Errorf("%q is not decoded by anybody any more", name)
	}
	if canonical, err := htmlindex.Name(e); err == nil {
		name = canonical
	}
	return decoder{name, e}, nil
}

// detected is the decoder of what b seems to be in.
func detected(b []byte, html bool) decoder {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		return decoder{name: UTF8Sig}
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return decoder{name: UTF16}
	}
	if html {
		// Of plain ASCII without a declaration the answer is the fallback, so that any other is a declaration.
		head := bytes.Map(func(r rune) rune {
			if r >= utf8.RuneSelf {
				return ' '
			}
			return r
		}, b[:min(len(b), 1024)])
		if _, name, _ := charset.DetermineEncoding(head, ""); name != fallback {
			if d, err := newDecoder(name); err == nil {
				return d
			}
		}
	}
	if utf8.Valid(b) {
		return decoder{name: UTF8}
	}
	d, err := newDecoder(fallback)
	if err != nil {
		panic(err) // a name of our own
	}
	return d
}

// text decodes b. Under Refuse what is not of the character set is a rejection, otherwise U+FFFD.
func (d decoder) text(b []byte, policy InvalidUTF8) (string, error) {
	var s string
	var bad int // where something is that the character set does not have; -1 for nowhere
	switch d.name {
	case UTF8, UTF8Sig:
		if d.name == UTF8Sig {
			b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
		}
		s = string(b)
		if bad = firstInvalid(s); bad >= 0 && policy == Refuse {
			return "", schemas.Rejectf(schemas.ReasonDecode, "not UTF-8: byte %#02x at %d", s[bad], bad)
		}
		return replaceInvalid(s), nil
	case ASCII:
		s, bad = fromASCII(b)
	case UTF16, UTF16LE, UTF16BE:
		s, bad = fromUTF16(b, d.name)
	default:
		decoded, err := d.encoding.NewDecoder().Bytes(b)
		if err != nil {
			return "", schemas.Rejectf(schemas.ReasonDecode, "not %s: %v", d.name, err)
		}
		s = string(decoded)
		bad = strings.IndexRune(s, utf8.RuneError)
	}
	if bad >= 0 && policy == Refuse {
		return "", schemas.Rejectf(schemas.ReasonDecode, "not %s: at %d is something that it does not have", d.name, bad)
	}
	return s, nil
}

// fromASCII gives the text, and the place of the first byte that is none.
func fromASCII(b []byte) (string, int) {
	bad := -1
	var out strings.Builder
	out.Grow(len(b))
	for i, c := range b {
		if c < utf8.RuneSelf {
			out.WriteByte(c)
			continue
		}
		if bad < 0 {
			bad = i
		}
		out.WriteRune(utf8.RuneError)
	}
	return out.String(), bad
}

// fromUTF16 gives the text, and the place of the first surrogate without its other half, or of an odd last byte.
func fromUTF16(b []byte, name string) (string, int) {
	var order binary.ByteOrder = binary.LittleEndian
	if name == UTF16BE {
		order = binary.BigEndian
	}
	if name == UTF16 && len(b) >= 2 {
		switch {
		case b[0] == 0xFE && b[1] == 0xFF:
			order, b = binary.BigEndian, b[2:]
		case b[0] == 0xFF && b[1] == 0xFE:
			b = b[2:]
		}
	}
	bad := -1
	var out strings.Builder
	out.Grow(len(b))
	wrong := func(at int) {
		if bad < 0 {
			bad = at
		}
		out.WriteRune(utf8.RuneError)
	}
	for i := 0; i < len(b); i += 2 {
		if i+1 == len(b) {
			wrong(i)
			break
		}
		r := rune(order.Uint16(b[i:]))
		if !utf16.IsSurrogate(r) {
			out.WriteRune(r)
			continue
		}
		if i+3 < len(b) {
			if both := utf16.DecodeRune(r, rune(order.Uint16(b[i+2:]))); both != utf8.RuneError {
				out.WriteRune(both)
				i += 2
				continue
			}
		}
		wrong(i)
	}
	return out.String(), bad
}
