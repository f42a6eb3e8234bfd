//go:build integration

package postgres

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks/sinktest"
)

// recalled writes rows of every task, deletes some by a tombstone, and wants the rest back from the server as it was given.
func recalled(t *testing.T, s *harness.Postgres, table string) {
	c := sinkConfig(s.DSN(), table)
	c.Deliver.BatchRows = 7
	sink := open(t, c)
	src := source(0)
	resume(t, sink, src)
	write(t, sink, src, 0, 90, 5)
	if err := sink.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, given := sinktest.Make(src, 0, 90)
	victim := given[len(given)/2]
	last := schemas.Range{
		Source: src, Span: schemas.Span{First: 90, Next: 91}, Skipped: []schemas.Span{{First: 90, Next: 91}},
		Deletes: []schemas.Deletion{{Offset: 90, RefID: victim.RefID}},
	}
	if err := sink.Write(context.Background(), last, nil, func(error) {}); err != nil {
		t.Fatal(err)
	}
	if err := sink.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	var back sinktest.Account
	var deletes []schemas.Deletion
	if err := sink.Recall(context.Background(), src, schemas.Span{First: 3, Next: 91}, func(r schemas.Range, rows []schemas.Row) error {
		back.Rows = append(back.Rows, rows...)
		back.Dead, back.Skipped, back.Lost = append(back.Dead, r.Dead...), append(back.Skipped, r.Skipped...), append(back.Lost, r.Lost...)
		deletes = append(deletes, r.Deletes...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	closeSink(t, sink)
	if !reflect.DeepEqual(deletes, last.Deletes) {
		t.Errorf("the deletions come back as %v, want %v", deletes, last.Deletes)
	}
	byID := map[string]schemas.Row{}
	for _, row := range back.Rows {
		byID[fmt.Sprint(row.RowID, row.Offset)] = row
	}
	if len(byID) != len(back.Rows) {
		t.Errorf("%d rows come back, and %d of them are distinct", len(back.Rows), len(byID))
	}
	for _, row := range read(t, s, table, src).Rows { // what to_jsonb and the test's own reading say
		if row.Offset < 3 {
			continue
		}
		if got := byID[fmt.Sprint(row.RowID, row.Offset)]; !reflect.DeepEqual(got, row) {
			t.Errorf("offset %d comes back as\n%+v\nwant\n%+v", row.Offset, got, row)
		}
	}
	skipped := 0
	for _, span := range back.Skipped {
		if victim.Offset >= span.First && victim.Offset < span.Next {
			skipped++
		}
	}
	if skipped != 1 {
		t.Errorf("the offset %d, whose rows are deleted, is skipped %d times in %v", victim.Offset, skipped, back.Skipped)
	}
	for _, row := range given {
		_, there := byID[fmt.Sprint(row.RowID, row.Offset)]
		if want := row.Offset >= 3 && row.RefID != victim.RefID; there != want {
			t.Errorf("row %s of offset %d comes back: %v, want %v", row.RowID, row.Offset, there, want)
		}
	}
}
