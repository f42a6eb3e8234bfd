package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/schemas"
)

var quiet = slog.New(slog.DiscardHandler)

// beside gives the lake's configuration a second pipeline, which prepares texts in another way.
func (l *lake) beside(name string) *config.Pipeline {
	p := l.conf.Pipelines[0]
	p.Name, p.Group, p.Text.InvalidUTF8 = name, "vecmill-"+name, "replace"
	l.conf.Pipelines = append(l.conf.Pipelines, p)
	return &l.conf.Pipelines[len(l.conf.Pipelines)-1]
}

func (l *lake) reembed(t *testing.T, from, to string) *Reembed {
	t.Helper()
	r, err := NewReembed(l.conf, from, to, true, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// computed runs the plan of a recomputation for as long as ctx says.
func computed(t *testing.T, ctx context.Context, r *Reembed, at string) (s Stats) {
	t.Helper()
	return computedShare(t, ctx, r, at, plan.Share{})
}

func computedShare(t *testing.T, ctx context.Context, r *Reembed, at string, share plan.Share) (s Stats) {
	t.Helper()
	list, err := OpenPlan(t.Context(), r.Config, at)
	if err != nil {
		t.Fatal(err)
	}
	r.Config.Pipelines[0].Topics = []string{"manifest:" + list.Plan().Name}
	w, err := Open(t.Context(), r.Config, Options{Log: quiet, Source: PlanSource(list, ReadOptions{Share: share})})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return w.Stats()[0]
}

// TestAPairIsNeitherKnownNorComputedAgainAsItsObjectAlone has an object that was computed alone, and then with a text beside it; with that one it is known, and with no other.
func TestAPairIsNeitherKnownNorComputedAgainAsItsObjectAlone(t *testing.T) {
	l := newLake(t, 3)
	l.plan(t, "alone", PlanOptions{})
	l.run(t, "alone")
	object, err := l.backend.HeadObject("box", "texts/001 ü.txt")
	if err != nil {
		t.Fatal(err)
	}
	pairs := filepath.Join(t.TempDir(), "pairs.jsonl")
	pair := func(beside string) PlanOptions {
		t.Helper()
		line := fmt.Sprintf(`{"v":1,"id":"pair","uri":"s3://box/texts/001 ü.txt","etag":"%x","text_pair":%q}`, object.Hash, beside)
		if err := os.WriteFile(pairs, []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return PlanOptions{Source: pairs}
	}
	if p := l.plan(t, "pairs", pair("b")); p.Items != 1 || p.Known != 0 {
		t.Fatalf("a pair whose object was computed alone: %+v", p.Counts)
	}
	l.run(t, "pairs")
	for beside, known := range map[string]int64{"b": 1, "c": 0, "": 1} {
		if p := l.plan(t, "again with "+beside, pair(beside)); p.Known != known {
			t.Errorf("with %q beside a text that was computed alone and with b: %+v", beside, p.Counts)
		}
	}
	old := l.conf.Pipelines[0].Name
	l.beside("again")
	r := l.reembed(t, old, "again")
	p, err := r.Plan(t.Context(), PlanOptions{Log: quiet})
	if err != nil || p.Plan.Items != 4 {
		t.Fatalf("%+v, %v", p, err)
	}
	if s := computed(t, t.Context(), r, p.At); s.Stream.Computed != 3 || s.Stream.Dead[schemas.ReasonSchema] != 1 {
		t.Errorf("%+v", s.Stream)
	}
}

// TestWhatOnePipelineWroteIsComputedAgainBesideIt cuts the recomputation off at each step: while it plans, between plan and run, while it runs, before and behind the check. An object that is gone is a dead
// letter, which must be accepted before anything is cut over.
func TestWhatOnePipelineWroteIsComputedAgainBesideIt(t *testing.T) {
	l := newLake(t, 30)
	l.plan(t, "first", PlanOptions{})
	l.run(t, "first")
	l.put(t, "texts/004 ü.txt", "changed")
	l.plan(t, "second", PlanOptions{}) // the object has two rows now, of which the later one counts
	l.run(t, "second")
	if _, err := l.backend.DeleteObject("box", "texts/009 ü.txt"); err != nil {
		t.Fatal(err)
	}
	old := l.conf.Pipelines[0].Name
	l.beside("again")
	r := l.reembed(t, old, "again")
	o := PlanOptions{Log: quiet}

	cut, cancel := context.WithCancel(t.Context())
	o.Tell = func(backfill.Counts) { cancel() }
	if _, err := r.Plan(cut, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("cut off while it plans: %v", err)
	}
	o.Tell = nil
	p, err := r.Plan(t.Context(), o)
	if err != nil || p.Found || p.Plan.Items != 30 || p.Seen != 30 {
		t.Fatalf("%+v, %v", p, err)
	}
	if p, err = r.Plan(t.Context(), o); err != nil || !p.Found || p.Plan.Items != 30 {
		t.Fatalf("the plan is found again: %+v, %v", p, err)
	}
	if v, err := r.Verify(t.Context(), p.Plan, 0, nil); err == nil && len(v.Offences) == 0 {
		t.Errorf("nothing is computed, and it is found to be all right: %+v", v)
	}
	short, stop := context.WithCancel(t.Context())
	stop() // it ends before it has begun
	computed(t, short, r, p.At)
	if s := computed(t, t.Context(), r, p.At); s.Stream.Rows != 58 || s.Stream.Dead[schemas.ReasonFetchMissing] != 1 {
		t.Errorf("%+v", s.Stream)
	}
	if s := computed(t, t.Context(), r, p.At); s.Stream.Records != 0 {
		t.Errorf("once more: %+v", s.Stream)
	}
	v, err := r.Verify(t.Context(), p.Plan, 0, nil)
	if err != nil || len(v.Offences) != 1 || !strings.Contains(v.Offences[0], "1 references are dead letters") {
		t.Errorf("one is lacking: %+v, %v", v, err)
	}
	v, err = r.Verify(t.Context(), p.Plan, 1, nil)
	if err != nil || len(v.Offences) != 0 || v.Planned != 30 || v.Computed != 29 || v.Dead != 1 || v.Audited != 1 {
		t.Errorf("one may be lacking: %+v, %v", v, err)
	}
	l.sameReferences(t, p.Plan.Name, r)
	l.cutOver(t, r)

	files, err := filepath.Glob(filepath.Join(l.out, "rows", "again", "*", "0", "*.parquet"))
	if err != nil || len(files) == 0 || os.Remove(files[0]) != nil {
		t.Fatal(files, err)
	}
	if v, err := r.Verify(t.Context(), p.Plan, 1, nil); err == nil && len(v.Offences) == 0 {
		t.Errorf("a file is lost, and it is found to be all right: %+v", v)
	}
}

// TestWhatTheOldOutputGetsBehindThePlanIsFound has the old pipeline compute another list when the plan is made.
func TestWhatTheOldOutputGetsBehindThePlanIsFound(t *testing.T) {
	l := newLake(t, 6)
	l.plan(t, "first", PlanOptions{})
	l.run(t, "first")
	old := l.conf.Pipelines[0].Name
	l.beside("again")
	r := l.reembed(t, old, "again")
	none := &plan.Plan{Name: "none", About: json.RawMessage(`{}`)} // an earlier build's, of an output that had nothing
	if v, err := r.Verify(t.Context(), none, 0, nil); err != nil || len(v.Offences) != 1 || !strings.Contains(v.Offences[0], "has come to 6 of list first since the plan took it up to 0") {
		t.Errorf("a plan of nothing: %+v, %v", v, err)
	}
	o := PlanOptions{Log: quiet}
	p, err := r.Plan(t.Context(), o)
	if err != nil || p.Plan.Items != 6 {
		t.Fatalf("%+v, %v", p, err)
	}

	both := l.conf.Pipelines
	l.conf.Pipelines = []config.Pipeline{*r.Old}
	l.put(t, "texts/new.txt", "new")
	l.plan(t, "second", PlanOptions{})
	l.run(t, "second")
	l.conf.Pipelines = both

	computed(t, t.Context(), r, p.At)
	v, err := r.Verify(t.Context(), p.Plan, 0, nil)
	if err != nil || len(v.Offences) != 1 || !strings.Contains(v.Offences[0], "has come to 1 of list second since the plan took it up to 0") {
		t.Errorf("%+v, %v", v, err)
	}
	o.Out = t.TempDir()
	if p, err = r.Plan(t.Context(), o); err != nil || p.Plan.Items != 1 || p.Known != 6 {
		t.Fatalf("what came since: %+v, %v", p, err)
	}
	computed(t, t.Context(), r, p.At)
	if v, err := r.Verify(t.Context(), p.Plan, 0, nil); err != nil || len(v.Offences) > 0 || v.Computed != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestBoundsAreThoseThatWereSaved goes on with an enumeration.
func TestBoundsAreThoseThatWereSaved(t *testing.T) {
	want := []backfill.Bound{{Source: schemas.SourceID{Pipeline: "p", Topic: "manifest:m"}, Next: 7, Stream: 9}}
	b := &boundedSource{Source: &backfill.PastFiles{List: func(context.Context, schemas.SourceID) ([]backfill.PastFile, error) { return nil, nil }}}
	state, err := json.Marshal(map[string]any{"bounds": want, "given": 3})
	if err == nil {
		err = b.Each(t.Context(), state, func([]plan.Item, any) error { return nil })
	}
	if err != nil || !slices.Equal(b.bounds, want) {
		t.Errorf("%+v, %v", b.bounds, err)
	}
}

// TestEveryIDOfAnObjectIsComputedAgain has an object under two ids in the old output, of which the new pipeline has one, as of a stream: readers by id want the other, too.
func TestEveryIDOfAnObjectIsComputedAgain(t *testing.T) {
	l := newLake(t, 1)
	run := func(name string, ids ...string) {
		t.Helper()
		file, lines := filepath.Join(t.TempDir(), name+".jsonl"), ""
		for _, id := range ids {
			lines += fmt.Sprintf(`{"v":1,"id":%q,"uri":"s3://box/texts/000 ü.txt"}`+"\n", id)
		}
		if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		l.conf.Pipelines[0].Topics = []string{"manifest:" + name}
		w, err := Open(t.Context(), l.conf, Options{Log: quiet, Source: ManifestSource(l.conf, file, name, ReadOptions{})})
		if err == nil {
			err = w.Run(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run("both", "a", "b")
	old := l.conf.Pipelines[0]
	l.beside("again")
	l.conf.Pipelines = l.conf.Pipelines[1:]
	run("one", "b")
	l.conf.Pipelines = []config.Pipeline{old, l.conf.Pipelines[0]}
	r := l.reembed(t, old.Name, "again")
	p, err := r.Plan(t.Context(), PlanOptions{Log: quiet})
	if err != nil || p.Plan.Items != 1 || p.Known != 1 {
		t.Fatalf("planned %+v, %v", p, err)
	}
	if s := computed(t, t.Context(), r, p.At); s.Stream.Computed != 1 {
		t.Errorf("%+v", s.Stream)
	}
	l.conf.Pipelines = l.conf.Pipelines[1:]
	if p := l.plan(t, "bucket", PlanOptions{}); p.Known != 1 || p.Items != 0 {
		t.Errorf("a plan of the bucket, which has ids of its own, goes by the object: %+v", p.Counts)
	}
}

// TestRowsOfTwoModelsAreNoRecomputation has a share computed in another precision than the rest, as by a machine with a configuration of its own.
func TestRowsOfTwoModelsAreNoRecomputation(t *testing.T) {
	l := newLake(t, 6)
	l.plan(t, "first", PlanOptions{})
	l.run(t, "first")
	old := l.conf.Pipelines[0].Name
	l.beside("again")
	r := l.reembed(t, old, "again")
	p, err := r.Plan(t.Context(), PlanOptions{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if left, err := r.Left(t.Context(), p.Plan, 2); err != nil || !slices.Equal(left, []int{0, 1}[i:]) {
			t.Errorf("%v are left, %v", left, err)
		}
		computedShare(t, t.Context(), r, p.At, plan.Share{I: i, N: 2})
		r.Config.Pipelines[0].Model.Precision = "int8"
	}
	if left, err := r.Left(t.Context(), p.Plan, 2); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
	v, err := r.Verify(t.Context(), p.Plan, 0, nil)
	if err != nil || v.Computed != 6 || len(v.Offences) != 1 || !strings.Contains(v.Offences[0], "has rows of 2 models (") {
		t.Errorf("%+v, %v", v, err)
	}
}

// sameReferences compares the rows of both pipelines.
func (l *lake) sameReferences(t *testing.T, manifest string, r *Reembed) {
	t.Helper()
	want := l.rowsOf(t, "first")
	for at, row := range l.rowsOf(t, "second") {
		want[at] = row
	}
	both := l.conf.Pipelines
	l.conf.Pipelines = []config.Pipeline{*r.New}
	got := l.rowsOf(t, manifest)
	l.conf.Pipelines = both
	if len(want) != 60 || len(got) != 58 {
		t.Errorf("%d rows, and now %d", len(want), len(got))
	}
	for at, b := range got {
		a := want[at]
		if a.RefID != b.RefID || a.ETag != b.ETag || a.ContentHash != b.ContentHash || a.PreprocessDigest == b.PreprocessDigest || a.RowID == b.RowID {
			t.Errorf("%v:\n%+v\n%+v", at, a.Lineage, b.Lineage)
		}
	}
}

func (l *lake) cutOver(t *testing.T, r *Reembed) {
	t.Helper()
	steps := r.CutOver("texts")
	if len(steps) != 2 || steps[0].Do == nil || steps[1].Do != nil || !strings.Contains(steps[0].What, "/rows/again, ") {
		t.Fatalf("%+v", steps)
	}
	for range 2 {
		if err := steps[0].Do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(filepath.Join(l.out, "rows", "_current", "texts.json"))
	if err != nil || !strings.Contains(string(b), `"pipeline":"again"`) || !strings.Contains(string(b), `/rows/again"`) {
		t.Errorf("%s, %v", b, err)
	}
}

func TestRecomputationsThatCannotEndWellAreRefused(t *testing.T) {
	l := newLake(t, 3)
	l.plan(t, "first", PlanOptions{})
	l.run(t, "first")
	l.conf.Pipelines[0].Topics = []string{"refs"}
	old := l.conf.Pipelines[0].Name
	table := []config.Output{{Postgres: &config.Postgres{URL: "postgres://u:secret@h/db", Table: "calls"}}}
	pushes := []config.Output{{Feast: &config.Feast{URL: "http://h:6566", Source: "rows"}}}
	for _, c := range []struct {
		name, to string
		noStream bool
		change   func(old, now *config.Pipeline)
		want     string
	}{
		{"itself", old, true, nil, "the new one needs a name of its own"},
		{"one that is not there", "other", true, nil, "no pipeline other"},
		{"other topics", "now", false, func(_, now *config.Pipeline) { now.Topics = []string{"more"} }, "does not read topic refs"},
		{"other references", "now", true, func(_, now *config.Pipeline) { now.Where = "false" }, "differ in where or input"},
		{"what the topic decides", "now", true, func(old, now *config.Pipeline) { old.Where, now.Where = `topic == "refs"`, `topic == "refs"` }, "asks about the record (topic, key"},
		{"what the type decides", "now", true, func(old, now *config.Pipeline) {
			old.Where, now.Where = `ref.content_type != "x"`, `ref.content_type != "x"`
		}, "or content_type, which rows do not tell"},
		{"nothing is there", "now", true, func(old, _ *config.Pipeline) {
			old.Outputs = []config.Output{{Parquet: &config.Parquet{URL: "file://" + t.TempDir(), Layout: "plain"}}}
		}, "has nothing yet: there is nothing to compute again"},
		{"one table", "now", true, func(old, now *config.Pipeline) { old.Outputs, now.Outputs = table, table }, "both write to table calls: two digests in one index"},
		{"one push source", "now", true, func(old, now *config.Pipeline) { old.Outputs, now.Outputs = pushes, pushes }, "both write to push source rows: two digests in one index"},
		{"questions", "now", true, func(_, now *config.Pipeline) { now.Heads = []config.Head{{Task: "answers"}} }, "questions and choices are in no output"},
		{"no brokers", "now", false, nil, "names no brokers"},
		{"nothing new", "now", true, func(old, now *config.Pipeline) { now.Text = old.Text }, "there is nothing to compute again"},
		{"heads in another order", "now", true, func(old, now *config.Pipeline) {
			now.Text, now.Heads = old.Text, slices.Clone(old.Heads)
			slices.Reverse(now.Heads)
		}, "there is nothing to compute again"},
		{"no output to read", "now", true, func(old, _ *config.Pipeline) { old.Outputs = []config.Output{{JSONL: &config.JSONL{Path: "-"}}} }, "no required output that says where its rows came from"},
	} {
		t.Run(c.name, func(t *testing.T) {
			was := l.conf.Pipelines
			defer func() { l.conf.Pipelines = was }()
			first := was[0]
			l.conf.Pipelines = []config.Pipeline{first}
			now := l.beside("now")
			if c.change != nil {
				c.change(&l.conf.Pipelines[0], now)
			}
			r, err := NewReembed(l.conf, old, c.to, c.noStream, quiet)
			if err == nil {
				_, err = r.Plan(t.Context(), PlanOptions{Log: quiet, Out: filepath.Join(t.TempDir(), "plan")})
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
