package sinks_test

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
	"vecmill/sinks/deliver"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// stuck is a store that answers nothing while it is shut, and then again. It keeps how far sources have come.
type stuck struct {
	mu struct {
		sync.Mutex
		shut chan struct{} // nil: it is open
		rows map[int64]int
		end  int64
	}
}

func (s *stuck) set(shut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if shut {
		s.mu.shut = make(chan struct{})
	} else {
		close(s.mu.shut)
		s.mu.shut = nil
	}
}

func (s *stuck) wait(ctx context.Context) error {
	s.mu.Lock()
	shut := s.mu.shut
	s.mu.Unlock()
	if shut == nil {
		return nil
	}
	select {
	case <-shut:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *stuck) Next(ctx context.Context, _ schemas.SourceID) (int64, bool, error) {
	err := s.wait(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.end, s.mu.end > 0, err
}

func (s *stuck) Put(ctx context.Context, b deliver.Batch) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range b.Parts {
		for _, it := range p.Items {
			s.mu.rows[it.Offset]++
		}
		s.mu.end = p.Next
	}
	return nil
}

func (s *stuck) Close() error { return nil }

// beside is a Tee of files that are required and of a store with little memory that is not, and what is observed of the latter.
func beside(t *testing.T) (s *sinks.Tee, other *stuck, required *sinktest.MemStore, told *[]string) {
	t.Helper()
	required, other, told = sinktest.NewMemStore(), &stuck{}, &[]string{}
	other.mu.rows = map[int64]int{}
	c := deliver.NewDefaultConfig()
	c.Name, c.MaxBuffered, c.BatchAge = "away", 20_000, time.Second
	sink, err := deliver.New(c, other)
	if err != nil {
		t.Fatal(err)
	}
	s = tee(t, func(name string, err error) { *told = append(*told, fmt.Sprint(name, ": ", err)) },
		sinks.Member{Name: "o", Sink: sink, BestEffort: true}, sinks.Member{Name: "r", Sink: parquet(t, required)})
	return s, other, required, told
}

// took is how long something took.
func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

func TestABestEffortMemberThatIsFullHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, other, required, told := beside(t)
		resume(t, s)
		other.set(true)
		_, all := sinktest.Make(src, 0, 300)
		if waited := took(func() {
			for o := int64(0); o < 300; o += 10 {
				write(t, s, o, o+10)
			}
		}); waited != 0 {
			t.Errorf("writers waited %v", waited)
		}
		m := s.Stats()[0]
		if m.Dropped == 0 || m.Rows == 0 || m.Dropped+m.Rows != int64(len(all)) || m.Waiting != m.Rows || m.Held > m.Limit {
			t.Errorf("of %d rows it has %+v", len(all), m)
		}
		if len(*told) != 1 || !strings.HasPrefix((*told)[0], "o: the output is full: ") {
			t.Errorf("observed %q", *told)
		}
		if waited := took(func() {
			if err := s.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		}); waited != 10*time.Second {
			t.Errorf("the flush waited %v", waited)
		}
		if len(*told) != 2 || !strings.HasPrefix((*told)[1], "o: flushing: ") {
			t.Errorf("observed %q", *told)
		}
		a := account(t, required, src)
		if err := a.Audit(src, 0, 300, true); err != nil {
			t.Error(err)
		}
		other.set(false)
		time.Sleep(2 * time.Minute)
		write(t, s, 300, 310)
		closeSink(t, s)
		if len(*told) != 3 || (*told)[2] != "o: <nil>" {
			t.Errorf("observed %q, want that it is well", *told)
		}
		if other.mu.end != 310 || other.mu.rows[0] == 0 || other.mu.rows[200] != 0 || other.mu.rows[300] == 0 {
			t.Errorf("it ends at %d, and has %v", other.mu.end, other.mu.rows)
		}
	})
}

func TestABestEffortMemberThatIsAwayHoldsNoAssignmentUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, other, _, told := beside(t)
		resume(t, s)
		write(t, s, 0, 10)
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		other.set(true)
		s.Forget(src)
		if waited := took(func() { resume(t, s) }); waited != 10*time.Second {
			t.Errorf("resuming waited %v", waited)
		}
		if waited := took(func() {
			for range 5 { // further partitions of the same assignment, of which one alone may be slow by chance
				resume(t, s)
			}
		}); waited != 14*time.Second {
			t.Errorf("resuming others waited %v", waited)
		}
		if waited := took(func() { write(t, s, 10, 20) }); waited != 0 || s.Stats()[0].Dropped == 0 {
			t.Errorf("a writer waited %v, %+v", waited, s.Stats()[0])
		}
		if len(*told) != 6 || !strings.HasPrefix((*told)[0], "o: resuming p/t/1: ") {
			t.Errorf("observed %q", *told)
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		other.set(false)
		if waited := took(func() { resume(t, s) }); waited != 0 {
			t.Errorf("resuming waited %v though it is back", waited)
		}
		if len(*told) != 7 || (*told)[6] != "o: <nil>" {
			t.Errorf("observed %q, want that it is well", *told)
		}
		other.set(true)
		if waited := took(func() { resume(t, s) }); waited != 10*time.Second {
			t.Errorf("resuming waited %v though it was back", waited)
		}
		other.set(false)
		resume(t, s)
		write(t, s, 20, 30)
		closeSink(t, s)
		if other.mu.end != 30 || other.mu.rows[0] == 0 || other.mu.rows[12] != 0 || other.mu.rows[20] == 0 {
			t.Errorf("it ends at %d, and has %v", other.mu.end, other.mu.rows)
		}
	})
}

// TestABestEffortMemberThatKeepsUpGetsEverything has files that are closed because memory is short: they are so before it is used up.
func TestABestEffortMemberThatKeepsUpGetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		st.Faults = func(op sinktest.Op) sinktest.Fault {
			if op.Kind == sinktest.OpPut {
				return sinktest.Fault{Delay: 100 * time.Millisecond}
			}
			return sinktest.Fault{}
		}
		c := parquetsink.NewDefaultConfig()
		c.Store, c.Tasks, c.Compression = st, schemas.Tasks(), parquetsink.None
		c.MaxBuffered, c.RollAge = 40_000, time.Hour
		other, err := parquetsink.New(c)
		if err != nil {
			t.Fatal(err)
		}
		s := tee(t, func(name string, err error) { t.Errorf("%s: %v", name, err) },
			sinks.Member{Name: "o", Sink: other, BestEffort: true}, sinks.Member{Name: "r", Sink: parquet(t, sinktest.NewMemStore())})
		resume(t, s)
		for o := int64(0); o < 300; o += 5 {
			write(t, s, o, o+5)
			time.Sleep(100 * time.Millisecond)
		}
		closeSink(t, s)
		a := account(t, st, src)
		if err := a.Audit(src, 0, 300, true); err != nil || s.Stats()[0].Dropped != 0 {
			t.Errorf("%v, %+v", err, s.Stats()[0])
		}
	})
}

// choosy takes every range but those of full, and looks at them as deliver.Sink does.
type choosy struct {
	stub
	next, end int64
	full      map[int64]bool // by their first offset, as it is in what the writer has
	at        int64          // first offset of what the writer has
	took      []schemas.Range
}

func (c *choosy) Resume(context.Context, schemas.SourceID, int64) (int64, bool, error) {
	c.end = -1
	return max(c.next, 0), c.next >= 0, nil
}

func (c *choosy) Forget(schemas.SourceID) {}

func (c *choosy) Close(context.Context) error { return nil }

func (c *choosy) Write(ctx context.Context, r schemas.Range, _ []schemas.Row, done func(error)) error {
	switch {
	case c.end >= 0 && r.First != c.end:
		return fmt.Errorf("the range begins at %d, the one before ended at %d", r.First, c.end)
	case c.end < 0 && c.next >= 0 && r.First > c.next:
		return fmt.Errorf("the range begins at %d, but the store ends at %d", r.First, c.next)
	case c.full[c.at]:
		return ctx.Err()
	}
	c.end = r.Next
	c.took = append(c.took, r)
	done(nil)
	return nil
}

func TestABestEffortMemberThatWasFullGetsTheDeletionsThatItHadNoRoomFor(t *testing.T) {
	for _, c := range []struct {
		name string
		next int64 // where the member ends, -1 if it does not know
		full []int64
		took []schemas.Span
	}{
		{"that knows nothing of the source", -1, []int64{50, 60}, []schemas.Span{{First: 50, Next: 80}, {First: 80, Next: 90}}},
		{"that is where the required one is", 50, []int64{60, 70}, []schemas.Span{{First: 50, Next: 60}, {First: 60, Next: 90}}},
		{"that is behind", 30, []int64{50, 70}, []schemas.Span{{First: 30, Next: 70}, {First: 70, Next: 90}}},
		{"that is ahead", 100, []int64{60}, []schemas.Span{{First: 50, Next: 60}, {First: 60, Next: 80}, {First: 80, Next: 90}}},
		{"that is ahead, at once", 100, []int64{50}, []schemas.Span{{First: 50, Next: 70}, {First: 70, Next: 80}, {First: 80, Next: 90}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &choosy{next: c.next, full: map[int64]bool{}}
			for _, first := range c.full {
				m.full[first] = true
			}
			s := tee(t, func(name string, err error) {
				if !errors.Is(err, sinks.ErrFull) {
					t.Errorf("%s: %v", name, err)
				}
			}, sinks.Member{Name: "o", Sink: m, BestEffort: true}, sinks.Member{Name: "r", Sink: parquet(t, sinktest.NewMemStore())})
			resume(t, s)
			var want []schemas.Deletion
			for m.at = 50; m.at < 90; m.at += 10 {
				r, rows := sinktest.Make(src, m.at, m.at+10)
				r.Deletes = []schemas.Deletion{{Offset: m.at + 2, RefID: "a"}, {Offset: m.at + 7, RefID: "b"}}
				want = append(want, r.Deletes...)
				if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
					t.Fatal(err)
				}
			}
			var took []schemas.Span
			var told []schemas.Deletion
			for _, r := range m.took {
				took, told = append(took, r.Span), append(told, r.Deletes...)
			}
			if !slices.Equal(took, c.took) || !slices.Equal(told, want) {
				t.Errorf("it took %v, want %v; it was told of %v, want %v", took, c.took, told, want)
			}
			closeSink(t, s)
		})
	}
}

func TestABestEffortMemberThatIsFullForTooManyDeletionsFails(t *testing.T) {
	var told []string
	m := &choosy{next: -1, full: map[int64]bool{0: true, 10: true}}
	s := tee(t, func(name string, err error) { told = append(told, fmt.Sprint(name, ": ", err)) },
		sinks.Member{Name: "o", Sink: m, BestEffort: true}, sinks.Member{Name: "r", Sink: deletions{told: &[]schemas.Deletion{}}})
	resume(t, s)
	for ; m.at < 30; m.at += 10 {
		r := schemas.Range{Source: src, Span: schemas.Span{First: m.at, Next: m.at + 10}, Deletes: slices.Repeat([]schemas.Deletion{{Offset: m.at, RefID: "many"}}, 60_000)}
		if err := s.Write(t.Context(), r, nil, func(error) {}); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 2 || !strings.Contains(told[1], "writing p/t/1: the output is full: 120000 deletions") || len(m.took) != 0 {
		t.Errorf("observed %q, it took %d ranges", told, len(m.took))
	}
}

// TestABestEffortMemberIsWellWhenAllItsSourcesAre has one that fails at one source, and is full in another.
func TestABestEffortMemberIsWellWhenAllItsSourcesAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		m := &choosy{next: -1, full: map[int64]bool{10: true}}
		s := tee(t, func(_ string, err error) { told = append(told, err) },
			sinks.Member{Name: "o", Sink: m, BestEffort: true}, sinks.Member{Name: "r", Sink: deletions{told: &[]schemas.Deletion{}}})
		to := func(topic string) schemas.SourceID { return schemas.SourceID{Pipeline: "p", Topic: topic} }
		start := func(topic string) {
			if _, _, err := s.Resume(t.Context(), to(topic), 0); err != nil {
				t.Fatal(err)
			}
		}
		put := func(topic string, first int64) {
			m.at = first
			r := schemas.Range{Source: to(topic), Span: schemas.Span{First: first, Next: first + 10}}
			if err := s.Write(t.Context(), r, nil, func(error) {}); err != nil {
				t.Fatal(err)
			}
		}
		start("fails")
		start("full")
		put("full", 0)
		m.end = 7
		put("fails", 0)
		m.end = 10
		put("full", 10) // has no room
		time.Sleep(2 * time.Minute)
		put("full", 20)
		if len(told) != 2 || told[0] == nil || !errors.Is(told[1], sinks.ErrFull) {
			t.Fatalf("observed %v, and one source is left out still", told)
		}
		start("fails")
		if len(told) != 3 || told[2] != nil {
			t.Fatalf("observed %v, want that it is well", told)
		}
		m.end = 7
		put("fails", 10)
		s.Forget(to("fails")) // goes to another worker
		m.end = -1
		put("full", 30)
		if len(told) != 5 || told[3] == nil || told[4] != nil {
			t.Errorf("observed %v, want that it is well", told)
		}
	})
}
