package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/sinktest"
)

func source(n int) schemas.SourceID {
	return schemas.SourceID{Pipeline: "p", Topic: "t", Partition: n}
}

func resume(t *testing.T, s *Sink, src schemas.SourceID) {
	t.Helper()
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
}

// report is a done's word and when it came.
type report struct {
	err error
	at  time.Time
}

func write(t *testing.T, s *Sink, src schemas.SourceID, first, next int64, change ...func([]schemas.Row)) *[]report {
	t.Helper()
	r, rows := sinktest.Make(src, first, next)
	for _, f := range change {
		f(rows)
	}
	out := &[]report{}
	if err := s.Write(t.Context(), r, rows, func(err error) { *out = append(*out, report{err, time.Now()}) }); err != nil {
		t.Fatal(err)
	}
	return out
}

func closeSink(t *testing.T, s *Sink) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestRangesOfSeveralSourcesShareABatchAndWaitNoLongerThanTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := open(t, config(), m.client())
		began := time.Now()
		var reports []*[]report
		for i := range 5 {
			resume(t, s, source(i))
			reports = append(reports, write(t, s, source(i), 0, 2))
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, r := range reports {
			if len(*r) != 1 || (*r)[0].at.Sub(began) != 500*time.Millisecond {
				t.Errorf("source %d was reported %v, want once after 500ms", i, *r)
			}
		}
		if !slices.Equal(m.mu.sizes, []int{10}) {
			t.Errorf("batches of %v, want one of 10", m.mu.sizes)
		}
		closeSink(t, s)
	})
}

func TestABatchOfOneSourceIsSentWhenThatSourceFillsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		c := config()
		c.OneSource, c.BatchRows, c.BatchAge = true, 10, time.Minute
		s := open(t, c, ledger{m.client()})
		for i := range 3 {
			resume(t, s, source(i))
			write(t, s, source(i), 0, int64(4*(i+1))) // no other is full, all of them together are twice
		}
		synctest.Wait()
		if len(m.mu.ends) != 1 || m.mu.ends[source(2)] != 12 {
			t.Errorf("before they are old, sources are stored up to %v, want only that of the last", m.mu.ends)
		}
		closeSink(t, s)
	})
}

func TestASourceWithProgressEndsRightBeforeTheOffsetThatIsRefused(t *testing.T) {
	for _, bad := range []int64{0, 1, 254, 256, 700, 996, 999} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			c := config()
			c.BatchRows = 5000
			s := open(t, c, ledger{m.client()})
			resume(t, s, source(0))
			before := 0
			r := write(t, s, source(0), 0, 1000, func(rows []schemas.Row) {
				for i := range rows {
					if rows[i].Offset == bad {
						rows[i].Label = poison
					} else if rows[i].Offset < bad {
						before++
					}
				}
			})
			err := s.Flush(t.Context())
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf(": offset %d: ", bad)) || !errors.Is((*r)[0].err, err) {
				t.Errorf("poison at offset %d: flush gives %v, done %v", bad, err, (*r)[0].err)
			}
			if len(m.mu.rows) != before || m.mu.ends[source(0)] > bad || m.mu.puts > 30 {
				t.Errorf("poison at offset %d: %d rows are stored, want %d; the source ends at %d, after %d puts", bad, len(m.mu.rows), before, m.mu.ends[source(0)], m.mu.puts)
			}
			closeSink(t, s)
		})
	}
}

func TestSourcesAreUnderWayBesideEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.takes = time.Second
		c := config()
		c.BatchRows, c.InFlight = 10, 3
		s := open(t, c, m.client())
		began := time.Now()
		for i := range 6 {
			resume(t, s, source(i))
			write(t, s, source(i), 0, 20)
		}
		closeSink(t, s)
		if took := time.Since(began); took != 4*time.Second { // 6 sources of two batches, three at once
			t.Errorf("took %v", took)
		}
	})
}

func TestAnErrorThatIsFinalEndsItsSourcesAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		puts int
		want string
	}{
		"final":     {Final(errors.New("the password is wrong")), 1, "memory: writing offsets 0 to 2 of p/t/0: the password is wrong"},
		"transient": {errAway, 8, "memory: writing offsets 0 to 2 of p/t/0: after 8 tries: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &failing{err: c.err}
				s := open(t, config(), f)
				resume(t, s, source(0))
				first, second := write(t, s, source(0), 0, 3), write(t, s, source(0), 3, 5)
				if err := s.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "memory: writing offsets 0 to") {
					t.Errorf("flush gives %v", err)
				}
				if len(*first) != 1 || len(*second) != 1 || (*first)[0].err == nil || (*second)[0].err == nil || f.puts != c.puts {
					t.Errorf("reported %v and %v after %d puts, want %d", *first, *second, f.puts, c.puts)
				}
				r, rows := sinktest.Make(source(0), 5, 6)
				if err := s.Write(t.Context(), r, rows, func(error) { t.Error("done of a refused write") }); err == nil {
					t.Error("a source that has ended takes a range")
				}
				resume(t, s, source(0)) // a new assignment tries again
				f.err = nil
				write(t, s, source(0), 0, 3)
				closeSink(t, s)
			})
		})
	}
}

type failing struct {
	err  error
	puts int
}

func (f *failing) Put(context.Context, Batch) error { f.puts++; return f.err }
func (f *failing) Close() error                     { return nil }

func TestAStoreThatSaysWhenToComeAgainIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		s := open(t, config(), putFunc(func(context.Context, Batch) error {
			at = append(at, time.Since(began))
			if len(at) < 3 {
				return Later(errors.New("429"), time.Duration(len(at))*10*time.Second)
			}
			return nil
		}))
		resume(t, s, source(0))
		write(t, s, source(0), 0, 3)
		closeSink(t, s)
		if len(at) != 3 || at[1] < 10*time.Second || at[1] > 12*time.Second || at[2]-at[1] < 20*time.Second || at[2]-at[1] > 22*time.Second {
			t.Errorf("tries at %v", at)
		}
	})
}

func TestWhoWasToldOfFailedTriesHearsWhenTheStoreAnswersAgain(t *testing.T) {
	for name, answer := range map[string]error{"it takes them": nil, "it refuses one": Refused(errors.New("too long"))} {
		synctest.Test(t, func(t *testing.T) {
			var heard []string
			c := config()
			c.Retry.Told = func(tries int, err error) { heard = append(heard, fmt.Sprint(tries, " ", err)) }
			puts := 0
			s := open(t, c, putFunc(func(context.Context, Batch) error {
				if puts++; puts < 3 {
					return errors.New("busy")
				}
				return answer
			}))
			resume(t, s, source(0))
			write(t, s, source(0), 0, 1)
			closeSink(t, s)
			if want := []string{"1 busy", "2 busy", "3 <nil>"}; !slices.Equal(heard, want) {
				t.Errorf("%s: heard %q, want %q", name, heard, want)
			}
		})
	}
}

type putFunc func(context.Context, Batch) error

func (f putFunc) Put(ctx context.Context, b Batch) error { return f(ctx, b) }
func (f putFunc) Close() error                           { return nil }

func TestADeletionThatIsRefusedIsToldFromARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config(), putFunc(func(_ context.Context, b Batch) error {
			for _, p := range b.Parts {
				for _, it := range p.Items {
					if it.Row == nil || it.Row.Label == poison {
						return Refused(errors.New("not that"))
					}
				}
			}
			return nil
		}))
		resume(t, s, source(0))
		rows := []schemas.Row{sinktest.Row(source(0), 0, 0), sinktest.Row(source(0), 1, 0)}
		rows[0].Label = poison
		r := schemas.Range{Source: source(0), Span: schemas.Span{Next: 2}, Deletes: []schemas.Deletion{{Offset: 1, RefID: "gone"}}}
		var got error
		if err := s.Write(t.Context(), r, rows, func(err error) { got = err }); err != nil {
			t.Fatal(err)
		}
		closeSink(t, s)
		if no := sinks.AsRefused(got); no == nil || len(no.Offsets) != 2 || no.Offsets[0].Deletion || !no.Offsets[1].Deletion || no.Offsets[1].Offset != 1 {
			t.Errorf("reported %+v", got)
		}
	})
}

func TestRefusalsOfSeveralSourcesInOneBatchAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := open(t, config(), m.client())
		var reports []*[]report
		for i := range 3 {
			resume(t, s, source(i))
			reports = append(reports, write(t, s, source(i), 0, 40, func(rows []schemas.Row) {
				for j := range rows {
					if i == 1 && (rows[j].Offset == 7 || rows[j].Offset == 22) {
						rows[j].Label = poison
					}
				}
			}))
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, r := range reports {
			err := (*r)[0].err
			no := sinks.AsRefused(err)
			if i != 1 && err != nil || i == 1 && (no == nil || len(no.Offsets) != 2 || no.Offsets[0].Offset != 7 || no.Offsets[1].Offset != 22) {
				t.Errorf("source %d is reported %v", i, err)
			}
		}
		closeSink(t, s)
	})
}

// checking is a store that knows of labels that it will not take.
type checking struct{ client }

func (checking) Check(row *schemas.Row) error {
	if row.Label == "cat" {
		return errors.New("no cats")
	}
	return nil
}

func TestARowThatWasNotCheckedBeforeIsRefusedWithoutAskingTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := open(t, config(), checking{m.client()})
		resume(t, s, source(0))
		r := write(t, s, source(0), 0, 13) // Make's offset 2 has two cats
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if no := sinks.AsRefused((*r)[0].err); no == nil || len(no.Offsets) != 1 || no.Offsets[0].Offset != 2 || !strings.Contains(no.Error(), "offset 2 was refused: memory: no cats") {
			t.Errorf("reported %v", (*r)[0].err)
		}
		for _, row := range m.mu.rows {
			if row.Offset == 2 {
				t.Error("a refused row was stored")
			}
		}
		row := sinktest.Row(source(0), 2, 0)
		if err := s.Check(&row); err == nil || err.Error() != "no cats" {
			t.Errorf("check gives %v", err)
		}
		closeSink(t, s)
	})
}

func TestForgettingOneSourceOfABatchLeavesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.mu.away = 2
		s := open(t, config(), m.client())
		resume(t, s, source(0))
		resume(t, s, source(1))
		a, b := write(t, s, source(0), 0, 3), write(t, s, source(1), 0, 3)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait() // the first try has failed
		s.Forget(source(0))
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(*a) != 1 || !errors.Is((*a)[0].err, sinks.ErrForgotten) || len(*b) != 1 || (*b)[0].err != nil {
			t.Errorf("reported %v and %v", *a, *b)
		}
		for _, row := range m.mu.rows {
			if row.Partition == 0 {
				t.Error("a row of the forgotten source was sent after it was forgotten")
			}
		}
		closeSink(t, s)
	})
}

func TestResumeWaitsForTheBatchOfBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		landed := false
		s := open(t, config(), putFunc(func(context.Context, Batch) error {
			time.Sleep(20 * time.Second) // whatever its context says
			landed = true
			return nil
		}))
		resume(t, s, source(0))
		r := write(t, s, source(0), 0, 3)
		time.Sleep(time.Second)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := s.Resume(short, source(0), 0); !errors.Is(err, context.DeadlineExceeded) || len(*r) != 1 || !errors.Is((*r)[0].err, sinks.ErrForgotten) {
			t.Errorf("resume gives %v, reported %v", err, *r)
		}
		if resume(t, s, source(0)); !landed {
			t.Error("resumed while the batch was still under way")
		}
		closeSink(t, s)
	})
}

func TestAWriteWaitsForMemoryAndHasTheBuffersSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.takes = time.Second
		c := config()
		c.BatchAge, c.MaxBuffered = time.Hour, 20_000
		s := open(t, c, m.client())
		resume(t, s, source(0))
		began := time.Now()
		for o := int64(0); o < 300; o += 10 {
			write(t, s, source(0), o, o+10)
			if s.mu.memory.Held() > 20_000 {
				t.Fatalf("%d bytes are held", s.mu.memory.Held())
			}
		}
		if time.Since(began) > time.Hour {
			t.Errorf("took %v", time.Since(began))
		}
		closeSink(t, s)
		if s.mu.memory.Held() != 0 {
			t.Errorf("%d bytes are held after close", s.mu.memory.Held())
		}
	})
}

// TestAWaitingWriteEndsWithItsSource: a batch of another source holds the memory, and nothing of its own does.
func TestAWaitingWriteEndsWithItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.takes = time.Hour
		c := config()
		c.Timeout, c.MaxBuffered = 2*time.Hour, 10_000
		s := open(t, c, m.client())
		resume(t, s, source(0))
		resume(t, s, source(1))
		write(t, s, source(0), 0, 10)
		ended := make(chan error, 1)
		go func() {
			r, rows := sinktest.Make(source(1), 0, 10)
			ended <- s.Write(t.Context(), r, rows, func(error) { t.Error("done of a range that was not taken") })
		}()
		synctest.Wait()
		began := time.Now()
		s.Forget(source(1))
		if err := <-ended; !errors.Is(err, sinks.ErrForgotten) || time.Since(began) != 0 {
			t.Errorf("the write ended after %v with %v", time.Since(began), err)
		}
		closeSink(t, s)
	})
}

func TestCloseThatIsCutOffSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.mu.away = 1 << 30
		s := open(t, config(), m.client())
		resume(t, s, source(0))
		r := write(t, s, source(0), 0, 3)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close gives %v", err)
		}
		synctest.Wait()
		if len(*r) != 1 || !errors.Is((*r)[0].err, sinks.ErrForgotten) || m.mu.closed != 1 {
			t.Errorf("reported %v, closed %d times", *r, m.mu.closed)
		}
	})
}

func TestABatchIsNoLargerThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, progress := range []bool{false, true} {
			m := newMemory()
			c := config()
			c.BatchRows = 7
			var store Store = m.client()
			if progress {
				store = ledger{m.client()}
			}
			s := open(t, c, store)
			resume(t, s, source(0))
			write(t, s, source(0), 0, 100)
			closeSink(t, s)
			if most := slices.Max(m.mu.sizes); most > 8 || !progress && most != 7 {
				t.Errorf("batches of %v", m.mu.sizes)
			}
		}
	})
}

func TestValidateNamesTheField(t *testing.T) {
	c := Config{Name: "x"}
	_, err := New(c, newMemory().client())
	for _, field := range []string{"batch_rows", "batch_bytes", "batch_age", "in_flight", "max_buffered", "timeout", "retry.attempts"} {
		if err == nil || !strings.Contains(err.Error(), field+": must be more than 0") {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}

func TestUpsertsKeepTheLastOfEachID(t *testing.T) {
	row := func(id string, offset int64) Item {
		return Item{Offset: offset, Row: &schemas.Row{Lineage: schemas.Lineage{RowID: id, Offset: offset}}}
	}
	b := Batch{Parts: []Part{{Items: []Item{row("a", 1), row("b", 1), {Offset: 2, Delete: "x"}}}, {Items: []Item{row("a", 7)}}}}
	var got []string
	for _, r := range b.Upserts() {
		got = append(got, fmt.Sprint(r.RowID, r.Offset))
	}
	if !slices.Equal(got, []string{"b1", "a7"}) || len(b.Deletions()) != 1 || b.Len() != 4 {
		t.Errorf("%v, %v", got, b.Deletions())
	}
}

// TestALargeRangeIsNotPassedBySmallOnesForEver has a dozen sources write as fast as they are let. Batches end one at a time, so that never much comes free at once.
func TestALargeRangeIsNotPassedBySmallOnesForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var puts atomic.Int64
		c := config()
		c.MaxBuffered, c.InFlight, c.BatchRows = 20_000, 4, 6
		s := open(t, c, putFunc(func(context.Context, Batch) error {
			time.Sleep(time.Second + time.Duration(puts.Add(1)%7)*37*time.Millisecond)
			return nil
		}))
		const small = 12
		ctx, stop := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		for i := range small {
			resume(t, s, source(i))
			writers.Go(func() {
				for o := int64(0); ; o += 3 {
					r, rows := sinktest.Make(source(i), o, o+3)
					if s.Write(ctx, r, rows, func(error) {}) != nil {
						return
					}
				}
			})
		}
		time.Sleep(10 * time.Second)
		resume(t, s, source(small))
		r, rows := sinktest.Make(source(small), 0, 18)
		began := time.Now()
		patience, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := s.Write(patience, r, rows, func(error) {}); err != nil || time.Since(began) > 20*time.Second {
			t.Errorf("the large range was let in after %v: %v", time.Since(began), err)
		}
		stop()
		writers.Wait()
		closeSink(t, s)
	})
}

// TestATryOfAskHasTheTimeout has a store that does not answer at first.
func TestATryOfAskHasTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tries := NewDefaultConfig(), 0
		begin := time.Now()
		if err := c.Ask(t.Context(), Transient, func(ctx context.Context) error {
			if tries++; tries < 3 {
				<-ctx.Done()
			}
			return ctx.Err()
		}); err != nil || tries != 3 || time.Since(begin) < 2*c.Timeout {
			t.Errorf("%d tries in %v; %v", tries, time.Since(begin), err)
		}
	})
}
