package wire

import (
	"context"
	"strings"
	"testing"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// scattered is an output that tells of every other stretch of 10 offsets, or of none, and counts how often it is asked for rows.
type scattered struct {
	*made
	tells bool
	asked int
}

func (s *scattered) ranges(ctx context.Context, src schemas.SourceID, in schemas.Span) (all []schemas.Range, err error) {
	for first := in.First / 20 * 20; s.tells && first < in.Next; first += 20 {
		part, err := s.made.ranges(ctx, src, schemas.Span{First: first, Next: first + 10})
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	return all, nil
}

func (s *scattered) rows(ctx context.Context, src schemas.SourceID, in schemas.Span, each func(l *schemas.Lineage) error) error {
	s.asked++
	return s.made.rows(ctx, src, in, each)
}

// TestScatteredOffsetsAreAskedForAtOnce has outputs with rows of some offsets each that do not tell of others: a table is opened for each question.
func TestScatteredOffsetsAreAskedForAtOnce(t *testing.T) {
	const n, at = 1000, 250
	d, old, now := manyLacking(n, 1)
	rowOf := old.row
	old.row = func(src schemas.SourceID, o int64, l *schemas.Lineage) bool { return o%4 != 1 && rowOf(src, o, l) }
	now.row = func(_ schemas.SourceID, o int64, l *schemas.Lineage) bool {
		return o%2 == 0 && rowOf(old.topics[0], o, l)
	}
	d.plan, d.bounds = &plan.Plan{Items: 1}, []backfill.Bound{{Source: old.topics[0], Next: 0}}
	was, is := &scattered{made: old}, &scattered{made: now, tells: true}
	c, v := comparisonOf(t, d, was, is), &Verified{}
	c.offsets, c.letters = at, func() (*letterOffsets, error) { return &letterOffsets{}, nil }
	if err := c.run(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(v.Offences, "; "); !strings.HasPrefix(got, "deletions of offsets 13 to 997 of refs/0 are not told") || !strings.Contains(got, "; 250 references that old has from topics were passed over by new") {
		t.Error(got)
	}
	// For each span the mute and the lacking ones; then which came again, and the names. Of the new one for each span the untold; then what has no lack.
	if most := 2*n/at + 1 + mostNamed; was.asked > most {
		t.Errorf("the old output was asked %d times, want %d at most", was.asked, most)
	}
	if most := n/at + 1; is.asked > most {
		t.Errorf("the new output was asked %d times, want %d at most", is.asked, most)
	}
}
