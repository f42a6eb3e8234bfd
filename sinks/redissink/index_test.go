package redissink

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"vecmill/schemas"
	"vecmill/sinks/sinktest"
	"vecmill/sinks/vectorindex"
)

// search is what the tests need of the module search: it keeps what is made, and tells it. integration/sinks, TestRedisSearch, has the real one.
type search struct {
	mu      sync.Mutex
	made    map[string][]string // arguments of FT.CREATE, by name
	aliases map[string]string   // names of indexes
}

func (x *search) register(t *testing.T, m *miniredis.Miniredis) {
	t.Helper()
	x.made = map[string][]string{}
	create := func(c *server.Peer, _ string, args []string) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.made[args[0]] != nil {
			c.WriteError("Index already exists")
			return
		}
		x.made[args[0]] = args
		c.WriteOK()
	}
	info := func(c *server.Peer, _ string, args []string) {
		x.mu.Lock()
		defer x.mu.Unlock()
		of := x.made[args[0]]
		after := func(word string) string { return of[slices.Index(of, word)+1] }
		field := after("SCHEMA")
		c.WriteLen(6) // as RESP2 has it
		c.WriteBulk("index_name")
		c.WriteBulk(args[0])
		c.WriteBulk("index_definition")
		c.WriteLen(4)
		c.WriteBulk("key_type")
		c.WriteBulk("HASH")
		c.WriteBulk("prefixes")
		c.WriteStrings([]string{of[slices.Index(of, "PREFIX")+2]})
		c.WriteBulk("attributes")
		c.WriteLen(1)
		c.WriteStrings([]string{
			"identifier", field, "attribute", field, "type", "VECTOR", "algorithm", after("VECTOR"), "data_type", after("TYPE"), "dim", after("DIM"), "distance_metric", after("DISTANCE_METRIC"),
		})
	}
	for name, f := range map[string]server.Cmd{"FT.CREATE": create, "FT.INFO": info} {
		if err := m.Server().Register(name, f); err != nil {
			t.Fatal(err)
		}
	}
}

func indexed(m *miniredis.Miniredis) Config {
	c := config(m)
	c.Index = Index{Algorithm: HNSW, Vectors: vectorindex.Spec{Heads: []string{"head", "half"}, Dimension: 4, Metric: vectorindex.L2, ModelDigest: "m"}, Halves: []string{"half"}}
	return c
}

func TestAnIndexOfVectorsIsMadeForEachHead(t *testing.T) {
	m, x := miniredis.RunT(t), &search{}
	x.register(t, m)
	open(t, indexed(m))
	open(t, indexed(m)) // and taken as it is the next time
	flat := indexed(m)
	flat.Prefix, flat.Index.Algorithm, flat.Index.Vectors.Heads, flat.Index.Vectors.Metric, flat.Columns = "other", Flat, []string{"head"}, vectorindex.Inner, []string{"vector", "uri"}
	open(t, flat)
	const tags = "row_id TAG SEPARATOR \x1f CASESENSITIVE ref_id TAG SEPARATOR \x1f CASESENSITIVE uri TAG SEPARATOR \x1f CASESENSITIVE modality TAG SEPARATOR \x1f CASESENSITIVE topic TAG SEPARATOR \x1f CASESENSITIVE"
	for name, want := range map[string]string{
		"vecmill:head": "vecmill:head ON HASH PREFIX 1 vecmill:head: SCHEMA vector VECTOR HNSW 6 TYPE FLOAT32 DIM 4 DISTANCE_METRIC L2 " + tags + " partition NUMERIC offset NUMERIC window NUMERIC",
		"vecmill:half": "vecmill:half ON HASH PREFIX 1 vecmill:half: SCHEMA vector_f16 VECTOR HNSW 6 TYPE FLOAT16 DIM 4 DISTANCE_METRIC L2 " + tags + " partition NUMERIC offset NUMERIC window NUMERIC",
		"other:head": "other:head ON HASH PREFIX 1 other:head: SCHEMA vector VECTOR FLAT 6 TYPE FLOAT32 DIM 4 DISTANCE_METRIC IP " +
			"row_id TAG SEPARATOR \x1f CASESENSITIVE uri TAG SEPARATOR \x1f CASESENSITIVE topic TAG SEPARATOR \x1f CASESENSITIVE partition NUMERIC offset NUMERIC",
	} {
		if got := strings.Join(x.made[name], " "); got != want {
			t.Errorf("index %s is made by\n     %q\nwant %q", name, got, want)
		}
	}
	if len(x.made) != 3 {
		t.Errorf("%d indexes", len(x.made))
	}
}

func TestAnIndexThatDoesNotFitIsRefusedAtStart(t *testing.T) {
	m, x := miniredis.RunT(t), &search{}
	if _, err := Open(t.Context(), indexed(m)); err == nil || !strings.Contains(err.Error(), "it has no module search") || !strings.Contains(err.Error(), "(try 1)") {
		t.Errorf("a server without the module: %v", err)
	}
	x.register(t, m)
	open(t, indexed(m))
	for _, c := range []struct {
		name, want string
		change     func(*Config)
	}{
		{"another dimension", "the index vecmill:head has vectors of 4 numbers, and the model gives 5", func(c *Config) { c.Index.Vectors.Dimension = 5 }},
		{"another metric", "the index vecmill:head has the metric l2, and metric is cosine", func(c *Config) { c.Index.Vectors.Metric = vectorindex.Cosine }},
		{"another algorithm", "the index vecmill:head is hnsw, and index is flat", func(c *Config) { c.Index.Algorithm = Flat }},
		{"another precision", "the index vecmill:head has no field vector_f16", func(c *Config) { c.Index.Halves = []string{"head", "half"} }},
		{"another model", "hold rows of model m, and this is model n", func(c *Config) { c.ModelDigest, c.Index.Vectors.ModelDigest = "n", "n" }},
		{"an algorithm that is none", `index: "ivf"`, func(c *Config) { c.Index.Algorithm = "ivf" }},
		{"a metric that is none", `metric: "dot"`, func(c *Config) { c.Index.Vectors.Metric = "dot" }},
		{"no dimension", "dimension: 0", func(c *Config) { c.Index.Vectors.Dimension = 0 }},
		{"no heads", "heads: none gives vectors", func(c *Config) { c.Index.Vectors.Heads = nil }},
		{"no vectors", "columns: vector is not among them", func(c *Config) { c.Columns = []string{"uri"} }},
	} {
		cfg := indexed(m)
		c.change(&cfg)
		_, err := Open(t.Context(), cfg)
		sinktest.CheckClass(t, c.name, err)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	x.made["vecmill:head"] = strings.Fields("vecmill:head ON HASH PREFIX 1 doc: SCHEMA vector VECTOR HNSW 6 TYPE FLOAT32 DIM 4 DISTANCE_METRIC L2")
	if _, err := Open(t.Context(), indexed(m)); err == nil || !strings.Contains(err.Error(), "the index vecmill:head is of the keys [doc:], not [vecmill:head:]") {
		t.Errorf("somebody else's index: %v", err)
	}
}

// TestWhatAnIndexWouldPassOverIsRefusedBeforehand: a server takes such a row and never finds it.
func TestWhatAnIndexWouldPassOverIsRefusedBeforehand(t *testing.T) {
	m, x := miniredis.RunT(t), &search{}
	x.register(t, m)
	s := open(t, indexed(m))
	for want, change := range map[string]func(*schemas.Row){
		"a vector of 5 numbers by head head, and index vecmill:head takes 4": func(r *schemas.Row) { r.Vector = make([]float32, 5) },
		"a vector by head third": func(r *schemas.Row) { r.Head = "third" },
		"a vector by head head of another precision than index vecmill:head takes": func(r *schemas.Row) { r.Vector, r.Half = nil, make([]uint16, 4) },
		"a vector by head half of another precision than index vecmill:half takes": func(r *schemas.Row) { r.Head = "half" },
	} {
		row := sinktest.Row(src, 0, 0)
		if err := s.Check(&row); err != nil {
			t.Fatal(err)
		}
		change(&row)
		if err := s.Check(&row); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	label := sinktest.Row(src, 0, 0)
	label.Head, label.Task, label.Vector = "labels", schemas.TaskLabels, nil
	if err := s.Check(&label); err != nil {
		t.Errorf("a row without a vector: %v", err)
	}
}
