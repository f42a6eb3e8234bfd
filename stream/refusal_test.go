package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// fussy is a sink without progress of its own that refuses rows by offset, some beforehand and some when they are written.
type fussy struct {
	before, late []int64
	deletions    []int64 // refused, too
	writes       sync.WaitGroup
	mu           struct {
		sync.Mutex
		rows    []int64
		deletes []schemas.Deletion
		next    int64
	}
}

func (*fussy) Resume(context.Context, schemas.SourceID, int64) (int64, bool, error) {
	return 0, false, nil
}

func (s *fussy) Check(r *schemas.Row) error {
	if slices.Contains(s.before, r.Offset) {
		return fmt.Errorf("offset %d is not for this table", r.Offset)
	}
	return nil
}

func (s *fussy) Write(_ context.Context, r schemas.Range, rows []schemas.Row, done func(error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.next = r.Next
	s.mu.deletes = append(s.mu.deletes, r.Deletes...)
	var no []sinks.RefusedOffset
	for i := range rows {
		if o := rows[i].Offset; slices.Contains(s.late, o) {
			no = append(no, sinks.RefusedOffset{Offset: o, Err: errors.New("the server does not like it")})
			continue
		}
		s.mu.rows = append(s.mu.rows, rows[i].Offset)
	}
	for _, d := range r.Deletes {
		if slices.Contains(s.deletions, d.Offset) {
			no = append(no, sinks.RefusedOffset{Offset: d.Offset, Err: errors.New("nothing is deleted here"), Deletion: true})
		}
	}
	s.writes.Go(func() {
		time.Sleep(time.Second)
		if no != nil {
			done(&sinks.RefusedError{Offsets: no})
			return
		}
		done(nil)
	})
	return nil
}

func (*fussy) Flush(context.Context) error   { time.Sleep(2 * time.Second); return nil }
func (*fussy) Forget(schemas.SourceID)       {}
func (s *fussy) Close(context.Context) error { s.writes.Wait(); return nil }

// rereading is a committer that can read records again; those of gone are not in the log any more.
type rereading struct {
	points
	recs []stream.Record
	gone []int64
}

func (c *rereading) Reread(_ context.Context, p stream.Position) (stream.Record, error) {
	if slices.Contains(c.gone, p.Offset) {
		return stream.Record{}, stream.ErrRecordGone
	}
	return c.recs[p.Offset], nil
}

// refuse runs 20 good records through a fussy sink.
func refuse(t *testing.T, s *fussy, c *rereading, dead sinks.DeadLetters, w stream.Witness) (*bench, error) {
	t.Helper()
	b := newBench()
	b.other = s
	b.change = func(c *stream.Config) { c.Witness = w }
	c.recs = good(0, 20)
	src := script(func(ctx context.Context, a stream.Assignments) error {
		_, err := a.Assigned(ctx, c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 20}})
		err = errors.Join(err, a.Records(ctx, b.part, c.recs, 20))
		a.Revoked(ctx)
		return err
	})
	return b, b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), dead))
}

func TestRefusedRowsBecomeLettersAndNothingElseIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, box := &fussy{before: []int64{3}, late: []int64{7, 11}}, &rereading{gone: []int64{11}}, &streamtest.LetterBox{}
		w := &seen{}
		b, err := refuse(t, s, c, box, w)
		if err != nil {
			t.Fatal(err)
		}
		src := schemas.SourceID{Pipeline: "p", Topic: "refs"}
		for o := range int64(20) {
			letter, dead := box.Letter(src, o)
			if there := slices.Contains(s.mu.rows, o); there == dead {
				t.Errorf("offset %d: row %v, letter %v", o, there, dead)
			}
			if dead && letter.Reason != schemas.ReasonSinkReject {
				t.Errorf("offset %d: %s", o, letter.Reason)
			}
			if want := c.recs[o].Value; dead && o != 11 && string(letter.Value) != string(want) {
				t.Errorf("the letter of offset %d has the record %q, want %q", o, letter.Value, want)
			}
		}
		if letter, _ := box.Letter(src, 11); letter.Value != nil || !strings.Contains(letter.Message, "not in the log any more") {
			t.Errorf("the letter of a record that is gone: %+v", letter)
		}
		if slices.Sort(w.buried); !slices.Equal(w.buried, []int64{3, 7, 11}) {
			t.Errorf("a witness saw the letters of %v", w.buried)
		}
		if got := c.of(b.part); got != 20 {
			t.Errorf("committed %d, want 20: a drain waits for letters", got)
		}
	})
}

// TestARefusalWithoutItsLetterIsNeverCommitted is I1 for refusals.
func TestARefusalWithoutItsLetterIsNeverCommitted(t *testing.T) {
	for name, dead := range map[string]sinks.DeadLetters{"no store": nil, "a store that fails": deafBox{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &rereading{}
				b, err := refuse(t, &fussy{late: []int64{0}}, c, dead, nil)
				if err == nil || !strings.Contains(err.Error(), "offset 0") {
					t.Errorf("the pipeline ended with %v", err)
				}
				if got := c.of(b.part); got > 0 {
					t.Errorf("committed %d, and offset 0 is nowhere", got)
				}
			})
		})
	}
}

type deafBox struct{}

func (deafBox) Put(context.Context, sinks.Letter) error { return errors.New("no room") }
func (deafBox) Close(context.Context) error             { return nil }

func TestTombstonesReachTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := &fussy{}, newBench()
		b.other = s
		recs := []stream.Record{
			good(0, 1)[0],
			{Offset: 1, Key: []byte("gone")},
			{Offset: 2},
			{Offset: 3, Key: []byte{0xff}},
			{Offset: 4, Value: []byte(`{"v": 1, "id": "told", "deleted": true}`)},
			{Offset: 5, Value: []byte(`{"v": 1, "id": "another's", "deleted": true, "route": "q"}`)},
		}
		var c points
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 6}})
			err = errors.Join(err, a.Records(ctx, b.part, recs, 6))
			a.Revoked(ctx)
			return err
		})
		box := &streamtest.LetterBox{}
		if err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), box)); err != nil {
			t.Fatal(err)
		}
		want := []schemas.Deletion{{Offset: 1, RefID: "gone"}, {Offset: 4, RefID: "told"}}
		if !slices.Equal(s.mu.deletes, want) || !slices.Equal(s.mu.rows, []int64{0}) || c.of(b.part) != 6 {
			t.Errorf("deletes %v, rows %v, committed %d", s.mu.deletes, s.mu.rows, c.of(b.part))
		}
		if _, dead := box.Letter(schemas.SourceID{Pipeline: "p", Topic: "refs"}, 5); !dead {
			t.Error("a tombstone that no pipeline takes is no letter")
		}
	})
}
