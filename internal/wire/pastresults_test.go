package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/internal/audit"
	"vecmill/internal/backfill/ledger"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// archive is a store with files of a pipeline of two heads, and what is asked of it.
type archive struct {
	t      *testing.T
	store  *sinktest.MemStore
	format parquetsink.Format // "": Parquet
}

func (a *archive) kinds() []ledger.Kind {
	return []ledger.Kind{{Pipeline: "p", Model: "m", Preprocess: "pre", Head: "said", Options: "o1"}, {Pipeline: "p", Model: "m", Preprocess: "pre", Head: "again", Options: "o2"}}
}

// rows are what heads make of an object of some windows.
func (a *archive) rows(offset int64, content string, windows int, text string) (all []schemas.Row) {
	for w := range windows {
		for _, k := range a.kinds() {
			l := schemas.Lineage{
				RefID: fmt.Sprint("ref", offset), URI: fmt.Sprint("s3://box/", offset), ETag: "e", ContentHash: content, Modality: schemas.Audio, Model: "old name", ModelDigest: k.Model, PreprocessDigest: k.Preprocess,
				Head: k.Head, Task: schemas.TaskTranscript, Topic: "t", Offset: offset, Window: w, WindowStart: float64(w), WindowEnd: float64(w) + 0.1, CreatedAt: time.UnixMicro(1),
				Attributes: map[string]string{"tenant": "other", "vecmill.charset": "utf-8", "vecmill.other": "a producer's"},
			}
			l.RowID = schemas.RowID(&l)
			all = append(all, schemas.Row{Lineage: l, Payload: schemas.Payload{Text: fmt.Sprint(content, w, k.Head, text), Score: 0.1 * float32(w)}})
		}
	}
	return all
}

// write writes a file.
func (a *archive) write(topic string, first int64, rows []schemas.Row, deletes ...schemas.Deletion) {
	a.t.Helper()
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Tasks = a.store, []schemas.Task{schemas.TaskTranscript}
	cfg.Metadata = map[string]string{headsKey: "said=o1,again=o2"}
	if a.format != "" {
		cfg.Format = a.format
	}
	sink, err := parquetsink.New(cfg)
	if err != nil {
		a.t.Fatal(err)
	}
	r := schemas.Range{Source: schemas.SourceID{Pipeline: "p", Topic: topic}, Span: schemas.Span{First: first, Next: first}, Deletes: deletes}
	for i := range rows {
		rows[i].Topic, r.Next = topic, rows[i].Offset+1
	}
	for _, d := range deletes {
		r.Next = max(r.Next, d.Offset+1)
	}
	if _, _, err := sink.Resume(a.t.Context(), r.Source, first); err != nil {
		a.t.Fatal(err)
	}
	if err := sink.Write(a.t.Context(), r, rows, func(err error) {
		if err != nil {
			a.t.Error(err)
		}
	}); err != nil {
		a.t.Fatal(err)
	}
	if err := sink.Close(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

// open looks where results are.
func (a *archive) open() (*pastResults, *resultFiles) {
	a.t.Helper()
	f := newResultFiles(a.store, a.store, mostPastBytes)
	f.list = func(ctx context.Context) ([]string, error) {
		return audit.Parquet{Store: a.store}.Names(ctx, "p")
	}
	r := newPastResults(f)
	r.model, r.kinds, r.log = "new name", a.kinds(), slog.New(slog.DiscardHandler)
	a.t.Cleanup(r.close)
	if err := f.look(a.t.Context(), r); err != nil || len(f.names) == 0 {
		a.t.Fatal(f.names, err)
	}
	return r, f
}

func (a *archive) give(r *pastResults, content string, ref schemas.Ref) []schemas.Row {
	return r.give(a.t.Context(), &embed.Job{Ref: ref, Content: content})
}

// asked are the rows that an engine would make.
func asked(rows []schemas.Row) []schemas.Row {
	for i := range rows {
		l := &rows[i].Lineage
		rows[i].Lineage = schemas.Lineage{
			Modality: l.Modality, Model: "new name", ModelDigest: l.ModelDigest, PreprocessDigest: l.PreprocessDigest, Head: l.Head, Task: l.Task, Window: l.Window, WindowStart: l.WindowStart, WindowEnd: l.WindowEnd,
			Attributes: map[string]string{"vecmill.charset": "utf-8"},
		}
	}
	return rows
}

// TestResultsAreThoseOfAnEngine has objects of many windows, whose rows are in several row groups, beside small ones, in several files; they are asked for in any order, and twice.
func TestResultsAreThoseOfAnEngine(t *testing.T) {
	for _, format := range []parquetsink.Format{parquetsink.Parquet, parquetsink.ArrowStream} {
		t.Run(string(format), func(t *testing.T) {
			a := &archive{t, sinktest.NewMemStore(), format}
			long := strings.Repeat("long ", 1<<20)
			var rows []schemas.Row
			for o := range int64(4) {
				text := ""
				if o == 1 {
					text = long
				}
				rows = append(rows, a.rows(o, fmt.Sprint("c", o), 4, text)...)
			}
			a.write("t", 0, rows)
			a.write("u", 0, a.rows(0, "c9", 1, ""))
			r, f := a.open()
			if len(f.names) != 2 || isStream(f.names[0]) != (format == parquetsink.ArrowStream) || len(f.parts[0]) < 2 {
				t.Fatalf("%v have the parts %v", f.names, f.parts)
			}
			for _, o := range []int64{3, 0, 1, 1, 2, 9, 3} {
				content, text, windows := fmt.Sprint("c", o), "", 4
				switch o {
				case 9:
					windows = 1
				case 1:
					text = long
				}
				if got, want := a.give(r, content, schemas.Ref{ID: "new"}), asked(a.rows(o, content, windows, text)); !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %d rows, want %d", content, len(got), len(want))
				}
			}
			if got := a.give(r, "c4", schemas.Ref{}); got != nil {
				t.Errorf("%d rows of a content that nobody has", len(got))
			}
			slices.Reverse(r.kinds) // the heads are configured in another order now
			got, want := a.give(r, "c3", schemas.Ref{}), asked(a.rows(3, "c3", 4, ""))
			for w := range 4 {
				want[2*w], want[2*w+1] = want[2*w+1], want[2*w]
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("in another order: %+v", got)
			}
		})
	}
}

// TestWhatIsNotTheSameIsNotGiven has rows with something beside their text, of another model or preprocessing, without one of the heads or windows, deleted, and two objects of one record.
func TestWhatIsNotTheSameIsNotGiven(t *testing.T) {
	a := &archive{t: t, store: sinktest.NewMemStore()}
	pair, empty := "second", ""
	paired := schemas.Ref{ID: "pair", TextPair: &pair}
	var rows []schemas.Row
	for o, change := range []func([]schemas.Row) []schemas.Row{
		0: func(r []schemas.Row) []schemas.Row {
			for i := range r {
				r[i].Attributes = map[string]string{schemas.CompanionNote: "text_pair", schemas.CompanionHashNote: paired.CompanionHash()}
			}
			return r
		},
		1: func(r []schemas.Row) []schemas.Row { r[0].ModelDigest, r[1].ModelDigest = "other", "other"; return r },
		2: func(r []schemas.Row) []schemas.Row { r[0].PreprocessDigest, r[1].PreprocessDigest = "x", "x"; return r },
		3: func(r []schemas.Row) []schemas.Row { return r[:1] },
		4: func(r []schemas.Row) []schemas.Row { return r }, // is deleted behind
		5: func(r []schemas.Row) []schemas.Row { // two objects of one record
			other := a.rows(5, "c6", 1, "")
			other[0].RefID, other[1].RefID = "second", "second"
			return append(r, other...)
		},
		6: func(r []schemas.Row) []schemas.Row { return r[:0] },
		7: func(r []schemas.Row) []schemas.Row { return append(r, r[0]) }, // of which one is too many
		8: func(r []schemas.Row) []schemas.Row { // the first window is lost
			r[0].Window, r[1].Window = 1, 1
			return r
		},
	} {
		if r := change(a.rows(int64(o), fmt.Sprint("c", o), 1, "")); len(r) > 0 {
			rows = append(rows, r...)
		} else {
			rows = append(rows, a.rows(int64(o), "other", 1, "")...)
		}
	}
	a.write("t", 0, rows)
	a.write("t", 9, nil, schemas.Deletion{Offset: 9, RefID: "ref4"})
	r, _ := a.open()
	for _, c := range []struct {
		content string
		ref     schemas.Ref
		want    bool
	}{
		{"c0", paired, true},
		{"c0", schemas.Ref{}, false},
		{"c0", schemas.Ref{Question: "second"}, false},
		{"c0", schemas.Ref{TextPair: &empty}, false},
		{"c1", schemas.Ref{}, false},
		{"c2", schemas.Ref{}, false},
		{"c3", schemas.Ref{}, false},
		{"c4", schemas.Ref{}, false},
		{"c5", schemas.Ref{}, true},
		{"c5", paired, false},
		{"c5", schemas.Ref{TextPair: &empty}, false},
		{"c6", schemas.Ref{}, true},
		{"c7", schemas.Ref{}, false},
		{"c8", schemas.Ref{}, false},
	} {
		got := a.give(r, c.content, c.ref)
		if (got != nil) != c.want || c.want && (len(got) != 2 || !strings.HasPrefix(got[1].Text, c.content)) {
			t.Errorf("%s with %q beside it: %d rows, known: %v", c.content, c.ref.Companion(), len(got), !c.want)
		}
	}
}

// damage spoils the first page of a file, which is of its lineage; its footer stays.
func (a *archive) damage(name string) {
	a.t.Helper()
	o, err := a.store.Stat(a.t.Context(), name)
	if err != nil {
		a.t.Fatal(err)
	}
	body, err := a.store.Read(a.t.Context(), name, 0, o.Size)
	if err != nil {
		a.t.Fatal(err)
	}
	for i := range 64 {
		body[4+i] ^= 0xff
	}
	if err := a.store.Put(a.t.Context(), name, body, ""); err != nil {
		a.t.Fatal(err)
	}
}

// TestAFileThatCannotBeReadIsPassedOver has three files, of which one is damaged before the start, and one behind it: what they have is computed, and the third gives what it has. A start that is told to stop says so.
func TestAFileThatCannotBeReadIsPassedOver(t *testing.T) {
	a := &archive{t: t, store: sinktest.NewMemStore()}
	for i, topic := range []string{"t", "u", "v"} {
		a.write(topic, 0, a.rows(0, fmt.Sprint("c", i), 1, ""))
	}
	_, f := a.open()
	names := f.names
	if len(names) != 3 {
		t.Fatal(names)
	}
	a.damage(names[0])
	r, results := a.open()
	a.damage(names[1])
	for content, want := range map[string]int{"c0": 0, "c1": 0, "c2": 2} {
		if got := a.give(r, content, schemas.Ref{ID: "new"}); len(got) != want {
			t.Errorf("%s: %d rows, want %d", content, len(got), want)
		}
	}
	if results.cut[0] == nil || results.cut[2] != nil {
		t.Errorf("files of which not all is known: %v", results.cut)
	}
	results.cut[2] = errors.New("the next batch is damaged")
	if got := a.give(r, "c2", schemas.Ref{ID: "newer"}); len(got) != 0 {
		t.Errorf("%d rows of an object that may have more behind what could be read", len(got))
	}
	ctx, stop := context.WithCancel(t.Context())
	files := outputFiles{store: a.store, names: results.names, lanes: 1}
	if err := files.read(ctx, func(ctx context.Context, n int, f notedFile, all *noted) error {
		stop()
		return results.note(ctx, r, n, f, all)
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("of a start that is told to stop: %v", err)
	}
}

func TestAStartSaysHowFarItIs(t *testing.T) {
	var said bytes.Buffer
	r := &pastResults{log: slog.New(slog.NewTextHandler(&said, nil))}
	now := time.Unix(1e9, 0)
	tell := r.told(func() time.Time { return now })
	for i := range 25 {
		now = now.Add(time.Second)
		tell(i+1, 25)
	}
	if text := said.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "read=10 files=25") || !strings.Contains(text, "read=20 files=25") {
		t.Errorf("of 25 seconds it says:\n%s", text)
	}
}

func TestHeadsThatOutputsCannotSayAreWarnedOf(t *testing.T) {
	for n, want := range map[int]int{0: 0, 4: 0, 40: 1} {
		var said bytes.Buffer
		all := make([]headOptions, n)
		for i := range all {
			all[i] = headOptions{fmt.Sprint("head", i), "0123456789ab"}
		}
		warnOfHeads(slog.New(slog.NewTextHandler(&said, nil)), "p", len(all), all)
		if strings.Count(said.String(), "level=WARN") != want {
			t.Errorf("of %d heads: %s", n, said.String())
		}
	}
}

// digested is a preprocessor of which its digest alone is asked.
type digested struct{ embed.Preprocessor }

func (digested) Digest() string { return "p" }

// TestAHeadWithoutADigestLeavesNothingComplete: what the other head of the pipeline has made is not the object's whole work.
func TestAHeadWithoutADigestLeavesNothingComplete(t *testing.T) {
	m := &loadedModel{heads: make([]embed.Head, 2), options: []headOptions{{"embedding", "0123456789ab"}}, pre: digested{}}
	p := config.NewDefaultPipeline()
	if got := kindsOf(&p, m); got != nil {
		t.Errorf("of two heads %+v is all that a pipeline computes", got)
	}
	var said bytes.Buffer
	warnOfHeads(slog.New(slog.NewTextHandler(&said, nil)), "p", 2, m.options)
	if !strings.Contains(said.String(), "have no digest") {
		t.Errorf("the start says %q", said.String())
	}
	m.heads = m.heads[:1]
	if got := kindsOf(&p, m); len(got) != 1 {
		t.Errorf("of one head %+v", got)
	}
}
