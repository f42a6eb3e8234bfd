package wire

import (
	"context"
	"slices"

	"vecmill/internal/config"
	"vecmill/schemas"
)

// told is what an output says of the offsets of a span.
type told struct {
	in      schemas.Span
	none    stretches          // those without rows
	untold  stretches          // those of which it says nothing
	dead    stretches          // of those without rows, those with a dead letter
	unread  bool               // others of the untold may have had a letter, too
	deletes []schemas.Deletion // ascending
	mute    stretches          // those that may be deletions, of which it does not say what they delete
}

func toldBy(ctx context.Context, out past, src schemas.SourceID, in schemas.Span) (*told, error) {
	ranges, err := out.ranges(ctx, src, in)
	if err != nil {
		return nil, err
	}
	t := &told{in: in}
	var covered, dead, none []schemas.Span
	for i := range ranges {
		r := &ranges[i]
		covered, dead = append(covered, r.Span), append(dead, r.Dead...)
		none = append(append(append(none, r.Dead...), r.Skipped...), r.Lost...)
		t.deletes = append(t.deletes, schemas.ClipDeletions(r.Deletes, in.First, in.Next)...)
	}
	t.untold, t.none, t.dead = stretches{in}.minus(stretchesOf(in, covered...)), stretchesOf(in, none...), stretchesOf(in, dead...)
	t.mute = stretchesOf(in, slices.Concat(t.untold, out.nameless(src))...)
	return t, nil
}

// ask has the rows and the letters of an output say what it does not tell any more itself. one says that a record is one reference, so that what has rows or a letter deletes nothing.
func (t *told) ask(ctx context.Context, out past, src schemas.SourceID, one bool, letters func() (*letterOffsets, error)) error {
	left, err := withoutRows(ctx, out, src, t.untold)
	if err != nil {
		return err
	}
	if one {
		t.mute = t.mute.minus(t.untold.minus(left))
	}
	if t.untold = left; len(left) == 0 {
		return nil
	}
	found, err := letters()
	if err != nil {
		return err
	}
	var buried []schemas.Span
	for o := range found.of[src] {
		if left.has(o) {
			buried = append(buried, schemas.Span{First: o, Next: o + 1})
		}
	}
	t.unread = !found.all()
	t.dead = stretchesOf(t.in, slices.Concat(t.dead, buried)...)
	if one {
		t.mute = t.mute.minus(stretchesOf(t.in, buried...))
	}
	return nil
}

// oneReference says whether each record of an input is one reference at most.
func oneReference(in *config.Input) bool {
	switch in.Format {
	case "", "ref":
		return true
	case "json", "avro", "protobuf":
		return in.Map == ""
	}
	return false
}

// withoutRows are the offsets of stretches of which an output has no row. It is asked once, for a table is planned anew for each question; a bit is held for each offset from the first to the last one.
func withoutRows(ctx context.Context, out past, src schemas.SourceID, of stretches) (left stretches, err error) {
	if len(of) == 0 {
		return nil, nil
	}
	in := of.hull()
	have := make([]uint64, in.Len()/64+1)
	if err := out.rows(ctx, src, in, func(l *schemas.Lineage) error {
		at := l.Offset - in.First
		have[at/64] |= 1 << (at % 64)
		return nil
	}); err != nil {
		return nil, err
	}
	for _, s := range of {
		for o := s.First; o < s.Next; o++ {
			if at := o - in.First; have[at/64]&(1<<(at%64)) == 0 {
				left = schemas.AppendOffset(left, o)
			}
		}
	}
	return left, nil
}
