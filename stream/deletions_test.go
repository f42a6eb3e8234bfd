package stream_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// deletedAt is what a letter's header says of where its record's deletions stand; "" if it has none.
func deletedAt(l sinks.Letter) string {
	for _, h := range l.Headers {
		if h.Key == schemas.DeletedHeader {
			return string(h.Value)
		}
	}
	return ""
}

func TestTheDeletionsOfARecordThatIsBuriedStandAtItsOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, err := several(t, []string{
			"-a\n" + ref(streamtest.Missing, 1),
			ref(streamtest.Elsewhere, 2) + "-b\n" + ref(streamtest.Good, 3) + "-c\n", // nobody's reference refuses the record, and not what it deletes
			"-d\npanic",                // not read: nobody knows what it deletes
			ref(streamtest.Missing, 4), // brings none
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(out.Dead, out.Skipped, out.Deletes); got != "[{0 4}] [] [{0 a} {1 b} {1 c}]" {
			t.Errorf("dead, skipped and deleted: %s", got)
		}
		for offset, want := range map[int64]string{0: "p/refs/0/0", 1: "p/refs/0/1", 2: "", 3: ""} {
			if got := deletedAt(out.letters[offset]); got != want {
				t.Errorf("the letter of offset %d says that its deletions stand at %q, want %q", offset, got, want)
			}
		}
	})
}

// TestAReplayedRecordDoesNotDeleteAgain has letters of which one's deletions stand at its offset, as a header says, and one's could not be read.
func TestAReplayedRecordDoesNotDeleteAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replay := func(value string, headers ...string) stream.Record {
			rec := stream.Record{Value: []byte(value), Headers: []sinks.Header{{Key: schemas.ReplayHeader, Value: []byte("p/refs/0/7")}}}
			for _, h := range headers {
				rec.Headers = append(rec.Headers, sinks.Header{Key: schemas.DeletedHeader, Value: []byte(h)})
			}
			return rec
		}
		out, err := severalOf(t, []stream.Record{
			replay("-a\n"+ref(streamtest.Good, 1), "p/refs/0/7"),
			replay("-b\n"+ref(streamtest.Missing, 2), "p/refs/0/7"), // it dies again
			replay(ref(streamtest.Good, 3)+"-0-3\n"+ref(streamtest.Good, 4), "p/refs/0/7"),
			replay("-c\n" + ref(streamtest.Good, 5)),
			replay("-d\n"+ref(streamtest.Good, 6), "q/refs/0/7"),
			replay("-e\n"+ref(streamtest.Good, 7), "no origin"),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(out.Dead, out.Skipped, out.Deletes); got != "[{1 2}] [] [{3 c} {4 d} {5 e}]" {
			t.Errorf("dead, skipped and deleted: %s", got)
		}
		var ids []string
		for _, r := range out.Rows {
			ids = append(ids, r.RefID)
		}
		if got := fmt.Sprint(ids); got != "[0-1 0-4 0-5 0-6 0-7]" {
			t.Errorf("rows of %s", got)
		}
		if got := deletedAt(out.letters[1]); got != "p/refs/0/7" {
			t.Errorf("the second letter says that its deletions stand at %q", got)
		}
	})
}

// TestTheLetterOfARefusalSaysWhereItsDeletionsStand has a store that refuses rows of offsets 0 and 1, and at 2 a deletion.
func TestTheLetterOfARefusalSaysWhereItsDeletionsStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, box, c := newBench(), &streamtest.LetterBox{}, &rereading{}
		b.other, b.change = &fussy{late: []int64{0, 1}, deletions: []int64{2}}, func(c *stream.Config) { c.Decoder = lines{} }
		for i, v := range []string{"-a\n" + ref(streamtest.Good, 1), ref(streamtest.Good, 2), "-b"} {
			c.recs = append(c.recs, stream.Record{Offset: int64(i), Value: []byte(v)})
		}
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 3}})
			err = errors.Join(err, a.Records(ctx, b.part, c.recs, 3))
			a.Revoked(ctx)
			return err
		})
		if err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), box)); err != nil {
			t.Fatal(err)
		}
		for offset, want := range map[int64]string{0: "p/refs/0/0", 1: "", 2: ""} {
			l, there := box.Letter(schemas.SourceID{Pipeline: "p", Topic: "refs"}, offset)
			if got := deletedAt(l); got != want || !there {
				t.Errorf("the letter of offset %d (%v) says that its deletions stand at %q, want %q", offset, there, got, want)
			}
		}
	})
}
