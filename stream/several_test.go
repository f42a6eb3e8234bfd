package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// lines is a decoder of records that hold a reference a line. "-id" is a deletion, "fault" a fault of the system, "panic" a bug; an empty record holds none.
type lines struct{}

// Decode implements stream.Decoder.
func (lines) Decode(ctx context.Context, _ string, rec *stream.Record) (refs []schemas.Ref, err error) {
	for line := range strings.Lines(string(rec.Value)) {
		line = strings.TrimSpace(line)
		switch id, deleted := strings.CutPrefix(line, "-"); {
		case deleted:
			refs = append(refs, schemas.Ref{ID: id, Deleted: true})
		case line == "fault":
			return nil, errors.New("the registry does not know us")
		case line == "panic":
			panic("a bug")
		case line == "wait":
			<-ctx.Done()
			return nil, ctx.Err()
		default:
			r, err := schemas.ParseRef([]byte(line))
			if err != nil {
				return nil, err
			}
			refs = append(refs, r)
		}
	}
	return refs, nil
}

// output is what a pipeline wrote: its chain as one range, its rows, and the letters by offset.
type output struct {
	schemas.Range
	Rows    []schemas.Row
	letters map[int64]sinks.Letter
}

// several runs records of many references through a pipeline, and gives what it wrote and buried.
func several(t *testing.T, values []string, change func(*stream.Config)) (output, error) {
	t.Helper()
	var recs []stream.Record
	for _, v := range values {
		recs = append(recs, stream.Record{Value: []byte(v)})
	}
	return severalOf(t, recs, change)
}

// severalOf numbers the records.
func severalOf(t *testing.T, recs []stream.Record, change func(*stream.Config)) (output, error) {
	t.Helper()
	for i := range recs {
		recs[i].Offset = int64(i)
	}
	b, box := newBench(), &streamtest.LetterBox{}
	b.change = func(c *stream.Config) {
		c.Decoder = lines{}
		if change != nil {
			change(c)
		}
	}
	src := script(func(ctx context.Context, a stream.Assignments) error {
		_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: int64(len(recs))}})
		err = errors.Join(err, a.Records(ctx, b.part, recs, int64(len(recs))))
		a.Revoked(ctx)
		return err
	})
	err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, 20*time.Millisecond), box))
	source := schemas.SourceID{Pipeline: "p", Topic: "refs"}
	got, readErr := readChain(b.store, source)
	if readErr != nil {
		t.Fatal(readErr)
	}
	out := output{Rows: got.Rows, letters: map[int64]sinks.Letter{}}
	for _, r := range got.Ranges {
		out.Next = r.Next
		out.Dead, out.Skipped, out.Deletes = append(out.Dead, r.Dead...), append(out.Skipped, r.Skipped...), append(out.Deletes, r.Deletes...)
	}
	for i := range recs {
		if l, ok := box.Letter(source, int64(i)); ok {
			out.letters[int64(i)] = l
		}
	}
	return out, err
}

func ref(k streamtest.Kind, n int) string { return string(k.Value(0, int64(n))) + "\n" }

func TestARecordOfSeveralReferencesEndsAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		values := []string{
			ref(streamtest.Good, 1) + ref(streamtest.Windows, 2) + ref(streamtest.Good, 3), // five rows
			"", // a test event: nothing
			ref(streamtest.Good, 4) + ref(streamtest.Missing, 5) + ref(streamtest.Poison, 6) + ref(streamtest.Good, 7),     // one is missing
			ref(streamtest.Elsewhere, 8) + ref(streamtest.Good, 9),                                                         // one is another pipeline's
			ref(streamtest.Good, 10) + ref(streamtest.Good, 10),                                                            // there twice
			ref(streamtest.Good, 11) + "-0-11\n" + "-0-12\n" + ref(streamtest.Good, 12),                                    // deleted behind, and before
			ref(streamtest.Good, 13) + strings.Replace(ref(streamtest.Good, 13), "s3://bucket/good", "s3://other/good", 1), // one id for two objects
			"panic",
			"-0-1\n-0-2\n",
		}
		out, err := several(t, values, func(c *stream.Config) {
			c.Elsewhere = func(c stream.Candidate) bool { return c.Ref.Modality == schemas.Audio }
		})
		if err != nil {
			t.Fatal(err)
		}
		rows, ids := map[int64]string{}, map[string]bool{}
		for _, r := range out.Rows {
			rows[r.Offset] += fmt.Sprintf("%s/%d ", r.RefID, r.Window)
			if ids[r.RowID] {
				t.Errorf("row id %s is there twice", r.RowID)
			}
			ids[r.RowID] = true
		}
		for offset, want := range map[int64]string{0: "0-1/0 0-2/0 0-2/1 0-2/2 0-3/0 ", 3: "0-9/0 ", 4: "0-10/0 ", 5: "0-12/0 "} {
			if rows[offset] != want {
				t.Errorf("offset %d has rows %q, want %q", offset, rows[offset], want)
			}
			delete(rows, offset)
		}
		if len(rows) > 0 {
			t.Errorf("rows of other offsets: %v", rows)
		}
		if got := fmt.Sprint(out.Dead, out.Skipped, out.Deletes); got != "[{2 3} {6 8}] [{1 2} {8 9}] [{5 0-11} {5 0-12} {8 0-1} {8 0-2}]" {
			t.Errorf("dead, skipped and deleted: %s", got)
		}
		letters := out.letters
		for offset, want := range map[int64]string{2: "fetch-missing: reference 1 of the record (0-5)", 6: `schema: reference 1 of the record (0-13): reference field id: "0-13" is there twice`, 7: "panic: reading the record: panic: a bug"} {
			l := letters[offset]
			if got := string(l.Reason) + ": " + l.Message; !strings.HasPrefix(got, want) || string(l.Value) != values[offset] {
				t.Errorf("letter of offset %d: %s, want %s, and the record as it came", offset, got, want)
			}
		}
		if len(letters) != 3 {
			t.Errorf("%d letters, want 3", len(letters))
		}
	})
}

func TestRecordsOfManyReferencesPassANarrowBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var values []string
		for i := range 40 { // more references at once than slots, and than fit into memory
			v := ""
			for j := range 1 + i%9 {
				v += ref(streamtest.Good, 100*i+j)
			}
			values = append(values, v)
		}
		out, err := several(t, values, func(c *stream.Config) { c.MaxInFlight, c.Budget = 3, 9000 })
		if err != nil || len(out.letters) > 0 {
			t.Fatal(err, len(out.letters))
		}
		if want := 190; len(out.Rows) != want {
			t.Errorf("%d rows, want %d", len(out.Rows), want)
		}
		out, err = several(t, values[8:9], func(c *stream.Config) { c.Budget = 500 })
		if letters := out.letters; err != nil || len(letters) != 1 || letters[0].Reason != schemas.ReasonTooLarge || !strings.Contains(letters[0].Message, "bytes of memory") {
			t.Errorf("a record whose rows can never be held together: %d letters, %s, %v", len(letters), letters[0].Message, err)
		}
	})
}

func TestWhatADecoderCannotDoStopsThePipelineAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, err := several(t, []string{ref(streamtest.Good, 1), "fault", ref(streamtest.Good, 2)}, nil)
		if err == nil || !strings.Contains(err.Error(), "refs/0 offset 1: the registry does not know us") || len(out.letters) > 0 {
			t.Errorf("%v, %d letters", err, len(out.letters))
		}
		if len(out.Rows) > 1 || out.Next > 1 {
			t.Errorf("the output goes to %d", out.Next)
		}
	})
	synctest.Test(t, func(t *testing.T) { // a decoder that waits ends with the assignment
		b := newBench()
		b.change = func(c *stream.Config) { c.Decoder = lines{} }
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 1}})
			limited, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			if got := a.Records(limited, b.part, []stream.Record{{Value: []byte("wait")}}, 1); !errors.Is(got, context.DeadlineExceeded) {
				t.Errorf("Records gave %v", got)
			}
			a.Revoked(ctx)
			return err
		})
		if err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), nil)); err != nil {
			t.Error(err)
		}
	})
}

func TestWhereSaysWhichReferencesAreMine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		number := func(c stream.Candidate) int {
			n, _ := strconv.Atoi(strings.TrimPrefix(c.Ref.ID, "0-"))
			return n
		}
		values := []string{ref(streamtest.Good, 1) + ref(streamtest.Good, 2), ref(streamtest.Good, 3), "-0-3", ref(streamtest.Good, 5), ref(streamtest.Good, 7)}
		out, err := several(t, values, func(c *stream.Config) {
			c.Where = func(c stream.Candidate) (bool, error) {
				if c.Ref.ID == "0-7" {
					return false, errors.New("where: no such key: tenant")
				}
				return number(c)%2 == 0, nil
			}
			c.Elsewhere = func(c stream.Candidate) bool { return number(c) < 4 }
		})
		if err != nil || len(out.Rows) != 1 || out.Rows[0].RefID != "0-2" {
			t.Fatalf("%v, %d rows", err, len(out.Rows))
		}
		if got := fmt.Sprint(out.Skipped, out.Deletes, out.Dead); got != "[{1 3}] [{2 0-3}] [{3 5}]" {
			t.Error(got)
		}
		if l := out.letters; !strings.Contains(l[3].Message, "no pipeline of this topic takes") || !strings.Contains(l[4].Message, "no such key: tenant") || l[4].Reason != schemas.ReasonSchema {
			t.Errorf("%v", l)
		}
	})
}
