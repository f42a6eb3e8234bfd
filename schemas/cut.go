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

// Unskip takes offsets that have rows out of what is skipped: a range that says both is of a build that brought an output up from a table out of which a tombstone had taken some rows of an offset. The rows are there.
func (r *Range) Unskip(rows []Row) {
	if len(r.Skipped) == 0 {
		return
	}
	var have []int64
	for i := range rows {
		have = append(have, rows[i].Offset)
	}
	slices.Sort(have)
	var left []Span
	for _, s := range r.Skipped {
		at, _ := slices.BinarySearch(have, s.First)
		for ; at < len(have) && have[at] < s.Next; at++ {
			if s.First < have[at] {
				left = append(left, Span{First: s.First, Next: have[at]})
			}
			s.First = have[at] + 1
		}
		if s.First < s.Next {
			left = append(left, s)
		}
	}
	r.Skipped = left
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
