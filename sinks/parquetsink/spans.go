package parquetsink

import (
	"fmt"
	"strconv"
	"strings"

	"vecmill/schemas"
)

// FormatSpans writes spans as text: single offsets and closed intervals, "5,9-12" for offset 5 and offsets 9 to 12. No span is "".
func FormatSpans(spans []schemas.Span) string {
	var b []byte
	for i, s := range spans {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, s.First, 10)
		if s.Len() > 1 {
			b = append(b, '-')
			b = strconv.AppendInt(b, s.Next-1, 10)
		}
	}
	return string(b)
}

// ParseSpans reads what FormatSpans writes: ascending and disjoint, anything else is an error.
func ParseSpans(text string) ([]schemas.Span, error) {
	if text == "" {
		return nil, nil
	}
	var spans []schemas.Span
	end := int64(-1)
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err := parseOffset(first)
		if err != nil {
			return nil, err
		}
		b, err := parseOffset(last)
		if err != nil {
			return nil, err
		}
		if a > b || a < end {
			return nil, fmt.Errorf("offset spans %q: %s is out of order", text, part)
		}
		end = b + 1
		spans = append(spans, schemas.Span{First: a, Next: end})
	}
	return spans, nil
}

func parseOffset(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 62) // one bit to spare, so that last+1 cannot overflow
	if err != nil {
		return 0, fmt.Errorf("offset spans: %q is not an offset", s)
	}
	return int64(n), nil
}

// clip is the part of ascending spans that lies in [first, next). It never changes its argument.
func clip(spans []schemas.Span, first, next int64) []schemas.Span {
	var out []schemas.Span
	for _, s := range spans {
		s.First, s.Next = max(s.First, first), min(s.Next, next)
		if s.First < s.Next {
			out = append(out, s)
		}
	}
	return out
}

// join appends spans to a list that ends before they begin, melting neighbours into one.
func join(list, spans []schemas.Span) []schemas.Span {
	for _, s := range spans {
		if n := len(list); n > 0 && list[n-1].Next == s.First {
			list[n-1].Next = s.Next
			continue
		}
		list = append(list, s)
	}
	return list
}
