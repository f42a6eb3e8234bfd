package sinks_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/sinks/sinktest"
)

// noted is a store that does not know where it ends, and counts what it is given.
type noted struct {
	rows    map[int64]map[string]int // by offset and id
	deletes map[int64]int
}

func (n *noted) Put(_ context.Context, b deliver.Batch) error {
	for _, row := range b.Rows() {
		if n.rows[row.Offset] == nil {
			n.rows[row.Offset] = map[string]int{}
		}
		n.rows[row.Offset][row.RowID]++
	}
	for _, d := range b.Deletions() {
		n.deletes[d.Offset]++
	}
	return nil
}

func (n *noted) Close() error { return nil }

// has fails unless a store was given the rows of each offset in a span once, and no others.
func (n *noted) has(t *testing.T, in schemas.Span) {
	t.Helper()
	_, want := sinktest.Make(src, in.First, in.Next)
	for i := range want {
		if times := n.rows[want[i].Offset][want[i].RowID]; times != 1 {
			t.Errorf("a row of offset %d was given %d times", want[i].Offset, times)
		}
	}
	for o := range n.rows {
		if o < in.First || o >= in.Next {
			t.Errorf("it was given offset %d, which it has", o)
		}
	}
}

// unaware is a required member over a store that does not know where it ends; -1: nobody else does.
func unaware(t *testing.T, name string, store deliver.Store, end int64) sinks.Member {
	t.Helper()
	c := deliver.NewDefaultConfig()
	c.Name, c.Retry.Attempts = name, 1
	s, err := deliver.New(c, store)
	if err != nil {
		t.Fatal(err)
	}
	return sinks.Member{Name: name, Sink: s, Ends: func(context.Context, schemas.SourceID) (int64, bool, error) { return max(end, 0), end >= 0, nil }}
}

func newNoted() *noted { return &noted{map[int64]map[string]int{}, map[int64]int{}} }

// TestAMemberThatIsAheadIsNotGivenWhatItHas has one that is begun anew beside one that was kept to be ahead, in both orders, and one that has all.
func TestAMemberThatIsAheadIsNotGivenWhatItHas(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}} {
		ends := []int64{-1, 30, 50}
		stores := []*noted{newNoted(), newNoted(), newNoted()}
		var members []sinks.Member
		for _, i := range order {
			members = append(members, unaware(t, []string{"new", "ahead", "done"}[i], stores[i], ends[i]))
		}
		s := tee(t, nil, members...)
		if next, known := resume(t, s); next != 30 || known {
			t.Fatalf("resumed at %d, %v", next, known)
		}
		var reports []int64
		for _, span := range []schemas.Span{{First: 0, Next: 20}, {First: 20, Next: 45}, {First: 45, Next: 50}} {
			r, rows := sinktest.Make(src, span.First, span.Next)
			for o := span.First; o < span.Next; o += 10 {
				r.Deletes = append(r.Deletes, schemas.Deletion{Offset: o, RefID: "gone"})
			}
			if err := s.Write(t.Context(), r, rows, func(err error) {
				if err != nil {
					t.Error(err)
				}
				reports = append(reports, span.First)
			}); err != nil {
				t.Fatal(err)
			}
		}
		closeSink(t, s)
		if len(reports) != 3 || reports[0] != 0 || reports[1] != 20 || reports[2] != 45 {
			t.Errorf("reported %v", reports)
		}
		for i, store := range stores {
			store.has(t, schemas.Span{First: max(ends[i], 0), Next: 50})
			for o := range store.deletes {
				if o < ends[i] {
					t.Errorf("member %d was told of the deletion at %d, which it has", i, o)
				}
			}
		}
		if len(stores[0].deletes) != 6 || len(stores[1].deletes) != 3 {
			t.Errorf("told of deletions at %v and %v", stores[0].deletes, stores[1].deletes)
		}
	}
}

// brittle is a store that breaks after some batches, with what it was given until then.
type brittle struct {
	*noted
	left int // batches
}

func (b *brittle) Put(ctx context.Context, batch deliver.Batch) error {
	if b.left--; b.left < 0 {
		return deliver.Final(errors.New("broken"))
	}
	return b.noted.Put(ctx, batch)
}

// TestACopyThatIsInterruptedGoesOn breaks a member in the middle of what it is given from a chain: given again it gets what came since the last piece that was kept.
func TestACopyThatIsInterruptedGoesOn(t *testing.T) {
	const all = 3_700
	chain := sinktest.NewMemStore()
	files := parquet(t, chain)
	resume(t, files)
	for o := int64(0); o < all; o += 1_850 {
		write(t, files, o, o+1_850)
		if err := files.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	closeSink(t, files)
	store, end := &brittle{newNoted(), 7}, int64(-1)
	var told []sinks.Copy
	open := func() *sinks.Tee {
		m := unaware(t, "rows", store, end)
		m.Keep = func(_ context.Context, of schemas.SourceID, next int64) error {
			if of != src || next <= end || next > max(end, 0)+1_000 {
				t.Errorf("kept %d of %v behind %d", next, of, end)
			}
			end = next
			return nil
		}
		s := tee(t, nil, m, sinks.Member{Name: "chain", Sink: parquet(t, chain)})
		s.Copying = func(c sinks.Copy) { told = append(told, c) }
		return s
	}
	s := open()
	if _, _, err := s.Resume(t.Context(), src, 0); err == nil {
		t.Fatal("it did not break")
	}
	_ = s.Close(t.Context()) // as broken
	kept := end
	if kept <= 0 || kept >= all || len(told) != 1 || told[0].To != "rows" || told[0].From != "chain" || told[0].Next != all {
		t.Fatalf("kept %d, told %+v", kept, told)
	}
	store.left = 1 << 20
	s = open()
	if next, known, err := s.Resume(t.Context(), src, 0); next != all || !known || err != nil {
		t.Fatalf("resumed at %d, %v, %v", next, known, err)
	}
	closeSink(t, s)
	if last := told[len(told)-1]; len(told) != 3 || told[1].First != kept || !last.Done || last.At != all || end != all {
		t.Errorf("told %+v, kept %d", told, end)
	}
	_, want := sinktest.Make(src, 0, all)
	var twice []int64
	for i := range want {
		switch store.rows[want[i].Offset][want[i].RowID] {
		case 1:
		case 2:
			twice = append(twice, want[i].Offset)
		default:
			t.Fatalf("a row of offset %d is not there, or too often", want[i].Offset)
		}
	}
	if len(twice) == 0 || slices.Min(twice) < kept || slices.Max(twice) >= kept+1_000 {
		t.Errorf("%d were kept, and given twice were %v", kept, twice)
	}
}
