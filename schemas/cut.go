package schemas

import "slices"

// Cut is the part of a range that lies in [first, next); it is empty where they do not meet. It shares nothing with the range that grows.
func (r *Range) Cut(first, next int64) Range {
	out := Range{Source: r.Source, Span: Span{First: max(r.First, first), Next: min(r.Next, next)}}
	out.Next = max(out.Next, out.First)
	out.Dead, out.Skipped, out.Lost = cut(r.Dead, out.Span), cut(r.Skipped, out.Span), cut(r.Lost, out.Span)
	out.Deletes = ClipDeletions(r.Deletes, out.First, out.Next)
	return out
}

// Rowless says whether an offset is dead, skipped or lost by the range's own word, and so has no row.
func (r *Range) Rowless(offset int64) bool {
	for _, spans := range [][]Span{r.Dead, r.Skipped, r.Lost} {
		if _, in := slices.BinarySearchFunc(spans, offset, func(s Span, o int64) int {
			switch {
			case o < s.First:
				return 1
			case o >= s.Next:
				return -1
			}
			return 0
		}); in {
			return true
		}
	}
	return false
}

// Join puts a range behind r, which ends where the other one begins.
func (r *Range) Join(next *Range) {
	r.Next = next.Next
	r.Dead, r.Skipped, r.Lost = joined(r.Dead, next.Dead), joined(r.Skipped, next.Skipped), joined(r.Lost, next.Lost)
	r.Deletes = append(r.Deletes, next.Deletes...)
}

func cut(spans []Span, in Span) (out []Span) {
	for _, s := range spans {
		if s.First, s.Next = max(s.First, in.First), min(s.Next, in.Next); s.First < s.Next {
			out = append(out, s)
		}
	}
	return out
}

// joined melts the last span of a list and the first behind it into one, where they touch.
func joined(list, next []Span) []Span {
	if n := len(list); n > 0 && len(next) > 0 && list[n-1].Next == next[0].First {
		list[n-1].Next = next[0].Next
		next = next[1:]
	}
	return append(list, next...)
}
