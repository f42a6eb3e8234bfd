package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/internal/audit"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// chain writes two partitions of 80 offsets with rows, dead, skipped and lost ones, in files of about ten rows.
func chain(t *testing.T, store objectstore.Store, layout parquetsink.Layout) audit.Parquet {
	t.Helper()
	cfg := parquetsink.NewDefaultConfig()
	cfg.Layout = layout
	return chainOf(t, store, cfg)
}

func chainOf(t *testing.T, store objectstore.Store, cfg parquetsink.Config) audit.Parquet {
	t.Helper()
	cfg.Store, cfg.Prefix, cfg.Tasks, cfg.RollRows = store, "lake", schemas.Tasks(), 10
	sink, err := parquetsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for part := range 2 {
		src := schemas.SourceID{Pipeline: "p", Topic: "a topic", Partition: part}
		if _, _, err := sink.Resume(t.Context(), src, 0); err != nil {
			t.Fatal(err)
		}
		for first := int64(0); first < 80; first += 20 {
			r, rows := sinktest.Make(src, first, first+20)
			if err := sink.Write(t.Context(), r, rows, func(err error) {
				if err != nil {
					t.Error(err)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := sink.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return audit.Parquet{Store: store, Prefix: "lake", Layout: cfg.Layout}
}

// TestAChainOfStreamsIsAudited, whole and with a file of its middle taken away.
func TestAChainOfStreamsIsAudited(t *testing.T) {
	dir := t.TempDir()
	store, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg := parquetsink.NewDefaultConfig()
	cfg.Format, cfg.Compression = parquetsink.ArrowStream, parquetsink.LZ4
	out := chainOf(t, store, cfg)
	got, err := audit.All(t.Context(), out, "p")
	if err != nil || len(got) != 2 || !got[0].OK() || got[0].Files < 3 || got[0].Next != 80 || got[0].Computed+got[0].Dead+got[0].Skipped+got[0].Lost != 80 {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := os.Remove(filepath.Join(dir, "lake", "p", "a%20topic", "0", fmt.Sprintf("%020d.arrows", 20))); err != nil {
		t.Fatal(err)
	}
	got, err = audit.All(t.Context(), out, "p")
	if err != nil || got[0].OK() || len(got[0].Gaps) != 1 || got[0].Gaps[0].First != 20 || !got[1].OK() {
		t.Errorf("without a file: %+v, %v", got, err)
	}
}

func TestAChainWithEveryFateIsFound(t *testing.T) {
	out := chain(t, sinktest.NewMemStore(), parquetsink.Plain)
	got, err := audit.All(t.Context(), out, "p")
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, r := range got {
		if !r.OK() || r.Topic != "a topic" || r.Partition != i || r.Next != 80 || r.Files < 3 || r.Lost != 1 || len(r.LostAt) != 1 || r.LostAt[0].Next-r.LostAt[0].First != 1 || r.Computed+r.Dead+r.Skipped+r.Lost != 80 ||
			fmt.Sprint(r.Covered) != "[{0 80}]" || len(r.Gaps)+len(r.Twice) != 0 {
			t.Errorf("%+v", r)
		}
	}
	if none, err := audit.All(t.Context(), out, "another"); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
}

// TestHowFarAnOutputHasComeIsWhatAnAuditCounts compares the words of files with their rows, whole and with a file lost.
func TestHowFarAnOutputHasComeIsWhatAnAuditCounts(t *testing.T) {
	src := schemas.SourceID{Pipeline: "p", Topic: "a topic", Partition: 1}
	for _, layout := range parquetsink.Layouts() {
		root := t.TempDir()
		store, err := dirstore.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		out := chain(t, store, layout)
		for _, lost := range []bool{false, true} {
			if lost {
				names, err := store.List(t.Context(), layout.Dir("lake", src), "")
				if err != nil || len(names) < 3 {
					t.Fatal(names, err)
				}
				remove(t, filepath.Join(root, names[1]))
			}
			r, err := audit.Of(t.Context(), out, src)
			if err != nil {
				t.Fatal(err)
			}
			w, err := audit.HowFar(t.Context(), out, src, audit.Whole)
			if err != nil {
				t.Fatal(err)
			}
			missing := int64(0)
			for _, g := range r.Gaps {
				missing += g.Next - g.First
			}
			if w.Next != r.Next || w.Computed != r.Computed || w.Dead != r.Dead || w.Skipped != r.Skipped || w.Lost != r.Lost || w.Rows != r.Rows || w.Files != r.Files || w.Missing != missing || (missing > 0) != lost || w.Last == nil {
				t.Errorf("%s: %+v, and the audit says %+v", layout, w, r)
			}
		}
		if w, err := audit.HowFar(t.Context(), out, schemas.SourceID{Pipeline: "p", Topic: "another"}, audit.Whole); err != nil || *w != (audit.Written{}) {
			t.Errorf("of nothing: %+v, %v", w, err)
		}
	}
	plain := parts{{Name: "a", Range: schemas.Range{Span: schemas.Span{Next: 2}, Dead: span(1, 2)}, Rows: []audit.Row{row(0, "a")}}, {Name: "b", Range: schemas.Range{Span: schemas.Span{First: 4, Next: 5}}, Rows: []audit.Row{row(4, "b")}}}
	if w, err := audit.HowFar(t.Context(), plain, schemas.SourceID{Pipeline: "p", Topic: "t"}, audit.Whole); err != nil || *w != (audit.Written{Next: 5, Computed: 2, Dead: 1, Missing: 2, Rows: 2, Files: 2}) {
		t.Errorf("of an output that is read for it: %+v, %v", w, err)
	}
}

// TestAnInjectedLossAndAnInjectedDuplicateAreFoundByOffset does to a chain's files what must not happen to them.
func TestAnInjectedLossAndAnInjectedDuplicateAreFoundByOffset(t *testing.T) {
	src := schemas.SourceID{Pipeline: "p", Topic: "a topic"}
	for _, layout := range parquetsink.Layouts() {
		t.Run(string(layout), func(t *testing.T) { injected(t, layout, src) })
	}
}

func injected(t *testing.T, layout parquetsink.Layout, src schemas.SourceID) {
	var root string
	at := func(offset int64) string {
		dir := filepath.Join(root, layout.Dir("lake", src))
		days, err := filepath.Glob(filepath.Join(dir, "day=2*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(days) > 0 {
			dir = days[0]
		}
		return filepath.Join(dir, fmt.Sprintf("%020d.parquet", offset))
	}
	for _, c := range []struct {
		name   string
		harm   func(t *testing.T)
		want   string
		gaps   string
		twice  string
		faults int64
	}{
		{"a file is lost", func(t *testing.T) { remove(t, at(20)) }, "no file covers offsets 20 to 39", "[{20 40}]", "[]", 1},
		{"the first file is lost", func(t *testing.T) { remove(t, at(0)) }, "no file covers offsets 0 to 19", "[{0 20}]", "[]", 1},
		{"a file is there twice, under another name", func(t *testing.T) {
			if err := os.Link(at(20), at(41)); err != nil {
				t.Fatal(err)
			}
		}, "says that it begins at offset 20", "[]", "[{20 40}]", 2},
		{"two files are lost, not side by side", func(t *testing.T) {
			remove(t, at(0))
			remove(t, at(40))
		}, "no file covers offsets 40 to 59", "[{0 20} {40 60}]", "[]", 2},
		{"a file is cut", func(t *testing.T) {
			if err := os.Truncate(at(20), 1000); err != nil {
				t.Fatal(err)
			}
		}, "cannot be read", "[{20 40}]", "[]", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			root = t.TempDir()
			store, err := dirstore.Open(root)
			if err != nil {
				t.Fatal(err)
			}
			out := chain(t, store, layout)
			c.harm(t)
			r, err := audit.Of(t.Context(), out, src)
			if err != nil {
				t.Fatal(err)
			}
			if r.OK() || r.Faults != c.faults || !strings.Contains(strings.Join(r.Offences, "; "), c.want) || fmt.Sprint(r.Gaps) != c.gaps || fmt.Sprint(r.Twice) != c.twice || r.Next != 80 {
				t.Errorf("%+v\nwant %q", r, c.want)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// parts is an output of given parts.
type parts []audit.Part

func (p parts) Sources(context.Context, string) ([]schemas.SourceID, error) {
	return []schemas.SourceID{{Pipeline: "p", Topic: "t"}}, nil
}

func (p parts) Partitions(context.Context, string, string) ([]int, error) { return []int{0}, nil }

func (p parts) Parts(_ context.Context, _ schemas.SourceID, each func(audit.Part) error) error {
	for _, x := range p {
		if err := each(x); err != nil {
			return err
		}
	}
	return nil
}

func row(offset int64, id string) audit.Row {
	return audit.Row{Source: schemas.SourceID{Topic: "t"}, Offset: offset, ID: id}
}

func span(first, next int64) []schemas.Span { return []schemas.Span{{First: first, Next: next}} }

func TestEveryOffenceIsNamedByItsOffset(t *testing.T) {
	for _, c := range []struct {
		name string
		r    schemas.Range
		rows []audit.Row
		want string // "" for none
	}{
		{"nothing wrong", schemas.Range{Span: schemas.Span{Next: 3}, Dead: span(1, 2), Skipped: span(2, 3)}, []audit.Row{row(0, "a")}, ""},
		{"more skipped offsets than any memory holds", schemas.Range{Span: schemas.Span{Next: 1 << 50}, Skipped: span(0, 1<<50-1)}, []audit.Row{row(1<<50-1, "a")}, ""},
		{"the same reference at two offsets", schemas.Range{Span: schemas.Span{Next: 2}}, []audit.Row{row(0, "a"), row(1, "a")}, ""},
		{"two windows of one offset, out of order", schemas.Range{Span: schemas.Span{Next: 2}}, []audit.Row{row(1, "b"), row(0, "a"), row(1, "c")}, ""},
		{"a row twice", schemas.Range{Span: schemas.Span{Next: 1}}, []audit.Row{row(0, "a"), row(0, "a")}, "offset 0: row a is there twice"},
		{"an offset without fate", schemas.Range{Span: schemas.Span{Next: 2}}, []audit.Row{row(0, "a")}, "offset 1 has no row"},
		{"many offsets without fate", schemas.Range{Span: schemas.Span{Next: 1 << 40}}, []audit.Row{row(0, "a")}, "offset 1 and those up to 1099511627775"},
		{"an offset without fate in the middle", schemas.Range{Span: schemas.Span{Next: 3}, Dead: span(2, 3)}, []audit.Row{row(0, "a")}, "offset 1 has no row"},
		{"a row and a dead letter", schemas.Range{Span: schemas.Span{Next: 1}, Dead: span(0, 1)}, []audit.Row{row(0, "a")}, "offset 0 is a row and dead"},
		{"a row among skipped ones", schemas.Range{Span: schemas.Span{Next: 9}, Skipped: span(0, 9)}, []audit.Row{row(5, "a")}, "offset 5 is skipped and a row"},
		{"a row outside of its file", schemas.Range{Span: schemas.Span{First: 0, Next: 1}}, []audit.Row{row(0, "a"), row(1, "b")}, "offset 1 (a row) is outside"},
		{"dead offsets outside of their file", schemas.Range{Span: schemas.Span{Next: 1}, Dead: span(1, 4)}, []audit.Row{row(0, "a")}, "offset 1 (dead) is outside"},
		{"a row of another partition", schemas.Range{Span: schemas.Span{Next: 1}}, []audit.Row{{Source: schemas.SourceID{Topic: "t", Partition: 1}, ID: "a"}}, "says that it is of t/1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := audit.Of(t.Context(), parts{{Name: "x", Range: c.r, Rows: c.rows}}, schemas.SourceID{Topic: "t"})
			if err != nil || r.OK() != (c.want == "") || !strings.Contains(strings.Join(r.Offences, "; "), c.want) {
				t.Fatalf("offences %v, %v, want %q", r.Offences, err, c.want)
			}
		})
	}
}

func TestTheLogsOwnWordIsCompared(t *testing.T) {
	covered := func(next int64) parts {
		if next == 0 {
			return nil
		}
		return parts{{Name: "x", Range: schemas.Range{Span: schemas.Span{Next: next}, Skipped: span(0, next)}}}
	}
	for _, c := range []struct {
		name     string
		next     int64
		log      audit.Log
		fromLast bool
		want     string
		lag      int64
	}{
		{"all is read", 10, audit.Log{End: 10, Committed: 10}, false, "", 0},
		{"the commit is behind: it is only a hint", 10, audit.Log{End: 15, Committed: 3}, false, "", 5},
		{"never committed", 10, audit.Log{End: 10, Committed: -1}, false, "", 0},
		{"a commit before it was durable", 10, audit.Log{End: 15, Committed: 12}, false, "offsets 10 to 11 are committed", 5},
		{"a commit without any output", 0, audit.Log{End: 15, Committed: 15}, false, "offsets 0 to 14 are committed", 15},
		{"a commit without any output, of a pipeline that begins at the end", 0, audit.Log{End: 15, Committed: 12}, true, "", 3},
		{"retention before reading", 10, audit.Log{Begin: 12, End: 15, Committed: 10}, false, "offsets 10 to 11 are gone", 3},
		{"retention before the first reading", 0, audit.Log{Begin: 12, End: 15, Committed: -1}, false, "", 3},
		{"a topic that was made again", 10, audit.Log{End: 3, Committed: 2}, false, "beyond the log's end 3", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := audit.Of(t.Context(), covered(c.next), schemas.SourceID{Topic: "t"})
			if err != nil {
				t.Fatal(err)
			}
			r.CompareLog(c.log, c.fromLast, false)
			if r.OK() != (c.want == "") || !strings.Contains(strings.Join(r.Offences, "; "), c.want) || r.Log.Lag != c.lag {
				t.Errorf("%v, lag %d, want %q, %d", r.Offences, r.Log.Lag, c.want, c.lag)
			}
		})
	}
}

// TestWhatABestEffortOutputLacksAtItsEndIsNoFault: nothing came behind it yet that would say that it lacks it. Another log than the one that it was written from is a fault all the same.
func TestWhatABestEffortOutputLacksAtItsEndIsNoFault(t *testing.T) {
	for _, c := range []struct {
		log   audit.Log
		notes string // the last of them
		fault bool
	}{
		{audit.Log{End: 15, Committed: 12}, "offsets 10 to 11 are committed, and the output does not cover them", false},
		{audit.Log{Begin: 12, End: 15, Committed: 10}, "offsets 10 to 11 are gone from the log by its retention, and the output does not cover them", false},
		{audit.Log{End: 3, Committed: 2}, "", true},
	} {
		r := &audit.Report{Next: 10, Files: 1}
		r.CompareLog(c.log, false, true)
		if r.OK() == c.fault || strings.Join(r.Notes, "; ") != c.notes || r.Log.Committed != c.log.Committed {
			t.Errorf("%+v: %v, notes %v", c.log, r.Offences, r.Notes)
		}
	}
}

func TestEveryDeadOffsetNeedsItsLetter(t *testing.T) {
	out := parts{{Name: "x", Range: schemas.Range{Span: schemas.Span{Next: 10}, Dead: []schemas.Span{{First: 2, Next: 4}, {First: 6, Next: 8}}, Skipped: []schemas.Span{{First: 0, Next: 2}, {First: 4, Next: 6}, {First: 8, Next: 10}}}}}
	for _, c := range []struct {
		name     string
		letters  map[int64]bool
		complete bool
		want     audit.Letters
		offence  string
	}{
		{"all are there", map[int64]bool{2: true, 3: true, 6: true, 7: true}, true, audit.Letters{Found: 4}, ""},
		{"strays and what comes next", map[int64]bool{2: true, 3: true, 6: true, 7: true, 1: true, 12: true}, true, audit.Letters{Found: 4, Stray: 1, Pending: 1}, ""},
		{"two are missing", map[int64]bool{2: true, 7: true}, true, audit.Letters{Found: 2, Missing: 2}, "offsets 3 to 3 are dead"},
		{"two are missing from a topic that forgets", map[int64]bool{2: true, 7: true}, false, audit.Letters{Found: 2, Missing: 2}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := audit.Of(t.Context(), out, schemas.SourceID{Topic: "t"})
			if err != nil {
				t.Fatal(err)
			}
			r.CompareLetters(c.letters, c.complete)
			if *r.Letters != c.want || r.OK() != (c.offence == "") || !strings.Contains(strings.Join(r.Offences, "; "), c.offence) || !c.complete && len(r.Notes) != 1 {
				t.Errorf("%+v, %v, %v", r.Letters, r.Offences, r.Notes)
			}
		})
	}
}

func TestPartitionsOfATopicAreFoundByItsOwnDirectoryAlone(t *testing.T) {
	for layout, dir := range map[parquetsink.Layout]string{parquetsink.Plain: "lake/p/", parquetsink.Hive: "lake/pipeline=p/source="} {
		store := sinktest.NewMemStore()
		out := chain(t, store, layout)
		var listed []string
		store.Faults = func(op sinktest.Op) sinktest.Fault {
			listed = append(listed, fmt.Sprint(op.Kind, " ", op.Name))
			return sinktest.Fault{}
		}
		for topic, want := range map[string]string{"a topic": "[0 1]", "a": "[]"} {
			listed = nil
			got, err := out.Partitions(t.Context(), "p", topic)
			if at := "list " + dir + strings.ReplaceAll(topic, " ", "%20") + "/"; err != nil || fmt.Sprint(got) != want || len(listed) != 1 || listed[0] != at {
				t.Errorf("%s: %v, %v by %q, want %s by %s", topic, got, err, listed, want, at)
			}
		}
	}
}

func TestAnOutputThatCannotBeReadIsAnErrorAndNoOffence(t *testing.T) {
	st := sinktest.NewMemStore()
	out := chain(t, st, parquetsink.Plain)
	st.Faults = func(sinktest.Op) sinktest.Fault { return sinktest.Fault{Err: sinktest.ErrFault} }
	if _, err := audit.All(t.Context(), out, "p"); !errors.Is(err, sinktest.ErrFault) {
		t.Errorf("%v", err)
	}
}

// TestTheEndOfADayIsAccountedFor takes the file away that ends a hive chain's beginning, moves a file to another day, and asks with the wrong layout.
func TestTheEndOfADayIsAccountedFor(t *testing.T) {
	src := schemas.SourceID{Pipeline: "p", Topic: "a topic"}
	st := sinktest.NewMemStore()
	out := chain(t, st, parquetsink.Hive)
	r, err := audit.Of(t.Context(), out, src)
	if err != nil || !r.OK() || r.Next != 80 || r.Files < 4 {
		t.Fatalf("%+v, %v", r, err)
	}
	names, err := st.List(t.Context(), out.Layout.Dir("lake", src), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		as   func(i int, name string) string // "" leaves it out
		want string
	}{
		{"a file of another day", func(i int, name string) string {
			if i == 2 {
				return strings.Replace(name, "/day=2", "/day=3", 1)
			}
			return name
		}, "somebody renamed or copied it"},
		{"a file beside the days", func(i int, name string) string {
			if i == 2 {
				return out.Layout.Dir("lake", src) + "/x.parquet"
			}
			return name
		}, "somebody renamed or copied it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			harmed := sinktest.NewMemStore()
			for i, n := range names {
				o, _ := st.Stat(t.Context(), n)
				b, _ := st.Read(t.Context(), n, 0, o.Size)
				if err := harmed.PutIfAbsent(t.Context(), c.as(i, n), b, o.Meta); err != nil {
					t.Fatal(err)
				}
			}
			r, err := audit.Of(t.Context(), audit.Parquet{Store: harmed, Prefix: "lake", Layout: parquetsink.Hive}, src)
			if err != nil || r.OK() || !strings.Contains(strings.Join(r.Offences, "; "), c.want) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	if _, err := audit.All(t.Context(), audit.Parquet{Store: st, Prefix: "lake"}, "p"); err == nil || !strings.Contains(err.Error(), "files of layout hive") {
		t.Errorf("an audit of the other layout: %v", err)
	}
}
