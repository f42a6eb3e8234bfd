package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"vecmill/internal/audit"
	"vecmill/internal/backfill/ledger"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
)

// TestPipelinesAreAskedForWhatTheyTakeAlone has two pipelines of one modality, each of which takes some of the texts, or all; what one of them alone lacks is computed by it alone.
func TestPipelinesAreAskedForWhatTheyTakeAlone(t *testing.T) {
	l := newLake(t, 30)
	other := l.beside("other")
	of := func(first, second string) { l.conf.Pipelines[0].Where, other.Where = first, second }
	computed := func(name string, want ...int64) {
		t.Helper()
		for i, s := range l.runAt(t, filepath.Join(l.out, name), name) {
			if s.Stream.Computed != want[i] || len(s.Stream.Dead) != 0 {
				t.Errorf("%s: %d computed by %s, want %d; dead: %v", name, s.Stream.Computed, s.Pipeline, want[i], s.Stream.Dead)
			}
		}
	}
	of(`ref.uri.contains("/00")`, `!ref.uri.contains("/00")`)
	p := l.plan(t, "first", PlanOptions{Estimate: EstimateOptions{For: time.Millisecond}})
	if p.Items != 30 || len(p.Expected) != 2 || p.Expected[0].Items != 10 || p.Expected[1].Items != 20 {
		t.Fatalf("%+v, expected %+v", p.Counts, p.Expected)
	}
	computed("first", 10, 20)
	if p := l.plan(t, "second", PlanOptions{}); p.Items != 0 || p.Known != 30 {
		t.Errorf("all is computed by who takes it: %+v", p.Counts)
	}
	of("", "")
	if p := l.plan(t, "third", PlanOptions{}); p.Items != 30 || p.Known != 0 {
		t.Errorf("each is lacking in one: %+v", p.Counts)
	}
	computed("third", 20, 10)
	of("", `topic == "live"`)
	if p := l.plan(t, "fourth", PlanOptions{}); p.Items != 0 || p.Known != 30 {
		t.Errorf("a pipeline that may take all has all: %+v", p.Counts)
	}
}

// TestWhatAnotherPipelineHasIsNotKnown has two that differ in nothing but their names and outputs.
func TestWhatAnotherPipelineHasIsNotKnown(t *testing.T) {
	l := newLake(t, 5)
	l.plan(t, "first", PlanOptions{})
	l.run(t, "first")
	l.beside("other").Text = l.conf.Pipelines[0].Text
	if p := l.plan(t, "second", PlanOptions{}); p.Items != 5 || p.Known != 0 {
		t.Fatalf("%+v", p.Counts)
	}
	for i, s := range l.runAt(t, filepath.Join(l.out, "second"), "second") {
		if want := int64(5 * i); s.Stream.Computed != want {
			t.Errorf("%d computed by %s, want %d", s.Stream.Computed, s.Pipeline, want)
		}
	}
	if p := l.plan(t, "third", PlanOptions{}); p.Items != 0 || p.Known != 5 {
		t.Errorf("%+v", p.Counts)
	}
}

// TestAReferenceIsNoPipelinesAloneThatMayNotTakeIt has one that takes what comes in a topic, or what has no route.
func TestAReferenceIsNoPipelinesAloneThatMayNotTakeIt(t *testing.T) {
	for _, where := range []string{`topic == "live"`, `ref.route == ""`} {
		l := newLake(t, 5)
		l.plan(t, "first", PlanOptions{})
		l.run(t, "first")
		l.beside("other").Where = where
		if p := l.plan(t, "second", PlanOptions{}); p.Items != 5 || p.Known != 0 {
			t.Errorf("%s: %+v", where, p.Counts)
		}
		for _, ref := range l.references(t, "second", 5) {
			if !json.Valid(ref) || bytes.Contains(ref, []byte(`"route"`)) {
				t.Errorf("%s: %s", where, ref)
			}
		}
	}
}

// TestAPlanSaysOfHowManyReferencesItDoesNotKnowWhoTakesThem has a pipeline whose condition is about the topic beside one that has none.
func TestAPlanSaysOfHowManyReferencesItDoesNotKnowWhoTakesThem(t *testing.T) {
	l := newLake(t, 5)
	l.beside("other").Where = `topic == "live"`
	for range 2 { // as it is made, and as it is found
		p := l.plan(t, "first", PlanOptions{})
		b, err := json.Marshal(p)
		if err != nil || len(p.Unasked) != 1 || p.Unasked["other"] != 5 || !strings.Contains(string(b), `"unasked":{"other":5}`) {
			t.Errorf("%v, %s, %v", p.Unasked, b, err)
		}
	}
	l.conf.Pipelines[1].Where = ""
	if p := l.plan(t, "second", PlanOptions{}); p.Unasked != nil {
		t.Errorf("%v", p.Unasked)
	}
}

// references are the first n that a plan has; all if n is negative.
func (l *lake) references(t *testing.T, name string, n int) (all [][]byte) {
	t.Helper()
	list, err := OpenPlan(t.Context(), l.conf, filepath.Join(l.out, name))
	if err != nil {
		t.Fatal(err)
	}
	next, err := list.From(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if n < 0 {
		n = int(list.Len())
	}
	for range n {
		ref, err := next()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.Clone(ref))
	}
	return all
}

// TestAReferenceIsNoPipelinesAloneThatReadsAnotherTopic publishes what one pipeline lacks to the topic of one that has it.
func TestAReferenceIsNoPipelinesAloneThatReadsAnotherTopic(t *testing.T) {
	l := newLake(t, 5)
	l.plan(t, "first", PlanOptions{})
	l.run(t, "first")
	other := l.beside("other")
	for name, c := range map[string]struct {
		topics []string
		routed bool
	}{
		"of its own": {[]string{"b"}, false}, "one more": {[]string{"a", "a2", "b"}, false}, "the same": {[]string{"a2", "a"}, true},
	} {
		l.conf.Pipelines[0].Topics, other.Topics = []string{"a", "a2"}, c.topics
		if p := l.plan(t, name, PlanOptions{}); p.Items != 5 || p.Known != 0 {
			t.Fatalf("%s: %+v", name, p.Counts)
		}
		for _, ref := range l.references(t, name, 5) {
			if bytes.Contains(ref, []byte(`"route":"other"`)) != c.routed {
				t.Errorf("topics %s: %s", name, ref)
			}
		}
	}
}

// TestAnObjectIsNotKnownByItsPair has a pair computed and its object never; rows of older builds that do not say what was beside their text are nothing that is known.
func TestAnObjectIsNotKnownByItsPair(t *testing.T) {
	l := newLake(t, 1)
	object, err := l.backend.HeadObject("box", "texts/000 ü.txt")
	if err != nil {
		t.Fatal(err)
	}
	pairs := filepath.Join(t.TempDir(), "pairs.jsonl")
	line := fmt.Sprintf(`{"v":1,"id":"pair","uri":"s3://box/texts/000 ü.txt","etag":"%x","text_pair":"b"}`, object.Hash)
	if err := os.WriteFile(pairs, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.plan(t, "pair", PlanOptions{Source: pairs})
	if s := l.run(t, "pair"); s.Stream.Computed != 1 {
		t.Fatalf("%+v", s.Stream)
	}
	if p := l.plan(t, "alone", PlanOptions{}); p.Items != 1 || p.Known != 0 {
		t.Errorf("%+v", p.Counts)
	}
	kind := ledger.Kind{Pipeline: "p", Head: "h", Options: "o"}
	d := &doneWorks{set: ledger.NewSet([]ledger.Kind{kind})}
	for _, notes := range []map[string]string{{schemas.CompanionNote: "text_pair"}, {schemas.CompanionNote: "text_pair", schemas.CompanionHashNote: "00"}, {"vecmill.charset": "utf-16"}} {
		d.addRow("p", &schemas.Lineage{URI: "u", ETag: "e", Head: "h", Attributes: notes}, map[string]string{"h": "o"})
	}
	for beside, known := range map[string]bool{"00": true, "": true, "01": false} {
		if d.set.Has(&ledger.Work{Kind: kind, URI: "u", ETag: "e", Beside: beside}) != known {
			t.Errorf("beside %q: known is %v", beside, !known)
		}
	}
	if d.set.Len() != 2 {
		t.Errorf("%d works", d.set.Len())
	}
}

// together is a store that gives nothing before two files are asked for.
type together struct {
	objectstore.Store
	both chan struct{} // closed then

	mu    sync.Mutex
	asked map[string]bool
}

func (s *together) Read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	s.mu.Lock()
	if s.asked[name] = true; len(s.asked) == 2 && !s.open() {
		close(s.both)
	}
	s.mu.Unlock()
	select {
	case <-s.both:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.Store.Read(ctx, name, off, n)
}

func (s *together) open() bool {
	select {
	case <-s.both:
		return true
	default:
		return false
	}
}

// TestFilesAreReadAtTheSameTime has files that wait for each other: one by one, that is a deadlock.
func TestFilesAreReadAtTheSameTime(t *testing.T) {
	l := newLake(t, 8)
	l.conf.Pipelines[0].Outputs[0].Parquet.RollRows = 8
	l.conf.Pipelines[0].MaxInFlight = 1
	l.plan(t, "all", PlanOptions{})
	l.run(t, "all")
	p, err := PlanOnce(t.Context(), l.conf, PlanOptions{Source: "s3://box/texts/", Listers: 1, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		store, err := dirstore.Open(filepath.Join(l.out, "rows"))
		if err != nil {
			t.Fatal(err)
		}
		q := audit.Parquet{Store: &together{Store: store, both: make(chan struct{}), asked: map[string]bool{}}}
		names, err := q.Names(t.Context(), l.conf.Pipelines[0].Name)
		if err != nil || len(names) < 2 {
			t.Fatal(names, err)
		}
		told := 0
		asked := takers{l.conf, p.Models, nil}
		d := &doneWorks{takers: asked, set: asked.asked(), o: &PlanOptions{Listers: 2, Reading: func(files, of int) {
			if told++; files != told || of != len(names) {
				t.Errorf("told of %d of %d files, want %d of %d", files, of, told, len(names))
			}
		}}}
		if err := d.files(t.Context(), q, 0); err != nil {
			t.Fatal(err)
		}
		if d.set.Len() != 16 || told != len(names) {
			t.Errorf("%d works, want 16; told of %d files", d.set.Len(), told)
		}
	})
}

// leaving is a store that loses a file when it is asked about it once more.
type leaving struct {
	objectstore.Store
	name  string
	stats atomic.Int32
}

func (s *leaving) Stat(ctx context.Context, name string) (objectstore.Info, error) {
	if name == s.name && s.stats.Add(1) > 1 {
		return objectstore.Info{}, fmt.Errorf("%w: %s", objectstore.ErrNotFound, name)
	}
	return s.Store.Stat(ctx, name)
}

// TestAFileThatIsTakenAwayWhileFilesAreReadIsNoFault loses one between what it says of itself and its rows.
func TestAFileThatIsTakenAwayWhileFilesAreReadIsNoFault(t *testing.T) {
	l := newLake(t, 8)
	l.conf.Pipelines[0].Outputs[0].Parquet.RollRows = 8
	l.conf.Pipelines[0].MaxInFlight = 1
	l.plan(t, "all", PlanOptions{})
	l.run(t, "all")
	p, err := PlanOnce(t.Context(), l.conf, PlanOptions{Source: "s3://box/texts/", Listers: 1, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := dirstore.Open(filepath.Join(l.out, "rows"))
	if err != nil {
		t.Fatal(err)
	}
	store := &leaving{Store: dir}
	q := audit.Parquet{Store: store}
	names, err := q.Names(t.Context(), l.conf.Pipelines[0].Name)
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	store.name = names[0]
	told := 0
	asked := takers{l.conf, p.Models, nil}
	d := &doneWorks{takers: asked, set: asked.asked(), o: &PlanOptions{Listers: 2, Reading: func(int, int) { told++ }}}
	if err := d.files(t.Context(), q, 0); err != nil {
		t.Fatal(err)
	}
	if n := d.set.Len(); n == 0 || n >= 16 || told != len(names) || store.stats.Load() != 2 {
		t.Errorf("%d works of 16; told of %d of %d files; asked %d times", n, told, len(names), store.stats.Load())
	}
}

// TestOfAFileLittleIsKept has files that say the same of their heads: one text is kept, and none of what else they say.
func TestOfAFileLittleIsKept(t *testing.T) {
	var all noted
	info := func(rows int64) *parquetsink.FileInfo {
		return &parquetsink.FileInfo{Rows: rows, Metadata: map[string]string{headsKey: strings.Clone("embedding=00"), "a": "b"}}
	}
	a, b := all.note(info(1)), all.note(info(2))
	if a.heads != "embedding=00" || unsafe.StringData(a.heads) != unsafe.StringData(b.heads) {
		t.Errorf("%q and %q are two texts", a.heads, b.heads)
	}
	if c := all.note(info(0)); c.heads != "" {
		t.Errorf("a file without rows is read for %q", c.heads)
	}
	if n := unsafe.Sizeof(a); n > 32 {
		t.Errorf("%d bytes for each file", n)
	}
}

// TestAnObjectWithSomeOfItsHeadsIsComputed adds a head to a pipeline that has computed its texts, then runs it over some of them: these are known with both heads, all with the first, and nobody with a third.
func TestAnObjectWithSomeOfItsHeadsIsComputed(t *testing.T) {
	l := newLake(t, 30)
	p := &l.conf.Pipelines[0]
	both := p.Heads
	counts := func(name string, heads []config.Head, items, known int64) {
		t.Helper()
		p.Heads = heads
		if p := l.plan(t, name, PlanOptions{}); p.Items != items || p.Known != known {
			t.Errorf("%s: %+v, want %d items and %d known", name, p.Counts, items, known)
		}
	}
	p.Heads = both[:1]
	l.plan(t, "one", PlanOptions{})
	l.run(t, "one")
	counts("added", both, 30, 0)
	l.plan(t, "some", PlanOptions{Include: []string{"00*"}})
	if s := l.run(t, "some"); s.Stream.Computed != 10 || s.Stream.Rows != 20 {
		t.Fatalf("%+v", s.Stream)
	}
	counts("both", both, 20, 10)
	counts("first", both[:1], 0, 30)
	third := both[0]
	third.Name = "third"
	counts("third", append(both[:2:2], third), 30, 0)
}
