//go:build integration

package postgres

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks/pgvectorsink"
	"vecmill/sinks/sinktest"
)

// latest has references whose earlier records in a topic were computed later, and which come in a list, too.
func latest(t *testing.T, s *harness.Postgres, table string) {
	sink := open(t, sinkConfig(s.DSN(), table))
	topic, list := source(0), listed("first")
	row := func(src schemas.SourceID, offset int64, window int, ref string, minute int) schemas.Row {
		r := sinktest.Row(src, offset, window)
		r.RefID, r.ETag, r.CreatedAt = ref, fmt.Sprint(src, offset), time.Date(2026, 1, 31, 6, minute, 0, 0, time.UTC)
		r.RowID = schemas.RowID(&r.Lineage)
		return r
	}
	for src, rows := range map[schemas.SourceID][]schemas.Row{
		topic: {
			row(topic, 0, 0, "a", 9), row(topic, 1, 0, "a", 3), row(topic, 2, 0, "b", 9), row(topic, 3, 0, "b", 3), row(topic, 4, 0, "c", 1),
			row(topic, 5, 0, "d", 7), row(topic, 5, 1, "d", 1),
		},
		list: {row(list, 0, 0, "a", 5), row(list, 1, 0, "b", 2), row(list, 2, 0, "d", 6)},
	} {
		resume(t, sink, src)
		r := schemas.Range{Source: src, Span: schemas.Span{Next: rows[len(rows)-1].Offset + 1}}
		if err := sink.Write(t.Context(), r, rows, func(error) {}); err != nil {
			t.Fatal(err)
		}
		flush(t, sink)
	}
	closeSink(t, sink)
	q, err := pgvectorsink.OpenReader(t.Context(), s.DSN(), table)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var got []string
	for after := ""; ; {
		page, err := q.Latest(t.Context(), topic.Pipeline, after, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		after = page[0].RefID
		got = append(got, fmt.Sprint(page[0].RefID, " ", page[0].Topic, " ", page[0].Offset))
	}
	if want := []string{"a manifest:first 0", "b topic 3", "c topic 4", "d topic 5"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
