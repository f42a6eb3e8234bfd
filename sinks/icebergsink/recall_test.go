package icebergsink

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/sinktest"
)

// TestWhatIsCommittedIsRecalledWithinASpan writes two sources in one table with partitions, in several snapshots, and asks for a part of one.
func TestWhatIsCommittedIsRecalledWithinASpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.table.partition = func(_ string, r *schemas.Row) (Tuple, error) { return Tuple{Path: "task=" + string(r.Task)}, nil }
		s := open(t, w.config())
		src := srcOf(0)
		want := map[int64][]schemas.Row{}
		for n := range 2 {
			if _, _, err := s.Resume(t.Context(), srcOf(n), 0); err != nil {
				t.Fatal(err)
			}
		}
		var told schemas.Range
		for first := int64(0); first < 60; first += 20 {
			for n := range 2 {
				r, rows := sinktest.Make(srcOf(n), first, first+20)
				if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
					t.Fatal(err)
				}
				if n > 0 {
					continue
				}
				if told.Next == 0 {
					told = r
				} else {
					told.Join(&r)
				}
				for _, row := range rows {
					want[row.Offset] = append(want[row.Offset], row)
				}
			}
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		span := schemas.Span{First: 7, Next: 53}
		at, fates := span.First, 0
		got := map[int64][]schemas.Row{}
		if err := s.Recall(t.Context(), src, span, func(r schemas.Range, rows []schemas.Row) error {
			c := told.Cut(r.First, r.Next)
			if r.First != at || r.Source != src || !reflect.DeepEqual(c.Dead, r.Dead) || !reflect.DeepEqual(c.Skipped, r.Skipped) || !reflect.DeepEqual(c.Lost, r.Lost) {
				t.Errorf("%+v, at %d", r, at)
			}
			at, fates = r.Next, fates+len(r.Dead)+len(r.Skipped)+len(r.Lost)
			for _, row := range rows {
				got[row.Offset] = append(got[row.Offset], row)
			}
			return nil
		}); err != nil || at != span.Next || fates == 0 {
			t.Fatalf("up to %d with %d spans without rows: %v", at, fates, err)
		}
		order := func(a, b schemas.Row) int { return slices.Compare([]byte(a.RowID), []byte(b.RowID)) }
		for o := range int64(60) {
			slices.SortFunc(want[o], order)
			slices.SortFunc(got[o], order)
			if in := o >= span.First && o < span.Next; in && !reflect.DeepEqual(got[o], want[o]) || !in && len(got[o]) > 0 {
				t.Errorf("offset %d: %d rows, want %d", o, len(got[o]), len(want[o]))
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestATableThatOthersHaveChangedGivesNothingBack takes a file's rows away, then a snapshot.
func TestATableThatOthersHaveChangedGivesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := open(t, w.config())
		src := srcOf(0)
		if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
			t.Fatal(err)
		}
		for first := int64(0); first < 40; first += 20 {
			r, rows := sinktest.Make(src, first, first+20)
			if err := errors.Join(s.Write(t.Context(), r, rows, func(error) {}), s.Flush(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		recall := func() (given int, err error) {
			err = s.Recall(t.Context(), src, schemas.Span{First: 0, Next: 40}, func(schemas.Range, []schemas.Row) error { given++; return nil })
			return given, err
		}
		if n, err := recall(); n != 2 || err != nil {
			t.Fatalf("%d ranges, %v", n, err)
		}
		w.table.snapshots[1].Data = nil
		if n, err := recall(); n != 1 || !errors.Is(err, sinks.ErrNotRecalled) {
			t.Errorf("without the rows of the second snapshot: %d ranges, %v", n, err)
		}
		w.table.snapshots[0].Summary = nil
		if n, err := recall(); n != 0 || !errors.Is(err, sinks.ErrNotRecalled) {
			t.Errorf("without the first snapshot: %d ranges, %v", n, err)
		}
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	})
}

// A build before brought tables up from another one, out of which a tombstone had taken some rows of an offset, and said of that offset that it is skipped.
func TestAnOffsetThatIsSaidToBeSkippedAndHasRowsIsGivenBackWithThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := open(t, w.config())
		if _, _, err := s.Resume(t.Context(), srcOf(0), 0); err != nil {
			t.Fatal(err)
		}
		r, rows := sinktest.Make(srcOf(0), 0, 20)
		has := rows[0].Offset
		r.Skipped = append([]schemas.Span{{First: has, Next: has + 1}}, r.Skipped...)
		if err := errors.Join(s.Write(t.Context(), r, rows, func(error) {}), s.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
		given := 0
		if err := s.Recall(t.Context(), srcOf(0), r.Span, func(r schemas.Range, rows []schemas.Row) error {
			given += len(rows)
			if r.Rowless(has) {
				t.Errorf("offset %d: %+v", has, r)
			}
			return nil
		}); err != nil || given != len(rows) {
			t.Errorf("%d rows of %d: %v", given, len(rows), err)
		}
	})
}
