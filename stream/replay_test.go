package stream_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// A replayed record has a new offset. Its row has the identity of the row that the first try would have given, and only the pipeline
// that gave the letter takes it.
func TestAReplayedRecordGivesTheSameRowInItsOwnPipelineOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		value := streamtest.Good.Value(0, 0)
		replay := func(offset int64, header string) stream.Record {
			return stream.Record{Offset: offset, Value: value, Headers: []sinks.Header{{Key: "trace"}, {Key: schemas.ReplayHeader, Value: []byte(header)}}}
		}
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 5}})
			recs := []stream.Record{{Offset: 0, Value: value}, replay(1, "p/refs/0/0"), replay(2, "another/refs/0/0"), replay(3, "no origin"), replay(4, "p/refs/0/0")}
			err = errors.Join(err, a.Records(ctx, b.part, recs, 5))
			a.Revoked(ctx)
			return err
		})
		if err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), &streamtest.LetterBox{})); err != nil {
			t.Fatal(err)
		}
		out, err := readChain(b.store, schemas.SourceID{Pipeline: "p", Topic: "refs"})
		if err != nil {
			t.Fatal(err)
		}
		var offsets []int64
		for _, r := range out.Rows {
			offsets = append(offsets, r.Offset)
			if r.RowID != out.Rows[0].RowID {
				t.Errorf("offset %d has row id %s, want %s", r.Offset, r.RowID, out.Rows[0].RowID)
			}
		}
		if len(offsets) != 4 || offsets[2] != 3 {
			t.Errorf("rows at offsets %v, want 0, 1, 3 and 4", offsets)
		}
	})
}
