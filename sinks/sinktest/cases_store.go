package sinktest

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks"
)

// put writes a range that is not Make's, and gives the channel of its done.
func put(t *testing.T, s sinks.Sink, r schemas.Range, rows []schemas.Row) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	if err := s.Write(context.Background(), r, rows, func(err error) { done <- err }); err != nil {
		t.Fatalf("writing [%d, %d): %v", r.First, r.Next, err)
	}
	return done
}

func span(src schemas.SourceID, first, next int64) schemas.Range {
	return schemas.Range{Source: src, Span: schemas.Span{First: first, Next: next}}
}

func storeAway(t *testing.T, f Fixture) {
	if f.Break == nil {
		return
	}
	s, src := started(t, f)
	c := newTally(t)
	for o := int64(0); o < 40; o += 10 {
		f.Break(3)
		c.write(s, src, o, o+10)
		if o%20 == 0 {
			flush(t, s)
		}
	}
	closeSink(t, s)
	c.allDurable()
	audit(t, f, src, 0, 40)
}

// oneRefused: a store with progress of its own ends the source before the refused offset, any other goes on without it.
func oneRefused(t *testing.T, f Fixture) {
	if f.Poison == nil {
		return
	}
	const bad = 613 // has one row
	s, src := started(t, f)
	r, rows := MakeOf([]schemas.Task{schemas.TaskLabels}, src, 0, 1000)
	i := slices.IndexFunc(rows, func(r schemas.Row) bool { return r.Offset == bad })
	f.Poison(&rows[i])
	var want []string
	for _, row := range rows {
		if row.Offset != bad && (!f.Chained || row.Offset < bad) {
			want = append(want, row.RowID)
		}
	}
	done := put(t, s, r, rows)
	ferr := s.Flush(context.Background())
	err := <-done
	if f.Chained {
		if err == nil || !strings.Contains(err.Error(), strconv.Itoa(bad)) {
			t.Fatalf("done gives %v; want the offset in a sentence", err)
		}
		if ferr != nil && ferr.Error() != err.Error() { // nil if that came before it
			t.Fatalf("flush gives %v, done %v; want the same", ferr, err)
		}
	} else {
		no := sinks.AsRefused(err)
		if ferr != nil || no == nil || len(no.Offsets) != 1 || no.Offsets[0].Offset != bad || no.Offsets[0].Err == nil {
			t.Fatalf("flush gives %v, done %v; want offset %d alone refused", ferr, err, bad)
		}
	}
	_ = s.Close(context.Background()) // a source that has ended says so again
	if got := ids(f.Read(t, src).Rows); !slices.Equal(got, sorted(want)) {
		t.Fatalf("%d rows are there, want %d", len(got), len(want))
	}
}

func ids(rows []schemas.Row) []string {
	out := make([]string, 0, len(rows))
	for i := range rows {
		out = append(out, rows[i].RowID)
	}
	return sorted(out)
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

func sameID(t *testing.T, f Fixture) {
	if !f.Upserts {
		return
	}
	s, src := started(t, f)
	c := newTally(t)
	c.write(s, src, 0, 3)
	_, again := Make(src, 0, 3)
	for i := range again {
		again[i].Offset += 3
	}
	twice := append(slices.Clone(again[:1]), again...) // and twice in one range
	done := put(t, s, span(src, 3, 6), twice)
	closeSink(t, s)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	got := f.Read(t, src).Rows
	if !slices.Equal(ids(got), ids(again)) {
		t.Fatalf("rows %v are there, want %v", ids(got), ids(again))
	}
	for i := range got {
		if got[i].Offset < 3 {
			t.Errorf("row %s is still that of offset %d", got[i].RowID, got[i].Offset)
		}
	}
}

func deletion(t *testing.T, f Fixture) {
	if !f.Deletes {
		return
	}
	for round := range 2 { // written again after a crash, it ends the same
		s, src := started(t, f)
		c := newTally(t)
		c.write(s, src, 0, 10)
		_, was := Make(src, 0, 10)
		gone := was[0]
		back := was[len(was)-1] // is deleted and comes again
		r := span(src, 10, 14)
		r.Skipped = []schemas.Span{{First: 10, Next: 13}}
		r.Deletes = []schemas.Deletion{{Offset: 10, RefID: gone.RefID}, {Offset: 11, RefID: back.RefID}, {Offset: 12, RefID: "never seen"}}
		anew := back
		anew.Offset = 13
		done := put(t, s, r, []schemas.Row{anew})
		c.write(s, src, 14, 20)
		closeSink(t, s)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		_, later := Make(src, 14, 20)
		var want []string
		for _, row := range append(was, later...) {
			if row.RefID != gone.RefID && row.RefID != back.RefID {
				want = append(want, row.RowID)
			}
		}
		want = append(want, anew.RowID)
		if got := ids(f.Read(t, src).Rows); !slices.Equal(got, sorted(want)) {
			t.Fatalf("round %d: rows %v are there, want %v", round, got, want)
		}
	}
}

func cancelledWrite(t *testing.T, f Fixture) {
	s, src := started(t, f)
	c := newTally(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	next := int64(0)
	for o := int64(0); o < 60; o += 10 {
		if c.try(ctx, s, src, o, o+10) != nil {
			break
		}
		next = o + 10
	}
	if next == 0 {
		t.Fatal("there is room for the first range, and it is not taken")
	}
	c.write(s, src, next, 80)
	closeSink(t, s)
	c.allDurable()
	audit(t, f, src, 0, 80)
}

// schemaChange is a process that knows of one task, and its successor, which knows of all and has attributes that nobody had before.
func schemaChange(t *testing.T, f Fixture) {
	src, want := source(0), map[string]schemas.Row{}
	write := func(open func(testing.TB) sinks.Sink, tasks []schemas.Task, first, next int64, attribute string) {
		made := func() (schemas.Range, []schemas.Row) {
			r, rows := MakeOf(tasks, src, first, next)
			for i := range rows {
				if attribute != "" {
					rows[i].Attributes = map[string]string{attribute: "yes"}
				}
			}
			return r, rows
		}
		_, rows := made()
		for _, row := range rows {
			want[row.RowID] = row
		}
		s := open(t)
		if at, known := resume(t, s, src, first); f.Chained && first > 0 && (!known || at != first) {
			t.Fatalf("resumes at %d, known %v", at, known)
		}
		r, rows := made() // a sink may use them up
		done := put(t, s, r, rows)
		closeSink(t, s)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	fewer := f.Open
	if f.OpenFewer != nil {
		fewer = f.OpenFewer
	}
	write(fewer, []schemas.Task{schemas.TaskEmbedding}, 0, 20, "")
	write(f.Open, schemas.Tasks(), 20, 60, "that came later")
	got := f.Read(t, src).Rows
	for _, row := range got {
		if w, ok := want[row.RowID]; !ok || !f.IDs && !reflect.DeepEqual(row, w) {
			t.Fatalf("offset %d reads\n%+v\nwant\n%+v", row.Offset, row, w)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
}
