//go:build iceberg

package icebergcatalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"

	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
	"vecmill/sinks/sinktest"
)

var gone = schemas.SourceID{Pipeline: "p", Topic: "t"}

// take writes one range without rows, whose tombstones are at its first offset, and flushes.
func take(t *testing.T, s *icebergsink.Sink, first, next int64, refs ...string) {
	t.Helper()
	if _, _, err := s.Resume(t.Context(), gone, 0); err != nil {
		t.Fatal(err)
	}
	r := schemas.Range{Source: gone, Span: schemas.Span{First: first, Next: next}}
	r.Skipped = []schemas.Span{r.Span}
	for _, ref := range refs {
		r.Deletes = append(r.Deletes, schemas.Deletion{Offset: first, RefID: ref})
	}
	outcome := make(chan error, 1)
	if err := s.Write(t.Context(), r, nil, func(err error) { outcome <- err }); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; err != nil {
		t.Fatal(err)
	}
}

// left holds the rows of a table, as its files and the reader have them, to those that sinktest makes of offsets before next, without some.
func left(t *testing.T, l lake, c Config, next int64, without ...int64) {
	t.Helper()
	_, rows := sinktest.MakeOf(c.Tasks, gone, 0, next)
	var want []string
	for _, r := range rows {
		if !slices.Contains(without, r.Offset) {
			want = append(want, fmt.Sprint(r.Offset, " ", r.RowID))
		}
	}
	var have []string
	for _, r := range l.read(t, c, gone).Rows {
		have = append(have, fmt.Sprint(r.Offset, " ", r.RowID))
	}
	r, err := OpenReader(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	read, faults, err := r.Rows(t.Context(), gone, 0, next)
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	var listed []string
	for _, r := range read {
		listed = append(listed, fmt.Sprint(r.Offset, " ", r.ID))
	}
	slices.Sort(want)
	slices.Sort(have)
	slices.Sort(listed)
	if !slices.Equal(have, want) || !slices.Equal(listed, want) {
		t.Errorf("the files have %d rows, the reader lists %d, want %d", len(have), len(listed), len(want))
	}
	if g := r.Gone(gone, schemas.Span{Next: next}); !slices.Equal(g, without) {
		t.Errorf("the snapshots say that the rows of %v are gone, want %v", g, without)
	}
}

func refs(offsets ...int64) (all []string) {
	for _, o := range offsets {
		all = append(all, sinktest.Row(gone, o, 0).RefID)
	}
	return all
}

// TestTombstonesReachEveryPartitionAndSpec takes rows from a table that changes its partitions in between, with few names at once and with more than the library
// compares with a file's bounds.
func TestTombstonesReachEveryPartitionAndSpec(t *testing.T) {
	l := lake{t.TempDir()}
	c := l.config(schemas.TaskEmbedding, schemas.TaskLabels)
	c.Partition, c.Deletes = []string{"task", "day(created_at)", "bucket(3, ref_id)"}, true
	s := l.open(t, c)
	for _, from := range []int64{0, 20} {
		write(t, s, c.Tasks, gone, from, from+20)
	}
	take(t, s, 40, 41, refs(0, 1, 21)...)
	left(t, l, c, 40, 0, 1, 21)

	tbl, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Close()
	ctx := withFiles(t.Context(), openFile)
	got, err := tbl.load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	txn := got.NewTransaction()
	if err := txn.UpdateSpec(true).RemoveField("created_at_day").AddField("offset", iceberg.TruncateTransform{Width: 10}, "tens").Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := txn.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	c.Partition = nil
	s = l.open(t, c)
	write(t, s, c.Tasks, gone, 41, 60)
	many := refs(0, 2, 22, 44, 58) // 0 is gone already
	for n := range 2 * mostIDs {
		many = append(many, fmt.Sprint("ref-t-0-2-", n))
	}
	take(t, s, 60, 61, many...)
	r, err := OpenReader(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if g := r.Gone(gone, schemas.Span{Next: 100}); !slices.Equal(g, []int64{0, 1, 2, 21, 22, 44, 58}) {
		t.Errorf("the snapshots say that the rows of %v are gone", g)
	}
	a := l.read(t, c, gone)
	for i := range a.Rows {
		if slices.Contains([]int64{0, 1, 2, 21, 22, 44, 58}, a.Rows[i].Offset) {
			t.Errorf("offset %d has a row", a.Rows[i].Offset)
		}
	}
	_, before := sinktest.MakeOf(c.Tasks, gone, 0, 40)
	_, behind := sinktest.MakeOf(c.Tasks, gone, 41, 60)
	if want := slices.DeleteFunc(append(before, behind...), func(r schemas.Row) bool {
		return slices.Contains([]int64{0, 1, 2, 21, 22, 44, 58}, r.Offset)
	}); len(a.Rows) != len(want) {
		t.Errorf("%d rows are left, want %d", len(a.Rows), len(want))
	}
}

// TestOnlyFilesThatMayHaveARowAreLookedInto asks for candidates by the bounds of ids.
func TestOnlyFilesThatMayHaveARowAreLookedInto(t *testing.T) {
	l := lake{t.TempDir()}
	c := l.config(schemas.TaskEmbedding)
	s := l.open(t, c)
	for _, from := range []int64{0, 10, 20} {
		write(t, s, c.Tasks, gone, from, from+10)
	}
	tbl, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Close()
	v, err := tbl.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		of   icebergsink.Tombstone
		want int
	}{
		{icebergsink.Tombstone{Source: gone, Deletion: schemas.Deletion{Offset: 100, RefID: "ref-t-0-12"}}, 2}, // as texts are ordered, it may be in the first file, too
		{icebergsink.Tombstone{Source: gone, Deletion: schemas.Deletion{Offset: 100, RefID: "something else"}}, 0},
		{icebergsink.Tombstone{Source: gone, Deletion: schemas.Deletion{Offset: 10, RefID: "ref-t-0-12"}}, 1},
		{icebergsink.Tombstone{Source: schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}, Deletion: schemas.Deletion{Offset: 100, RefID: "ref-t-0-12"}}, 0},
	} {
		if all, err := tbl.Candidates(t.Context(), v, []icebergsink.Tombstone{x.of}); err != nil || len(all) != x.want {
			t.Errorf("%+v: %d candidates, want %d: %v", x.of, len(all), x.want, err)
		}
	}
}

func TestATableThatCannotDeleteIsRefusedUnlessRowsAreKept(t *testing.T) {
	l := lake{t.TempDir()}
	c := l.config(schemas.TaskEmbedding)
	tbl, err := connected(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Close()
	ctx := withFiles(context.Background(), openFile)
	if err := tbl.cat.CreateNamespace(ctx, []string{"ns"}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tbl.cat.CreateTable(ctx, tbl.id, wantedSchema(c.Tasks), catalog.WithProperties(iceberg.Properties{"format-version": "1"})); err != nil {
		t.Fatal(err)
	}
	c.Deletes = true
	if got, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "format version 1, which cannot delete rows") {
		t.Errorf("%v, %v", got, err)
	}
	c.Deletes = false
	s := l.open(t, c)
	write(t, s, c.Tasks, gone, 0, 20)
}
