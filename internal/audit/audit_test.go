package audit

import (
	"context"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// TestAChainWithEveryFateIsFound writes a chain with rows, dead, skipped and lost offsets in two partitions, and reads it back.
func TestAChainWithEveryFateIsFound(t *testing.T) {
	ctx := t.Context()
	store := sinktest.NewMemStore()
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Prefix, cfg.Tasks, cfg.RollRows = store, "lake", schemas.Tasks(), 10
	sink, err := parquetsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for part := range 2 {
		src := schemas.SourceID{Pipeline: "p", Topic: "a topic", Partition: part}
		if _, _, err := sink.Resume(ctx, src, 0); err != nil {
			t.Fatal(err)
		}
		for first := int64(0); first < 80; first += 20 {
			r, rows := sinktest.Make(src, first, first+20)
			if err := sink.Write(ctx, r, rows, func(err error) {
				if err != nil {
					t.Error(err)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := sink.Close(context.WithoutCancel(ctx)); err != nil {
		t.Fatal(err)
	}
	got, err := Parquet(ctx, store, "lake", "p")
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, r := range got {
		if !r.OK() || r.Topic != "a topic" || r.Partition != i || r.Next != 80 || r.Files < 3 || r.Lost != 1 || r.Computed+r.Dead+r.Skipped+r.Lost != 80 {
			t.Errorf("%+v", r)
		}
	}
	if none, err := Parquet(ctx, store, "lake", "another"); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
}

func TestEveryOffenceIsNamedByItsOffset(t *testing.T) {
	row := func(offset int64, id string) schemas.Row {
		return schemas.Row{Lineage: schemas.Lineage{Offset: offset, RowID: id}}
	}
	span := func(first, next int64) []schemas.Span { return []schemas.Span{{First: first, Next: next}} }
	for _, c := range []struct {
		name string
		r    schemas.Range
		rows []schemas.Row
		want string // "" for none
	}{
		{"nothing wrong", schemas.Range{Span: schemas.Span{First: 0, Next: 3}, Dead: span(1, 2), Skipped: span(2, 3)}, []schemas.Row{row(0, "a")}, ""},
		{"the same reference at two offsets", schemas.Range{Span: schemas.Span{Next: 2}}, []schemas.Row{row(0, "a"), row(1, "a")}, ""},
		{"a row twice", schemas.Range{Span: schemas.Span{Next: 1}}, []schemas.Row{row(0, "a"), row(0, "a")}, "offset 0: row a is there twice"},
		{"an offset without fate", schemas.Range{Span: schemas.Span{Next: 2}}, []schemas.Row{row(0, "a")}, "offset 1 has no row"},
		{"a row and a dead letter", schemas.Range{Span: schemas.Span{Next: 1}, Dead: span(0, 1)}, []schemas.Row{row(0, "a")}, "offset 0 is a row and dead"},
		{"a row outside of its file", schemas.Range{Span: schemas.Span{First: 5, Next: 6}}, []schemas.Row{row(5, "a"), row(6, "b")}, "offset 6 (a row) is outside"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Report
			r.file(&c.r, c.rows, map[rowKey]bool{})
			if r.OK() != (c.want == "") || !strings.Contains(strings.Join(r.Offences, "; "), c.want) {
				t.Fatalf("offences %v, want %q", r.Offences, c.want)
			}
		})
	}
}
