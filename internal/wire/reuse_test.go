package wire

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
)

// rowsOf reads all rows of the lake's pipeline of a manifest, by uri and head.
func (l *lake) rowsOf(t *testing.T, manifest string) map[[2]string]schemas.Row {
	t.Helper()
	store, err := dirstore.Open(filepath.Join(l.out, "rows"))
	if err != nil {
		t.Fatal(err)
	}
	src := schemas.SourceID{Pipeline: l.conf.Pipelines[0].Name, Topic: "manifest:" + manifest}
	files, err := parquetsink.Chain(t.Context(), store, "", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[[2]string]schemas.Row{}
	for _, f := range files {
		rows, err := parquetsink.ReadRows(t.Context(), store, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if _, twice := out[[2]string{r.URI, r.Head}]; twice {
				t.Errorf("%s is there twice", r.URI)
			}
			out[[2]string{r.URI, r.Head}] = r
		}
	}
	return out
}

// near says whether vectors are the same but for the order in which a batch's sums are taken.
func near(a, b []float32) bool {
	for i := range a {
		if math.Abs(float64(a[i]-b[i])) > 1e-5 {
			return false
		}
	}
	return len(a) == len(b)
}

// TestContentUnderTwoNamesIsComputedOnceAndWrittenTwice backfills 30 texts of four contents, first each by itself, then each content once: the rows say the same.
func TestContentUnderTwoNamesIsComputedOnceAndWrittenTwice(t *testing.T) {
	l := newLake(t, 30)
	p := &l.conf.Pipelines[0]
	l.plan(t, "each", PlanOptions{})
	if s := l.run(t, "each"); s.Embed.Samples != 30 || s.Embed.Reused != 0 {
		t.Fatalf("each by itself: %+v", s.Embed)
	}
	p.ReuseResults = 1 << 20
	l.plan(t, "once", PlanOptions{Again: true})
	s := l.run(t, "once")
	if s.Embed.Samples != 4 || s.Embed.Reused != 26 || s.Stream.Computed != 30 || s.Stream.Rows != 60 || len(s.Stream.Dead) != 0 {
		t.Fatalf("each content once: %+v %+v", s.Embed, s.Stream)
	}
	each, once := l.rowsOf(t, "each"), l.rowsOf(t, "once")
	if len(each) != 60 || len(once) != 60 {
		t.Fatalf("%d and %d rows", len(each), len(once))
	}
	for at, a := range each {
		b := once[at]
		if a.RowID != b.RowID || a.ContentHash != b.ContentHash || a.ETag != b.ETag || a.RefID != b.RefID || a.Label != b.Label || !near(a.Vector, b.Vector) {
			t.Errorf("%v:\n%+v\n%+v", at, a.Lineage, b.Lineage)
		}
	}
	results, err := Audit(t.Context(), l.conf, AuditOptions{Log: slog.New(slog.DiscardHandler)})
	if err != nil || len(results) != 2 || !results[0].OK() || !results[1].OK() {
		t.Errorf("the audit: %+v, %v", results, err)
	}
}

// copies puts the contents of some of the lake's texts under other names, and one that no other has.
func (l *lake) copies(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		l.put(t, fmt.Sprintf("copies/%03d.txt", i), strings.Repeat("a b ", 1+i%4))
	}
	l.put(t, "copies/new.txt", "b b")
}

// byContent is a row of each content and head.
func byContent(rows map[[2]string]schemas.Row) map[[2]string]schemas.Row {
	all := map[[2]string]schemas.Row{}
	for _, r := range rows {
		all[[2]string{r.ContentHash, r.Head}] = r
	}
	return all
}

// TestContentOfAnEarlierRunIsNotComputedAgain backfills copies of what another run has computed, under other names: their rows are those of that run, bit by bit, and only what is new is computed. So it is of each kind of file.
func TestContentOfAnEarlierRunIsNotComputedAgain(t *testing.T) {
	for name, into := range map[string]func(l *lake, p *config.Pipeline){
		"parquet": func(*lake, *config.Pipeline) {},
		"arrow":   streams,
	} {
		t.Run(name, func(t *testing.T) { copiesAreNotComputed(t, into) })
	}
}

// streams makes the output of Parquet files one of Arrow streams.
func streams(_ *lake, p *config.Pipeline) {
	o := &p.Outputs[0]
	o.Arrow, o.Parquet = (*config.Arrow)(o.Parquet), nil
	o.Arrow.Compression = "lz4"
}

func copiesAreNotComputed(t *testing.T, into func(l *lake, p *config.Pipeline)) {
	l := newLake(t, 30)
	into(l, &l.conf.Pipelines[0])
	p := &l.conf.Pipelines[0]
	p.ReuseResults = 1 << 20
	l.plan(t, "texts", PlanOptions{})
	l.run(t, "texts")
	l.copies(t, 40)
	p.ReuseOutputs = true
	l.plan(t, "copies", PlanOptions{Source: "s3://box/copies/"})
	s := l.run(t, "copies")
	if s.Embed.Samples != 1 || s.Embed.Reused != 40 || s.Stream.Computed != 41 || s.Stream.Rows != 82 || len(s.Stream.Dead) != 0 {
		t.Fatalf("%+v %+v", s.Embed, s.Stream)
	}
	of, copies := byContent(l.rowsOf(t, "texts")), l.rowsOf(t, "copies")
	for at, b := range copies {
		a, known := of[[2]string{b.ContentHash, b.Head}]
		if known == strings.HasSuffix(at[0], "/new.txt") {
			t.Errorf("%s: its content is known: %v", at[0], known)
		}
		if known && (!reflect.DeepEqual(a.Payload, b.Payload) || a.RowID == b.RowID || b.URI != at[0] || b.RefID != at[0] || a.ETag != b.ETag || b.ModelDigest != a.ModelDigest || b.PreprocessDigest != a.PreprocessDigest ||
			b.Model != a.Model || b.Task != a.Task || b.Modality != a.Modality || b.WindowEnd != a.WindowEnd || b.Timings.Infer != 0 || b.CreatedAt.Before(a.CreatedAt)) {
			t.Errorf("%v:\n%+v\n%+v", at, a, b)
		}
	}
	if len(copies) != 82 {
		t.Errorf("%d rows", len(copies))
	}
	l.plan(t, "none", PlanOptions{Source: "s3://box/copies/", Again: true, Include: []string{"copies/0*"}})
	if s := l.run(t, "none"); s.Embed.Samples != 0 || s.Embed.Batches != 0 || s.Embed.Reused != 40 || s.Stream.Rows != 80 {
		t.Errorf("of copies alone: %+v %+v", s.Embed, s.Stream)
	}
	results, err := Audit(t.Context(), l.conf, AuditOptions{Log: slog.New(slog.DiscardHandler)})
	if err != nil || len(results) != 3*len(p.Outputs) || slices.ContainsFunc(results, func(r Audited) bool { return !r.OK() }) {
		t.Errorf("the audit: %+v, %v", results, err)
	}
	if all := l.plan(t, "again", PlanOptions{Source: "s3://box/copies/"}); all.Items != 0 || all.Known != 41 {
		t.Errorf("copies are known by their own names: %+v", all.Counts)
	}
}

// TestOtherResultsOfAContentAreComputed has the contents of an earlier run with a head of another option, with a head more, by a process that is not told to look, and with files that are gone when they are asked for.
func TestOtherResultsOfAContentAreComputed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *config.Pipeline)
		gone   bool
		want   int64
	}{
		"the same":              {func(*config.Pipeline) {}, false, 1},
		"another option":        {func(p *config.Pipeline) { p.Heads[1].TopK = 1 }, false, 5},
		"a head more":           {func(p *config.Pipeline) { p.Heads = append(p.Heads, p.Heads[0]); p.Heads[2].Name = "more" }, false, 5},
		"a head less":           {func(p *config.Pipeline) { p.Heads = p.Heads[:1] }, false, 1},
		"nobody looks":          {func(p *config.Pipeline) { p.ReuseOutputs = false }, false, 5},
		"files that are gone":   {func(*config.Pipeline) {}, true, 5},
		"an output that is new": {func(p *config.Pipeline) { p.Outputs[0].Parquet.URL += "2" }, false, 5},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, 8)
			p := &l.conf.Pipelines[0]
			p.ReuseResults, p.ReuseOutputs = 1<<20, true
			l.plan(t, "texts", PlanOptions{})
			if s := l.run(t, "texts"); s.Embed.Samples != 4 || s.Embed.Reused != 4 {
				t.Fatalf("%+v", s.Embed)
			}
			l.copies(t, 8)
			c.change(p)
			l.plan(t, "copies", PlanOptions{Source: "s3://box/copies/"})
			w := l.open(t, "copies")
			if c.gone {
				if err := os.RemoveAll(filepath.Join(l.out, "rows", p.Name, "manifest:texts")); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := w.Stats()[0]
			if s.Embed.Samples != c.want || s.Embed.Reused != 9-c.want || s.Stream.Computed != 9 || len(s.Stream.Dead) != 0 {
				t.Errorf("%d samples, want %d: %+v %+v", s.Embed.Samples, c.want, s.Embed, s.Stream)
			}
		})
	}
}
