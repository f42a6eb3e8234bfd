package parquetsink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// script gives the puts of a store these faults, one after the other; other requests and later puts pass.
func script(puts ...sinktest.Fault) func(sinktest.Op) sinktest.Fault {
	return func(op sinktest.Op) sinktest.Fault {
		if op.Kind != sinktest.OpPut || len(puts) == 0 {
			return sinktest.Fault{}
		}
		f := puts[0]
		puts = puts[1:]
		return f
	}
}

func TestAnUnclearAnswerIsSettledByLooking(t *testing.T) {
	fault, slow := sinktest.ErrFault, 10*time.Minute
	for _, c := range []struct {
		name string
		puts []sinktest.Fault
	}{
		{"the put landed and its answer was lost", []sinktest.Fault{{Err: fault, Land: true}}},
		{"the put did not land", []sinktest.Fault{{Err: fault}}},
		{"the put hung until its time-out and had landed", []sinktest.Fault{{Delay: slow, Land: true}}},
		{"the put hung until its time-out and had not landed", []sinktest.Fault{{Delay: slow}}},
		{"the put lands while it is tried again", []sinktest.Fault{{Err: fault, Land: true, LandAfter: 5 * time.Millisecond}, {Delay: time.Second}}},
		{"many of them", []sinktest.Fault{{Err: fault}, {Delay: slow}, {Err: fault}, {Err: fault, Land: true, LandAfter: time.Nanosecond}, {Err: fault}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := sinktest.NewMemStore()
				st.Faults = script(c.puts...)
				s, rec := begin(t, st, 1, func(c *parquetsink.Config) { c.PutTimeout = time.Minute })
				outcome := write(t, s, src(0), 0, 10)
				closeSink(t, s)
				if *outcome != nil {
					t.Errorf("reported %v", *outcome)
				}
				if got := rec.files(); !slices.Equal(got, []string{"[0, 10) flush"}) || len(rec.lost) > 0 {
					t.Errorf("files %q, lost %v", got, rec.lost)
				}
				a := read(t, st, src(0))
				if err := a.Audit(src(0), 0, 10, true); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestALookThatFailsIsRepeatedBeforeThePutIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		var ops []string
		st.Faults = func(op sinktest.Op) sinktest.Fault {
			ops = append(ops, string(op.Kind))
			if op.Kind == sinktest.OpPut || op.Kind == sinktest.OpStat && len(ops) < 6 {
				return sinktest.Fault{Err: sinktest.ErrFault, Land: true}
			}
			return sinktest.Fault{}
		}
		s, _ := begin(t, st, 1, func(*parquetsink.Config) {})
		outcome := write(t, s, src(0), 0, 10)
		closeSink(t, s)
		if want := []string{"list", "list", "put", "stat", "stat", "stat"}; *outcome != nil || !slices.Equal(ops, want) {
			t.Errorf("reported %v after %v, want %v", *outcome, ops, want)
		}
	})
}

func TestAStoreThatStaysDownFailsTheSourceUntilItResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		s, _ := begin(t, st, 2, func(c *parquetsink.Config) { c.RollRows = 5 })
		st.Faults = func(op sinktest.Op) sinktest.Fault {
			if strings.Contains(op.Name, "/0/") {
				return sinktest.Fault{Err: sinktest.ErrFault}
			}
			return sinktest.Fault{}
		}
		failed := []*error{write(t, s, src(0), 0, 10), write(t, s, src(0), 10, 12)}
		healthy := write(t, s, src(1), 0, 10)
		if err := s.Flush(t.Context()); !errors.Is(err, sinktest.ErrFault) {
			t.Errorf("flush gives %v", err)
		}
		for _, f := range failed {
			if !errors.Is(*f, sinktest.ErrFault) {
				t.Errorf("reported %v", *f)
			}
		}
		if *healthy != nil {
			t.Errorf("the other source failed too: %v", *healthy)
		}
		if err := s.Write(t.Context(), schemas.Range{Source: src(0), Span: schemas.Span{First: 12, Next: 13}}, nil, nil); !errors.Is(err, sinktest.ErrFault) {
			t.Errorf("a write to the failed source gives %v", err)
		}
		st.Faults = nil
		if _, known, err := s.Resume(t.Context(), src(0), 0); err != nil || known {
			t.Errorf("resumed %v, %v", known, err)
		}
		write(t, s, src(0), 0, 12)
		closeSink(t, s)
		a := read(t, st, src(0))
		if err := a.Audit(src(0), 0, 12, true); err != nil {
			t.Error(err)
		}
	})
}

func TestARefusalIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		puts := 0
		st.Faults = func(op sinktest.Op) sinktest.Fault {
			if op.Kind != sinktest.OpPut {
				return sinktest.Fault{}
			}
			puts++
			return sinktest.Fault{Err: fmt.Errorf("%w: access denied", objectstore.ErrRefused)}
		}
		s, _ := begin(t, st, 1, func(*parquetsink.Config) {})
		outcome := write(t, s, src(0), 0, 10)
		if err := s.Close(t.Context()); !errors.Is(err, objectstore.ErrRefused) || !errors.Is(*outcome, objectstore.ErrRefused) || puts != 1 {
			t.Errorf("close gives %v, reported %v after %d puts", err, *outcome, puts)
		}
	})
}

func TestARowOfAnOffsetThatHasNoneByItsRangeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		s, rec := begin(t, st, 1, func(*parquetsink.Config) {})
		r := schemas.Range{Source: src(0), Span: schemas.Span{First: 0, Next: 3}, Skipped: []schemas.Span{{First: 1, Next: 2}}}
		rows := []schemas.Row{sinktest.Row(src(0), 0, 0), sinktest.Row(src(0), 1, 0), sinktest.Row(src(0), 2, 0)}
		if err := s.Write(t.Context(), r, rows, func(error) {}); err == nil || !strings.Contains(err.Error(), "offset 1 has a row") {
			t.Errorf("Write gave %v", err)
		}
		closeSink(t, s)
		if got := rec.files(); len(got) > 0 {
			t.Errorf("files %q", got)
		}
	})
}

func TestAFileCutByAnotherOwnerIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		a, ra := begin(t, st, 1, func(*parquetsink.Config) {})
		b, rb := begin(t, st, 1, func(*parquetsink.Config) {})
		write(t, a, src(0), 0, 20)
		write(t, b, src(0), 0, 12)
		closeSink(t, b)
		closeSink(t, a)
		if got := rb.files(); !slices.Equal(got, []string{"[0, 12) flush"}) {
			t.Errorf("the first has %q", got)
		}
		if got := ra.files(); !slices.Equal(got, []string{"[12, 20) flush"}) || !ra.written[0].Conflict {
			t.Errorf("the second has %q, conflict %v", got, ra.written[0].Conflict)
		}
		if len(ra.lost) != 1 || ra.lost[0].Winner.Range.Next != 12 {
			t.Errorf("lost %+v", ra.lost)
		}
	})
}

func TestOwnersThatBeginAChainApartAreFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		a, _ := begin(t, st, 1, func(*parquetsink.Config) {})
		b, _ := begin(t, st, 1, func(*parquetsink.Config) {})
		write(t, b, src(0), 0, 12)
		closeSink(t, b)
		outcome := write(t, a, src(0), 30, 40) // [12, 30) is in no file and in nobody's hands
		if err := a.Flush(t.Context()); !errors.Is(err, sinks.ErrFenced) || !errors.Is(*outcome, sinks.ErrFenced) {
			t.Errorf("flush gives %v, reported %v", err, *outcome)
		}
		if next, known, err := a.Resume(t.Context(), src(0), 30); err != nil || !known || next != 12 {
			t.Errorf("resumed at %d, %v, %v", next, known, err)
		}
		closeSink(t, a)
	})
}

func TestAChainThatBeginsLateRecordsWhereItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		s, rec := begin(t, st, 1, func(*parquetsink.Config) {})
		write(t, s, src(0), 500, 510)
		closeSink(t, s)
		files, err := parquetsink.Chain(t.Context(), st, "out/rows", src(0), 0)
		if err != nil || len(files) != 1 {
			t.Fatalf("%v, %v", files, err)
		}
		f := files[0]
		if f.Name != "out/rows/pipe/topic/0/00000000000000000000.parquet" || f.Origin != 500 || f.Range.Span != (schemas.Span{Next: 510}) || f.Range.Skipped[0] != (schemas.Span{Next: 500}) {
			t.Errorf("%+v", f)
		}
		if got := rec.files(); !slices.Equal(got, []string{"[0, 510) flush"}) {
			t.Errorf("files %q", got)
		}
	})
}

func TestForgetDoesNotWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		st.Faults = script(sinktest.Fault{Delay: time.Minute, Land: true})
		s, _ := begin(t, st, 1, func(*parquetsink.Config) {})
		outcome := write(t, s, src(0), 0, 10)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush gives %v", err)
		}
		now := time.Now()
		s.Forget(src(0))
		if !errors.Is(*outcome, sinks.ErrForgotten) || time.Since(now) > 0 {
			t.Errorf("reported %v after %v", *outcome, time.Since(now))
		}
		if next, known, err := s.Resume(t.Context(), src(0), 0); err != nil || !known || next != 10 {
			t.Errorf("the upload had landed, and it resumes at %d, %v, %v", next, known, err)
		}
		closeSink(t, s)
	})
}
