//go:build iceberg

package icebergcatalog

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
	"vecmill/sinks/sinktest"
)

// TestWhatATableHasIsReadBackWithoutDeletedRows asks for works, digests and lineages of one pipeline in a table of two, with heads that change.
func TestWhatATableHasIsReadBackWithoutDeletedRows(t *testing.T) {
	l := lake{t.TempDir()}
	c := l.config(schemas.TaskEmbedding)
	c.Deletes = true
	var many []string // more than a snapshot names
	for n := range 2000 {
		many = append(many, fmt.Sprintf("%x", 7919*104729*n*n))
	}
	for n, heads := range []string{"h=1", "h=2"} {
		tbl, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		s := icebergsink.NewDefaultConfig()
		s.Table, s.Name, s.Files, s.Tasks, s.ModelDigest, s.Heads, s.Retry = tbl, c.Table, c.Files, c.Tasks, c.ModelDigest, heads, retry.Policy{Attempts: 5}
		sink, err := icebergsink.New(s)
		if err != nil {
			t.Fatal(err)
		}
		write(t, sink, c.Tasks, gone, int64(20*n), int64(20*n+20))
		write(t, sink, c.Tasks, schemas.SourceID{Pipeline: "other", Topic: "t"}, int64(20*n), int64(20*n+20))
		if n == 1 {
			take(t, sink, 40, 41, refs(3)...)
			take(t, sink, 41, 42, many...)
		}
		if err := sink.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, rows := sinktest.MakeOf(c.Tasks, gone, 0, 40)
	works, lineages := map[string]int{}, map[string]int{}
	attributed := 0
	for i := range rows {
		r := &rows[i]
		if r.RefID == refs(3)[0] {
			continue
		}
		works[fmt.Sprint(r.RefID, r.URI, r.ETag, r.ContentHash, r.ModelDigest, r.PreprocessDigest, r.Head, " h=", 1+r.Offset/20, " ", r.Attributes)]++
		lineages[fmt.Sprint(r.RefID, r.URI, r.ETag, r.Version, r.Modality, r.Topic, r.Partition, r.Offset, r.CreatedAt.UnixMicro(), r.Attributes)]++
		attributed += len(r.Attributes)
	}
	r, err := OpenReader(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	had := map[string]int{}
	if err := r.Works(t.Context(), "p", func(l *schemas.Lineage, heads string) error {
		had[fmt.Sprint(l.RefID, l.URI, l.ETag, l.ContentHash, l.ModelDigest, l.PreprocessDigest, l.Head, " ", heads, " ", l.Attributes)]++
		return nil
	}); err != nil || !maps.Equal(had, works) {
		t.Errorf("%d works, want %d: %v", len(had), len(works), err)
	}
	some, want := map[int64]int{}, map[int64]int{}
	for i := range rows {
		if o := rows[i].Offset; o >= 15 && o < 30 && rows[i].RefID != refs(3)[0] {
			want[o]++
		}
	}
	if err := r.Came(t.Context(), gone, schemas.Span{First: 15, Next: 30}, func(l *schemas.Lineage) error {
		some[l.Offset]++
		return nil
	}); err != nil || len(want) == 0 || !maps.Equal(some, want) {
		t.Errorf("rows of a span: %v, want %v: %v", some, want, err)
	}
	if model, pre, heads, err := r.Digests(t.Context(), "p"); err != nil || model != rows[0].ModelDigest || pre != rows[0].PreprocessDigest || heads != "h=2" {
		t.Errorf("digests %s and %s, heads %s, %v", model, pre, heads, err)
	}
	if first, known, err := r.Begin(gone); first != icebergsink.Beginning(&r.Parts(gone)[0].Range) || !known || err != nil {
		t.Errorf("it begins at %d, %v, %v", first, known, err)
	}
	if !r.Tombstones("p") || r.Tombstones("other") {
		t.Error("the tombstones are another pipeline's")
	}
	if nameless := r.Nameless(gone); !slices.Equal(nameless, []schemas.Span{{First: 41, Next: 42}}) {
		t.Errorf("tombstones without names at %v", nameless)
	}
	p, err := OpenPast(t.Context(), c, nil, "p")
	if err != nil {
		t.Fatal(err)
	}
	for _, whole := range []bool{true, false} {
		had, n := map[string]int{}, 0
		if err := p.Rows(t.Context(), whole, func(l *schemas.Lineage) error {
			n++
			had[fmt.Sprint(l.RefID, l.URI, l.ETag, l.Version, l.Modality, l.Topic, l.Partition, l.Offset, l.CreatedAt.UnixMicro(), l.Attributes)]++
			return nil
		}); err != nil || whole && !maps.Equal(had, lineages) || n == 0 || attributed == 0 {
			t.Errorf("%d lineages, want %d, with %d attributes: %v", len(had), len(lineages), attributed, err)
		}
	}
}
