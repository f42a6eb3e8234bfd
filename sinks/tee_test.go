package sinks_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
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

func parquet(t testing.TB, st *sinktest.MemStore) *parquetsink.Sink {
	t.Helper()
	c := parquetsink.NewDefaultConfig()
	c.Store, c.Tasks, c.Compression = st, schemas.Tasks(), parquetsink.None
	c.Retry.Attempts = 1
	s, err := parquetsink.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func account(t testing.TB, st *sinktest.MemStore, src schemas.SourceID) sinktest.Account {
	t.Helper()
	files, err := parquetsink.Chain(t.Context(), st, "", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	var a sinktest.Account
	for _, f := range files {
		rows, err := parquetsink.ReadRows(t.Context(), st, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		a.Rows = append(a.Rows, rows...)
		a.Dead, a.Skipped, a.Lost = append(a.Dead, f.Range.Dead...), append(a.Skipped, f.Range.Skipped...), append(a.Lost, f.Range.Lost...)
	}
	return a
}

func tee(t testing.TB, observe func(string, error), members ...sinks.Member) *sinks.Tee {
	t.Helper()
	s, err := sinks.NewTee(observe, members...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTeeConforms reads the member that is behind in every case: the required one; the other store must hold the same.
func TestTeeConforms(t *testing.T) {
	sinktest.Run(t, sinktest.Options{Bubble: true}, func(t testing.TB) sinktest.Fixture {
		stores := []*sinktest.MemStore{sinktest.NewMemStore(), sinktest.NewMemStore(), sinktest.NewMemStore()}
		return sinktest.Fixture{
			Open: func(t testing.TB) sinks.Sink {
				return tee(t, func(name string, err error) { t.Errorf("%s: %v", name, err) },
					sinks.Member{Name: "a", Sink: parquet(t, stores[0])},
					sinks.Member{Name: "b", Sink: parquet(t, stores[1])},
					sinks.Member{Name: "c", Sink: parquet(t, stores[2]), BestEffort: true})
			},
			Read: func(t testing.TB, src schemas.SourceID) sinktest.Account {
				a, b := account(t, stores[0], src), account(t, stores[1], src)
				if len(a.Rows) != len(b.Rows) {
					t.Fatalf("one required member has %d rows, the other %d", len(a.Rows), len(b.Rows))
				}
				return b
			},
			Chained: true, RecordsFates: true,
		}
	})
}

var src = schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}

func write(t *testing.T, s sinks.Sink, first, next int64) *[]error {
	t.Helper()
	r, rows := sinktest.Make(src, first, next)
	reports := &[]error{}
	if err := s.Write(t.Context(), r, rows, func(err error) { *reports = append(*reports, err) }); err != nil {
		t.Fatal(err)
	}
	return reports
}

func resume(t *testing.T, s sinks.Sink) (int64, bool) {
	t.Helper()
	next, known, err := s.Resume(t.Context(), src, 0)
	if err != nil {
		t.Fatal(err)
	}
	return next, known
}

func closeSink(t *testing.T, s sinks.Sink) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// ahead fills a store with [0, next).
func ahead(t *testing.T, st *sinktest.MemStore, next int64) {
	t.Helper()
	s := parquet(t, st)
	resume(t, s)
	write(t, s, 0, next)
	closeSink(t, s)
}

// mute is a sink that cannot give back what it has.
type mute struct{ sinks.Sink }

func TestTeeResumesWhereAllRequiredMembersAre(t *testing.T) {
	for _, c := range []struct {
		name             string
		a, b, bestEffort int64 // durable ends, 0 for none
		mute             bool  // the members cannot recall
		next             int64
		known            bool
	}{
		{"the one behind is brought up by copying", 30, 20, 0, false, 30, true},
		{"and so is one that has nothing", 30, 0, 30, false, 30, true},
		{"best effort does not count", 30, 30, 10, false, 30, true},
		{"none knows", 0, 0, 30, false, 0, false},
		{"what cannot be recalled is computed again", 30, 20, 0, true, 20, true},
		{"from the beginning, if one has nothing", 30, 0, 0, true, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stores []*sinktest.MemStore
			for _, end := range []int64{c.a, c.b, c.bestEffort} {
				st := sinktest.NewMemStore()
				if end > 0 {
					ahead(t, st, end)
				}
				stores = append(stores, st)
			}
			open := func(st *sinktest.MemStore) sinks.Sink {
				if c.mute {
					return mute{parquet(t, st)}
				}
				return parquet(t, st)
			}
			s := tee(t, func(name string, err error) { t.Errorf("%s: %v", name, err) },
				sinks.Member{Name: "a", Sink: open(stores[0])}, sinks.Member{Name: "b", Sink: open(stores[1])},
				sinks.Member{Name: "c", Sink: parquet(t, stores[2]), BestEffort: true})
			next, known := resume(t, s)
			if next != c.next || known != c.known {
				t.Fatalf("resumed at %d, %v, want %d, %v", next, known, c.next, c.known)
			}
			write(t, s, next, 50)
			closeSink(t, s)
			for _, st := range stores[:2] {
				a := account(t, st, src)
				if err := a.Audit(src, 0, 50, true); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestAMemberIsBroughtUpWithTheOthersRowsAndFates(t *testing.T) {
	stores := []*sinktest.MemStore{sinktest.NewMemStore(), sinktest.NewMemStore()}
	ahead(t, stores[0], 30)
	ahead(t, stores[1], 17)
	s := tee(t, nil, sinks.Member{Name: "a", Sink: parquet(t, stores[0])}, sinks.Member{Name: "b", Sink: parquet(t, stores[1])})
	resume(t, s)
	closeSink(t, s)
	a, b := account(t, stores[0], src), account(t, stores[1], src)
	slices.SortFunc(b.Rows, func(x, y schemas.Row) int {
		return cmp.Or(cmp.Compare(x.Offset, y.Offset), strings.Compare(x.RowID, y.RowID))
	})
	slices.SortFunc(a.Rows, func(x, y schemas.Row) int {
		return cmp.Or(cmp.Compare(x.Offset, y.Offset), strings.Compare(x.RowID, y.RowID))
	})
	if err := b.Audit(src, 0, 30, true); err != nil || !reflect.DeepEqual(a.Rows, b.Rows) {
		t.Errorf("audit %v; %d rows and %d", err, len(a.Rows), len(b.Rows))
	}
}

// forgetful gives back what it has before an offset, and has lost the rest.
type forgetful struct {
	*parquetsink.Sink
	from int64
}

func (f forgetful) Recall(ctx context.Context, src schemas.SourceID, want schemas.Span, give func(schemas.Range, []schemas.Row) error) error {
	if err := f.Sink.Recall(ctx, src, schemas.Span{First: want.First, Next: f.from}, give); err != nil {
		return err
	}
	return fmt.Errorf("offset %d: %w", f.from, sinks.ErrNotRecalled)
}

func TestWhatCannotBeGivenBackIsComputedAgain(t *testing.T) {
	stores := []*sinktest.MemStore{sinktest.NewMemStore(), sinktest.NewMemStore()}
	ahead(t, stores[0], 30)
	ahead(t, stores[1], 17)
	s := tee(t, nil, sinks.Member{Name: "a", Sink: forgetful{parquet(t, stores[0]), 23}}, sinks.Member{Name: "b", Sink: parquet(t, stores[1])})
	next, known, err := s.Resume(t.Context(), src, 0)
	if err != nil || !known || next != 17 && next != 23 {
		t.Fatalf("goes on at %d, %v, %v; want where the second one ends", next, known, err)
	}
	r, rows := sinktest.Make(src, next, 40)
	if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
		t.Fatal(err)
	}
	closeSink(t, s)
	for i, st := range stores {
		a := account(t, st, src)
		if err := a.Audit(src, 0, 40, true); err != nil {
			t.Errorf("sink %d: %v", i, err)
		}
	}
}

// deletions keeps what a sink is told.
type deletions struct {
	stub
	told *[]schemas.Deletion
}

func (d deletions) Write(_ context.Context, r schemas.Range, _ []schemas.Row, done func(error)) error {
	*d.told = append(*d.told, r.Deletes...)
	done(nil)
	return nil
}

func (deletions) Flush(context.Context) error { return nil }

func (deletions) Forget(schemas.SourceID) {}

func TestAMemberIsBroughtUpWithTheDeletionsToo(t *testing.T) {
	st := sinktest.NewMemStore()
	a := parquet(t, st)
	if _, _, err := a.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	r := schemas.Range{Source: src, Span: schemas.Span{Next: 9}, Skipped: []schemas.Span{{Next: 9}}, Deletes: []schemas.Deletion{{Offset: 2, RefID: "early"}, {Offset: 7, RefID: "late"}}}
	if err := a.Write(t.Context(), r, nil, func(error) {}); err != nil {
		t.Fatal(err)
	}
	closeSink(t, a)
	var told []schemas.Deletion
	s := tee(t, nil, sinks.Member{Name: "a", Sink: parquet(t, st)}, sinks.Member{Name: "b", Sink: deletions{told: &told}})
	if _, _, err := s.Resume(t.Context(), src, 5); err != nil {
		t.Fatal(err)
	}
	if want := []schemas.Deletion{{Offset: 7, RefID: "late"}}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
}

func TestAMemberThatCannotBeBroughtUpFailsTheResume(t *testing.T) {
	good, broken := sinktest.NewMemStore(), sinktest.NewMemStore()
	ahead(t, good, 30)
	broken.Faults = func(op sinktest.Op) sinktest.Fault {
		if op.Kind == sinktest.OpPut {
			return sinktest.Fault{Err: sinktest.ErrFault}
		}
		return sinktest.Fault{}
	}
	s := tee(t, nil, sinks.Member{Name: "good", Sink: parquet(t, good)}, sinks.Member{Name: "broken", Sink: parquet(t, broken)})
	if _, _, err := s.Resume(t.Context(), src, 0); !errors.Is(err, sinktest.ErrFault) || !strings.Contains(err.Error(), "bringing sink broken up from sink good") {
		t.Errorf("resume gives %v", err)
	}
}

// rowStore keeps rows by id, and refuses those of some offsets.
type rowStore struct {
	rows    map[int64]int
	refuses map[int64]bool
}

func (r *rowStore) Put(_ context.Context, b deliver.Batch) error {
	for _, row := range b.Rows() {
		if r.refuses[row.Offset] {
			return deliver.Refused(errors.New("not this one"))
		}
	}
	for _, row := range b.Rows() {
		r.rows[row.Offset]++
	}
	return nil
}

func (r *rowStore) Close() error { return nil }

func TestAMemberThatDoesNotKnowWhereItEndsIsBroughtUpFromWhatIsCommitted(t *testing.T) {
	for _, c := range []struct {
		name    string
		refuses []int64
		next    int64
		copied  []int64 // offsets below 30 that have rows afterwards
	}{
		{"all of it", nil, 30, []int64{20, 21, 22, 23, 25, 26, 28, 29}},
		{"up to the record that it refuses, whose letter is still to be written", []int64{25, 28}, 25, []int64{20, 21, 22, 23, 26, 29}},
	} {
		t.Run(c.name, func(t *testing.T) {
			chain, rows := sinktest.NewMemStore(), &rowStore{rows: map[int64]int{}, refuses: map[int64]bool{}}
			ahead(t, chain, 30)
			for _, o := range c.refuses {
				rows.refuses[o] = true
			}
			cfg := deliver.NewDefaultConfig()
			cfg.Name = "rows"
			other, err := deliver.New(cfg, rows)
			if err != nil {
				t.Fatal(err)
			}
			s := tee(t, nil, sinks.Member{Name: "rows", Sink: other}, sinks.Member{Name: "chain", Sink: parquet(t, chain)})
			next, known, err := s.Resume(t.Context(), src, 20)
			if err != nil || next != c.next || !known {
				t.Fatalf("resumed at %d, %v, %v; want %d", next, known, err, c.next)
			}
			if got := slices.Sorted(maps.Keys(rows.rows)); !slices.Equal(got, c.copied) {
				t.Errorf("offsets %v were copied, want %v", got, c.copied)
			}
			reports := write(t, s, next, 50)
			closeSink(t, s)
			if len(*reports) != 1 {
				t.Fatalf("reported %v", *reports)
			}
			no := sinks.AsRefused((*reports)[0])
			if (no == nil) != (c.refuses == nil) || no != nil && (no.Offsets[0].Offset != 25 || len(no.Offsets) != 2) {
				t.Errorf("reported %v", (*reports)[0])
			}
			a := account(t, chain, src)
			if err := a.Audit(src, 0, 50, true); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestABestEffortMemberThatWasBehindRecordsWhatItMissedAsSkipped(t *testing.T) {
	required, other := sinktest.NewMemStore(), sinktest.NewMemStore()
	ahead(t, required, 30)
	ahead(t, other, 10)
	s := tee(t, nil, sinks.Member{Name: "r", Sink: parquet(t, required)}, sinks.Member{Name: "o", Sink: parquet(t, other), BestEffort: true})
	resume(t, s)
	write(t, s, 30, 40)
	write(t, s, 40, 42)
	closeSink(t, s)
	files, err := parquetsink.Chain(t.Context(), other, "", src, 10)
	if err != nil || files[0].Range.Span != (schemas.Span{First: 10, Next: 42}) || files[0].Range.Skipped[0] != (schemas.Span{First: 10, Next: 30}) {
		t.Errorf("%+v, %v", files, err)
	}
}

func TestABestEffortMemberThatFailsHoldsNothingUp(t *testing.T) {
	required, broken := sinktest.NewMemStore(), sinktest.NewMemStore()
	broken.Faults = func(op sinktest.Op) sinktest.Fault {
		if op.Kind == sinktest.OpPut {
			return sinktest.Fault{Err: sinktest.ErrFault}
		}
		return sinktest.Fault{}
	}
	var told []string
	s := tee(t, func(name string, err error) { told = append(told, fmt.Sprint(name, ": ", err)) },
		sinks.Member{Name: "o", Sink: parquet(t, broken), BestEffort: true}, sinks.Member{Name: "r", Sink: parquet(t, required)})
	resume(t, s)
	for o := int64(0); o < 30; o += 10 {
		reports := write(t, s, o, o+10)
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(*reports, []error{nil}) {
			t.Errorf("[%d, %d) was reported %v", o, o+10, *reports)
		}
	}
	if len(told) != 1 || !strings.HasPrefix(told[0], "o: writing p/t/1") {
		t.Errorf("observed %q", told)
	}
	broken.Faults = nil
	resume(t, s) // the next assignment takes it back in
	write(t, s, 30, 40)
	closeSink(t, s)
	if files, err := parquetsink.Chain(t.Context(), broken, "", src, 0); err != nil || len(files) != 1 {
		t.Errorf("after it recovered it has %v, %v", files, err)
	}
}

func TestARequiredMemberThatFailsIsTheTeesFailure(t *testing.T) {
	good, broken := sinktest.NewMemStore(), sinktest.NewMemStore()
	broken.Faults = func(op sinktest.Op) sinktest.Fault {
		if op.Kind == sinktest.OpPut {
			return sinktest.Fault{Err: sinktest.ErrFault}
		}
		return sinktest.Fault{}
	}
	s := tee(t, nil, sinks.Member{Name: "good", Sink: parquet(t, good)}, sinks.Member{Name: "broken", Sink: parquet(t, broken)})
	resume(t, s)
	reports := write(t, s, 0, 10)
	if err := s.Flush(t.Context()); !errors.Is(err, sinktest.ErrFault) || !strings.Contains(err.Error(), "sink broken") {
		t.Errorf("flush gives %v", err)
	}
	if len(*reports) != 1 || !errors.Is((*reports)[0], sinktest.ErrFault) {
		t.Errorf("reported %v", *reports)
	}
	r, rows := sinktest.Make(src, 10, 12)
	err := s.Write(t.Context(), r, rows, func(error) { t.Error("a refused range was reported") })
	if !errors.Is(err, sinktest.ErrFault) || !strings.Contains(err.Error(), "sink broken") {
		t.Errorf("write gives %v", err)
	}
	s.Close(context.Background()) // good has [10, 12) and reports it to nobody
}

func TestTeeNeedsNamesAndARequiredMember(t *testing.T) {
	s := parquet(t, sinktest.NewMemStore())
	for name, members := range map[string][]sinks.Member{
		"nothing":          nil,
		"best effort only": {{Name: "a", Sink: s, BestEffort: true}},
		"no name":          {{Sink: s}},
		"no sink":          {{Name: "a"}},
		"one name twice":   {{Name: "a", Sink: s}, {Name: "a", Sink: s}},
	} {
		if _, err := sinks.NewTee(nil, members...); err == nil {
			t.Errorf("%s: it is made", name)
		}
	}
}

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
		t.Errorf("observed %q, it took %v", told, m.took)
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
