package wire

import (
	"log/slog"
	"math"
	"path/filepath"
	"testing"

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
