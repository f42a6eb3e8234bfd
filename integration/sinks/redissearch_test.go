//go:build integration

package sinks

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/redissink"
	"vecmill/sinks/sinktest"
	"vecmill/sinks/vectorindex"
)

// startRedisSearch starts a redis-server with the module search.
func startRedisSearch(t *testing.T) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-cli"); err != nil {
		harness.Missing(t, "redis-cli", "apt-get install redis-server")
	}
	out, err := exec.Command("bash", filepath.Join(harness.ModuleRoot(t), "tools", "fetch-redisearch.sh"), "--check").Output()
	if err != nil {
		harness.Missing(t, "Redis with the module search", "run tools/fetch-redisearch.sh")
	}
	at := strings.TrimSpace(string(out))
	s := &server{dir: t.TempDir(), port: fmt.Sprint(harness.FreePort(t)), program: filepath.Join(at, "redis-server")}
	s.options = []string{"--loadmodule", filepath.Join(at, "redisearch.so")}
	s.start(t)
	return s
}

func (s *server) indexed() redissink.Config {
	c := s.config()
	c.Index = redissink.Index{
		Algorithm: redissink.HNSW, Vectors: vectorindex.Spec{Heads: []string{"head", "half"}, Dimension: 4, Metric: vectorindex.L2, ModelDigest: "m"}, Halves: []string{"half"},
	}
	return c
}

// TestRedisSearch writes vectors of both precisions to a server that indexes them, kills it, and has redis-cli search: for the nearest, for the nearest that meet a
// condition, after a tombstone and after a newer version of an object.
func TestRedisSearch(t *testing.T) {
	s := startRedisSearch(t)
	src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
	r, rows := sinktest.MakeOf([]schemas.Task{schemas.TaskEmbedding}, src, 0, 400)
	for i := range rows {
		rows[i].RefID += ", a b" // of which a list of tags would make two
		if i%2 == 1 {            // half of them as numbers of half precision, which have all of these exactly
			rows[i].Head, rows[i].Vector, rows[i].Half = "half", nil, halves(rows[i].Vector)
		}
		rows[i].RowID = schemas.RowID(&rows[i].Lineage)
	}
	given := slices.Clone(rows)
	put(t, s.open(t, s.indexed()), r, rows...)
	s.nearest(t, given)
	s.process.Kill(t)
	s.start(t)
	s.nearest(t, given)
	s.misfits(t)
	next := r.Next
	gone := func(row *schemas.Row) { // a tombstone, or one window where there were two
		given = slices.DeleteFunc(given, func(r schemas.Row) bool { return r.RefID == row.RefID })
	}
	sink := s.open(t, s.indexed())
	deleted := given[50]
	put(t, sink, schemas.Range{
		Source: src, Span: schemas.Span{First: next, Next: next + 1}, Skipped: []schemas.Span{{First: next, Next: next + 1}}, Deletes: []schemas.Deletion{{Offset: next, RefID: deleted.RefID}},
	})
	gone(&deleted)
	newer := given[slices.IndexFunc(given, func(r schemas.Row) bool { return r.Window == 1 && r.Head == "head" })]
	newer.Window, newer.Offset, newer.Vector, newer.RowID = 0, next+1, []float32{1000, 0, 0, 0}, strings.Repeat("a", 32)
	given = slices.DeleteFunc(given, func(r schemas.Row) bool { return r.RefID == newer.RefID && r.Head == newer.Head })
	given = append(given, newer)
	put(t, sink, schemas.Range{Source: src, Span: schemas.Span{First: next + 1, Next: next + 2}}, newer)
	s.nearest(t, given)
	s.follows(t)
}

// follows cuts over to an index of two other keys, and back, and has redis-cli search by the name.
func (s *server) follows(t *testing.T) {
	t.Helper()
	s.cli(t, "FT.CREATE two:head ON HASH PREFIX 1 two:head: SCHEMA vector VECTOR HNSW 6 TYPE FLOAT32 DIM 4 DISTANCE_METRIC L2\nHSET two:head:0:a uri a\nHSET two:head:0:b uri b")
	of := func(place string) config.Output {
		return config.Output{Redis: &config.Redis{URL: config.Secret(s.config().URL), Prefix: place, Index: "hnsw", Batch: soon}}
	}
	for _, c := range []struct{ from, to string }{{"vecmill", "two"}, {"two", "vecmill"}, {"vecmill", "two"}} {
		step := cutOver(t, of, c.from, c.to, "texts")
		var all errgroup.Group
		for range 4 {
			all.Go(func() error { return step.Do(t.Context()) })
		}
		if err := all.Wait(); err != nil {
			t.Fatal(err)
		}
		got, want := s.cli(t, "FT.SEARCH texts:head * LIMIT 0 0"), s.cli(t, "FT.SEARCH "+c.to+":head * LIMIT 0 0")
		if !slices.Equal(got, want) || (got[0] == "1) (integer) 2") != (c.to == "two") {
			t.Errorf("texts:head has %q, want %q of %s", got, want, c.to)
		}
	}
	if err := cutOver(t, of, "two", "vecmill", "two").Do(t.Context()); err == nil || !strings.Contains(err.Error(), "two:head is an index, and no alias") {
		t.Errorf("a name that is taken: %v", err)
	}
}

// halves are numbers of few digits in half precision.
func halves(v []float32) (out []uint16) {
	for _, f := range v {
		bits := math.Float32bits(f)
		if f == 0 {
			out = append(out, 0)
			continue
		}
		out = append(out, uint16(bits>>16&0x8000)|uint16(int(bits>>23&0xff)-112)<<10|uint16(bits>>13&0x3ff))
	}
	return out
}

// nearest compares what searches find with the rows that are there.
func (s *server) nearest(t *testing.T, rows []schemas.Row) {
	t.Helper()
	near := []float32{120.3, -0.5, 0.25, 0.25}
	single, half := near, halves([]float32{120.25, -0.5, 0.25, 0.25})
	for _, c := range []struct {
		head, filter string
		meets        func(*schemas.Row) bool
	}{
		{"head", "*", func(*schemas.Row) bool { return true }},
		{"half", "*", func(*schemas.Row) bool { return true }},
		{"head", "@offset:[90 (140]", func(r *schemas.Row) bool { return r.Offset >= 90 && r.Offset < 140 }},
		{"head", "@modality:{image} @window:[0 0]", func(r *schemas.Row) bool { return r.Modality == schemas.Image && r.Window == 0 }},
		{"half", "@modality:{IMAGE}", func(*schemas.Row) bool { return false }},
		{"head", `@ref_id:{ref\\-t\\-1\\-120\\,\\ a\\ b}`, func(r *schemas.Row) bool { return r.RefID == "ref-t-1-120, a b" }},
	} {
		var want []schemas.Row
		for i := range rows {
			if rows[i].Head == c.head && c.meets(&rows[i]) {
				want = append(want, rows[i])
			}
		}
		column, text := "vector", escaped(single)
		if c.head == "half" {
			column, text = "vector_f16", escaped(half)
		}
		distance := func(r *schemas.Row) (d float64) {
			for i, v := range vectorindex.Vector(r) {
				d += math.Pow(float64(v-near[i]), 2)
			}
			return d
		}
		slices.SortFunc(want, func(a, b schemas.Row) int { return cmp.Compare(distance(&a), distance(&b)) })
		for _, most := range []int{5, 2 * len(rows)} {
			got := s.cli(t, fmt.Sprintf(`FT.SEARCH %s "(%s)=>[KNN %d @%s $v EF_RUNTIME 1000 AS d]" PARAMS 2 v "%s" SORTBY d LIMIT 0 %d NOCONTENT DIALECT 2`,
				redissink.IndexName("vecmill", c.head), c.filter, most, column, text, most))
			n := min(most, len(want))
			lines := []string{fmt.Sprintf("(integer) %d", n)}
			for i := range want[:n] {
				lines = append(lines, fmt.Sprintf("%q", redissink.Key("vecmill", c.head, want[i].Window, want[i].RefID)))
			}
			for i := range got { // without their numbers
				if _, after, ok := strings.Cut(got[i], ") "); ok {
					got[i] = after
				}
			}
			if !slices.Equal(got, lines) {
				t.Errorf("%s %s: %d lines, want %d; beginning with %.200s, want %.200s", c.head, c.filter, len(got), len(lines), got, lines)
			}
		}
	}
}

// escaped are the bytes of numbers as redis-cli reads them.
func escaped(v any) string {
	b, _ := binary.Append(nil, binary.LittleEndian, v)
	var out strings.Builder
	for _, x := range b {
		fmt.Fprintf(&out, `\x%02x`, x)
	}
	return out.String()
}

func (s *server) misfits(t *testing.T) {
	t.Helper()
	for want, change := range map[string]func(*redissink.Config){
		"the index vecmill:head has vectors of 4 numbers, and the model gives 5": func(c *redissink.Config) { c.Index.Vectors.Dimension = 5 },
		"the index vecmill:head has the metric l2, and metric is cosine":         func(c *redissink.Config) { c.Index.Vectors.Metric = vectorindex.Cosine },
		"the index vecmill:head is hnsw, and index is flat":                      func(c *redissink.Config) { c.Index.Algorithm = redissink.Flat },
		"hold rows of model m, and this is model n":                              func(c *redissink.Config) { c.ModelDigest, c.Index.Vectors.ModelDigest = "n", "n" },
	} {
		c := s.indexed()
		change(&c)
		if _, err := redissink.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "(try 1)") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	s.cli(t, "FT.CREATE doctor:embedding ON HASH PREFIX 1 doctor:embedding: SCHEMA vector VECTOR HNSW 6 TYPE FLOAT32 DIM 4 DISTANCE_METRIC COSINE")
	fixture.DoctorRefuses(t, fmt.Sprintf("redis: {url: %q, prefix: doctor, index: hnsw, dimension: 96}", s.config().URL), "the index doctor:embedding has vectors of 4 numbers, and the model gives 96")
}
