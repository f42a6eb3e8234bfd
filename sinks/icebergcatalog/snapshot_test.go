//go:build iceberg

package icebergcatalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/sinktest"
)

// offsets lists the rows of a snapshot's scan, file by file.
func offsets(t *testing.T, c Config, id *int64, pipeline string) (all []string) {
	t.Helper()
	s, err := OpenSnapshot(t.Context(), c, id)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	scan, err := s.Scan(t.Context(), pipeline, "ref_id", "offset", "etag", "truncated", "created_at")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(scan.Files) {
		t.Error("the files have no order")
	}
	for _, f := range scan.Files {
		if err := scan.Rows(t.Context(), f, func(row []parquetfile.Value) error {
			all = append(all, fmt.Sprint(row[1].Int, " ", row[0].Text, " ", row[2].Text, " ", row[3].Int, " ", row[4].Int))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestASnapshotIsTheSameRowsInTheSameOrder while rows are added and taken away, and leaves deleted ones and another pipeline's out.
func TestASnapshotIsTheSameRowsInTheSameOrder(t *testing.T) {
	l := lake{t.TempDir()}
	c := l.config(schemas.TaskEmbedding)
	c.Partition, c.Deletes = []string{"truncate(10, offset)"}, true
	sink := l.open(t, c)
	for _, src := range []schemas.SourceID{gone, {Pipeline: "other", Topic: "t"}} {
		write(t, sink, c.Tasks, src, 0, 40)
	}
	take(t, sink, 40, 41, refs(3)...)
	s, err := OpenSnapshot(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := s.ID()
	s.Close()
	before := offsets(t, c, id, "p")
	take(t, sink, 41, 42, refs(5, 6)...)
	write(t, sink, c.Tasks, gone, 42, 60)

	_, rows := sinktest.MakeOf(c.Tasks, gone, 0, 40)
	var want []string
	for _, r := range rows {
		if truncated := map[bool]int{true: 1}[r.Truncated]; r.RefID != refs(3)[0] {
			want = append(want, fmt.Sprint(r.Offset, " ", r.RefID, " ", r.ETag, " ", truncated, " ", r.CreatedAt.UnixMicro()))
		}
	}
	if again := offsets(t, c, id, "p"); !slices.Equal(again, before) {
		t.Errorf("%d rows, and later %d, or in another order", len(before), len(again))
	}
	got := slices.Clone(before)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d rows, want %d:\n%v\n%v", len(got), len(want), got[0], want[0])
	}
	if all, now := offsets(t, c, id, ""), offsets(t, c, nil, "p"); len(all) <= len(before) || slices.Equal(now, before) {
		t.Errorf("%d rows of all pipelines, %d now, of %d", len(all), len(now), len(before))
	}
	other := *id + 1
	if _, err := OpenSnapshot(t.Context(), c, &other); !errors.Is(err, ErrExpired) {
		t.Errorf("a snapshot that is not there: %v", err)
	}
	c.Table = "ns.nothing"
	if _, err := OpenSnapshot(t.Context(), c, nil); !errors.Is(err, ErrNoTable) {
		t.Errorf("a table that is not there: %v", err)
	}
}

func TestColumnsOfATableHaveKindsUnlessTheyAreNested(t *testing.T) {
	l := lake{t.TempDir()}
	c := l.config(schemas.Tasks()...)
	tbl, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Close()
	s, err := OpenSnapshot(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	columns, err := s.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range columns {
		got = append(got, fmt.Sprint(c.Name, " ", c.Kind, " ", c.Readable))
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{fmt.Sprint("uri ", parquetfile.Text, " true"), fmt.Sprint("offset ", parquetfile.Int, " true"), fmt.Sprint("truncated ", parquetfile.Bool, " true"), fmt.Sprint("mask_png ", parquetfile.Bytes, " true"), "score 0 false"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if strings.Contains(all, "vector") || strings.Contains(all, "attributes") {
		t.Errorf("a list or a map is a column of values:\n%s", all)
	}
	scan, err := s.Scan(t.Context(), "", "uri")
	if err != nil || s.ID() != nil || len(scan.Files) > 0 {
		t.Errorf("an empty table has snapshot %v and files %v, %v", s.ID(), scan.Files, err)
	}
}
