package text

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"vecmill/schemas"
)

// Format is what an object's text is wrapped in.
type Format string

// The formats of an object.
const (
	PlainText Format = "plain"
	JSON      Format = "json"     // the string at Options.Field
	HTML      Format = "html"     // stripped to what a reader sees
	Markdown  Format = "markdown" // the same of CommonMark with GitHub's additions
)

// input turns an object's bytes into text, by Options.
type input struct {
	format  Format
	field   []string
	charset decoder
	invalid InvalidUTF8
}

func newInput(o Options) (input, error) {
	in := input{format: o.Format, invalid: o.InvalidUTF8}
	var err error
	if in.charset, err = newDecoder(o.Charset); err != nil {
		return in, fmt.Errorf("charset: %w", err)
	}
	switch o.Format {
	case PlainText, HTML, Markdown:
		if o.Field != "" {
			return in, fmt.Errorf("field: %q is for format json", o.Field)
		}
	case JSON:
		if in.field, err = parseField(o.Field); err != nil {
			return in, fmt.Errorf("field: %w", err)
		}
	default:
		return in, fmt.Errorf("format: %q is not one of plain, json, html, markdown", o.Format)
	}
	return in, nil
}

// Reader makes text of objects' bytes, as the preprocessor does before it tokenizes.
type Reader struct{ in input }

// NewReader takes Format, Field, Charset and InvalidUTF8 of the options. Its error names the one at fault.
func NewReader(o Options) (*Reader, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	in, err := newInput(o.withDefaults(1))
	return &Reader{in}, err
}

// Text gives an object's text, and the name of its character set where that was to be found out. Its errors are Rejections, or ctx's.
func (r *Reader) Text(ctx context.Context, blob []byte) (text, charset string, err error) {
	return r.in.text(ctx, blob)
}

// usual says whether bytes are the text as they are.
func (in *input) usual() bool { return in.format == PlainText && in.charset.name == UTF8 }

// longest bounds the bytes of text that an object of size bytes gives: a byte of another character set may become three of UTF-8.
func (in *input) longest(size int64) int64 {
	if in.usual() {
		return size
	}
	return 3 * size
}

// reading bounds the memory that making text of an object takes besides: its decoded form, and of markup what the parser builds, a tree for Markdown.
func (in *input) reading(size int64) int64 {
	switch in.format {
	case Markdown:
		return treeBytes * min(in.longest(size), maxMarkdown)
	case HTML, JSON:
		return 4 * in.longest(size)
	}
	if in.usual() {
		return 0
	}
	return 2 * in.longest(size)
}

// treeBytes is what a byte of Markdown becomes at worst.
const treeBytes = 400

// text gives the object's text, and the name of its character set where that was to be found out.
func (in *input) text(ctx context.Context, blob []byte) (text, found string, err error) {
	d := in.charset
	if d.name == Detect {
		d = detected(blob, in.format == HTML)
		found = d.name
	}
	if d.name == UTF8 && in.format != PlainText {
		d.name = UTF8Sig // the mark is no part of JSON, HTML or Markdown
	}
	if text, err = d.text(blob, in.invalid); err != nil {
		return "", "", err
	}
	switch in.format {
	case JSON:
		text, err = in.lookUp(text)
	case HTML:
		text, err = fromHTML(ctx, text)
	case Markdown:
		text, err = fromMarkdown(ctx, text)
	}
	if err == nil && text == "" {
		err = schemas.Rejectf(schemas.ReasonTooShort, "no text in the %s", in.format)
	}
	return text, found, err
}

// parseField reads the path of a field: names joined by dots, or where names have dots RFC 6901's pointer, which begins with a slash.
func parseField(field string) ([]string, error) {
	if field == "" {
		return nil, errors.New("missing: format json needs the path of the text in its object")
	}
	sep := "."
	if strings.HasPrefix(field, "/") {
		sep, field = "/", field[1:]
	}
	path := strings.Split(field, sep)
	for i, name := range path {
		if sep == "/" {
			path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		} else if name == "" {
			return nil, fmt.Errorf("%q has an empty name", field)
		}
	}
	return path, nil
}

// lookUp finds the string at the field. Objects are entered by name, lists by number.
func (in *input) lookUp(doc string) (string, error) {
	raw := json.RawMessage(doc)
	for i, name := range in.field {
		at := strings.Join(in.field[:i+1], ".")
		var err error
		switch kind(raw) {
		case '{':
			var object map[string]json.RawMessage
			if err = json.Unmarshal(raw, &object); err == nil {
				var ok bool
				if raw, ok = object[name]; !ok {
					return "", schemas.Rejectf(schemas.ReasonSchema, "the JSON has no field %s", at)
				}
			}
		case '[':
			var list []json.RawMessage
			if err = json.Unmarshal(raw, &list); err == nil {
				n, numErr := strconv.Atoi(name)
				if numErr != nil || n < 0 || n >= len(list) {
					return "", schemas.Rejectf(schemas.ReasonSchema, "the JSON has no field %s: a list of %d is there", at, len(list))
				}
				raw = list[n]
			}
		default:
			if !json.Valid(raw) {
				err = errors.New("syntax error")
				break
			}
			return "", schemas.Rejectf(schemas.ReasonSchema, "the JSON has no field %s: what it would be in is neither object nor list", at)
		}
		if err != nil {
			return "", schemas.Rejectf(schemas.ReasonDecode, "not JSON: %v", err)
		}
	}
	at := strings.Join(in.field, ".")
	var text string
	if kind(raw) != '"' || json.Unmarshal(raw, &text) != nil {
		return "", schemas.Rejectf(schemas.ReasonSchema, "field %s of the JSON is not a string", at)
	}
	if in.invalid == Refuse && loneSurrogate(string(raw)) {
		return "", schemas.Rejectf(schemas.ReasonDecode, "field %s of the JSON has half of a surrogate pair", at)
	}
	return text, nil
}

// kind is the first character of a JSON value, 0 if there is none.
func kind(raw json.RawMessage) byte {
	if s := strings.TrimLeft(string(raw[:min(len(raw), 64)]), " \t\r\n"); s != "" {
		return s[0]
	}
	if s := strings.TrimLeft(string(raw), " \t\r\n"); s != "" {
		return s[0]
	}
	return 0
}

// loneSurrogate says whether a JSON string has an escaped surrogate without its other half, which the parser makes U+FFFD of.
func loneSurrogate(s string) bool {
	unit := func(at int) int64 {
		if at+6 > len(s) || s[at] != '\\' || s[at+1] != 'u' {
			return -1
		}
		v, err := strconv.ParseUint(s[at+2:at+6], 16, 16)
		if err != nil {
			return -1
		}
		return int64(v)
	}
	for i := strings.IndexByte(s, '\\'); i >= 0 && i+1 < len(s); {
		step := 2
		if v := unit(i); v >= 0 {
			step = 6
			switch {
			case v >= 0xDC00 && v <= 0xDFFF:
				return true
			case v >= 0xD800 && v <= 0xDBFF:
				if low := unit(i + 6); low < 0xDC00 || low > 0xDFFF {
					return true
				}
				step = 12
			}
		}
		next := strings.IndexByte(s[min(i+step, len(s)):], '\\')
		if next < 0 {
			return false
		}
		i += step + next
	}
	return false
}
