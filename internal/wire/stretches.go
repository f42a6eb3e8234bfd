package wire

import (
	"cmp"
	"slices"

	"vecmill/schemas"
)

// stretches are spans in order, of which none touches another.
type stretches []schemas.Span

// stretchesOf are the parts of spans, in any order, that lie in one.
func stretchesOf(in schemas.Span, spans ...schemas.Span) (out stretches) {
	slices.SortFunc(spans, func(a, b schemas.Span) int { return cmp.Compare(a.First, b.First) })
	for _, s := range spans {
		s.First, s.Next = max(s.First, in.First), min(s.Next, in.Next)
		switch n := len(out); {
		case s.Len() <= 0:
		case n > 0 && out[n-1].Next >= s.First:
			out[n-1].Next = max(out[n-1].Next, s.Next)
		default:
			out = append(out, s)
		}
	}
	return out
}

// hull is from the first offset of some stretches to the last.
func (a stretches) hull() schemas.Span {
	return schemas.Span{First: a[0].First, Next: a[len(a)-1].Next}
}

// minus is what is in no stretch of b.
func (a stretches) minus(b stretches) (out stretches) {
	for _, s := range a {
		for len(b) > 0 && b[0].Next <= s.First {
			b = b[1:]
		}
		for _, x := range b {
			if x.First >= s.Next {
				break
			}
			if x.First > s.First {
				out = append(out, schemas.Span{First: s.First, Next: x.First})
			}
			s.First = x.Next
		}
		if s.Len() > 0 {
			out = append(out, s)
		}
	}
	return out
}

// has says whether an offset is in one of them.
func (a stretches) has(offset int64) bool {
	i, found := slices.BinarySearchFunc(a, offset, func(s schemas.Span, o int64) int { return cmp.Compare(s.First, o) })
	return found || i > 0 && offset < a[i-1].Next
}
