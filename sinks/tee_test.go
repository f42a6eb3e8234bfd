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
	"testing"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

func parquet(t testing.TB, st *sinktest.MemStore) *parquetsink.Sink {
	t.Helper()
	return files(t, st, parquetsink.Parquet)
}

func files(t testing.TB, st *sinktest.MemStore, format parquetsink.Format) *parquetsink.Sink {
	t.Helper()
	c := parquetsink.NewDefaultConfig()
	c.Store, c.Format, c.Tasks, c.Compression = st, format, schemas.Tasks(), parquetsink.None
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
	aheadIn(t, st, parquetsink.Parquet, next)
}

func aheadIn(t *testing.T, st *sinktest.MemStore, format parquetsink.Format, next int64) {
	t.Helper()
	s := files(t, st, format)
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
		{"where it began, if one has nothing, and never behind the others", 30, 0, 0, true, 30, false},
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
			if !known {
				next = 0
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
	for _, c := range []struct{ ahead, behind parquetsink.Format }{
		{parquetsink.Parquet, parquetsink.Parquet},
		{parquetsink.Parquet, parquetsink.ArrowStream},
		{parquetsink.ArrowStream, parquetsink.Parquet},
		{parquetsink.ArrowStream, parquetsink.ArrowStream},
	} {
		stores := []*sinktest.MemStore{sinktest.NewMemStore(), sinktest.NewMemStore()}
		aheadIn(t, stores[0], c.ahead, 30)
		aheadIn(t, stores[1], c.behind, 17)
		s := tee(t, nil, sinks.Member{Name: "a", Sink: files(t, stores[0], c.ahead)}, sinks.Member{Name: "b", Sink: files(t, stores[1], c.behind)})
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
			t.Errorf("%v from %v: audit %v; %d rows and %d", c.behind, c.ahead, err, len(a.Rows), len(b.Rows))
		}
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
		kept    int64   // where it ends, as somebody keeps; 0: nobody
		chain   parquetsink.Format
	}{
		{"all of it", nil, 30, []int64{20, 21, 22, 23, 25, 26, 28, 29}, 0, parquetsink.Parquet},
		{"all of it, from streams of Arrow", nil, 30, []int64{20, 21, 22, 23, 25, 26, 28, 29}, 0, parquetsink.ArrowStream},
		{"up to the record that it refuses, whose letter is still to be written", []int64{25, 28}, 25, []int64{20, 21, 22, 23, 26, 29}, 0, parquetsink.Parquet},
		{"where somebody keeps it, what came since", nil, 30, []int64{26, 28, 29}, 26, parquetsink.Parquet},
	} {
		t.Run(c.name, func(t *testing.T) {
			chain, rows := sinktest.NewMemStore(), &rowStore{rows: map[int64]int{}, refuses: map[int64]bool{}}
			aheadIn(t, chain, c.chain, 30)
			for _, o := range c.refuses {
				rows.refuses[o] = true
			}
			cfg := deliver.NewDefaultConfig()
			cfg.Name = "rows"
			other, err := deliver.New(cfg, rows)
			if err != nil {
				t.Fatal(err)
			}
			member := sinks.Member{Name: "rows", Sink: other}
			if c.kept > 0 {
				member.Ends = func(context.Context, schemas.SourceID) (int64, bool, error) { return c.kept, true, nil }
			}
			s := tee(t, nil, member, sinks.Member{Name: "chain", Sink: files(t, chain, c.chain)})
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

// TestMembersThatWereBroughtUpGoOnWhereTheOneThatRefusedDoes has two members behind a chain, of which one refuses a record of the copy: the pipeline begins there, also for the other.
func TestMembersThatWereBroughtUpGoOnWhereTheOneThatRefusedDoes(t *testing.T) {
	for _, order := range [][]string{{"takes", "refuses", "chain"}, {"refuses", "takes", "chain"}, {"chain", "takes", "refuses"}} {
		chain := sinktest.NewMemStore()
		ahead(t, chain, 30)
		var members []sinks.Member
		for _, name := range order {
			if name == "chain" {
				members = append(members, sinks.Member{Name: name, Sink: parquet(t, chain)})
				continue
			}
			cfg := deliver.NewDefaultConfig()
			cfg.Name = name
			other, err := deliver.New(cfg, &rowStore{rows: map[int64]int{}, refuses: map[int64]bool{25: name == "refuses"}})
			if err != nil {
				t.Fatal(err)
			}
			members = append(members, sinks.Member{Name: name, Sink: other})
		}
		s := tee(t, nil, members...)
		if next, known, err := s.Resume(t.Context(), src, 20); next != 25 || !known || err != nil {
			t.Fatalf("%v: resumed at %d, %v, %v", order, next, known, err)
		}
		reports := write(t, s, 25, 50)
		closeSink(t, s)
		if len(*reports) != 1 || sinks.AsRefused((*reports)[0]) == nil {
			t.Errorf("%v: reported %v", order, *reports)
		}
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
