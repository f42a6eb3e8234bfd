package wire

import (
	"fmt"
	"strings"
	"testing"

	"vecmill/internal/config"
)

// TestTwoDigestsHaveNoPlaceTogether has an old and a new pipeline with one place of each kind, and with a place of the new one's own, to which readers are brought. integration/sinks sends OpenSearch what is said here, and has the steps done; no server of Qdrant or Milvus with aliases over HTTP is to be had, so what is said of theirs is held against their documentation alone. Secrets are not in what is said.
func TestTwoDigestsHaveNoPlaceTogether(t *testing.T) {
	files := config.Output{Parquet: &config.Parquet{URL: "s3://out/rows", Layout: "plain"}}
	for _, c := range []struct {
		name    string
		of      func(place string) config.Output
		refused string
		cutOver string
		done    bool // the step can be done
	}{
		{
			"a table of PostgreSQL", func(p string) config.Output {
				return config.Output{Postgres: &config.Postgres{URL: "postgres://u:secret@h/db", Table: p}}
			},
			"table one", "PostgreSQL: CREATE OR REPLACE VIEW texts AS SELECT * FROM two;", true,
		},
		{
			"a table of Iceberg", func(p string) config.Output {
				return config.Output{Iceberg: &config.Iceberg{Catalog: config.IcebergCatalog{URI: "http://u:secret@h"}, Table: p}}
			},
			"table one", "iceberg: readers go to table two", false,
		},
		{
			"a collection of Qdrant", func(p string) config.Output {
				return config.Output{Qdrant: &config.Qdrant{URL: "http://h", Collection: p}}
			},
			"collection one", `Qdrant: POST /collections/aliases {"actions":[{"delete_alias":{"alias_name":"texts"}},{"create_alias":{"alias_name":"texts","collection_name":"two"}}]}`, true,
		},
		{
			"a collection of Milvus", func(p string) config.Output {
				return config.Output{Milvus: &config.Milvus{URL: "http://h", Database: "d", Collection: p}}
			},
			"collection one", `Milvus: POST /v2/vectordb/aliases/alter {"dbName":"d","aliasName":"texts","collectionName":"two"}; where there is no such alias yet, POST /v2/vectordb/aliases/create {"dbName":"d","aliasName":"texts","collectionName":"two"}`, true,
		},
		{
			"a collection of Milvus in the default database", func(p string) config.Output {
				return config.Output{Milvus: &config.Milvus{URL: "http://h", Collection: p}}
			},
			"collection one", `Milvus: POST /v2/vectordb/aliases/alter {"aliasName":"texts","collectionName":"two"}; where there is no such alias yet, POST /v2/vectordb/aliases/create {"aliasName":"texts","collectionName":"two"}`, true,
		},
		{
			"an index of OpenSearch", func(p string) config.Output {
				return config.Output{OpenSearch: &config.OpenSearch{URL: "http://h", Index: p}}
			},
			"index one", `OpenSearch: POST /_aliases {"actions":[{"remove":{"index":"*","alias":"texts"}},{"add":{"index":"two","alias":"texts"}}]}`, true,
		},
		{
			"keys of Redis", func(p string) config.Output {
				return config.Output{Redis: &config.Redis{URL: "redis://u:secret@h", Prefix: p, Index: "none"}}
			},
			"prefix one", "redis: readers go to prefix two", false,
		},
		{
			"an index in Redis", func(p string) config.Output {
				return config.Output{Redis: &config.Redis{URL: "redis://u:secret@h", Prefix: p, Index: "hnsw"}}
			},
			"prefix one", "Redis: FT.ALIASUPDATE texts:embedding two:embedding; FT.ALIASUPDATE texts:voice two:voice\nredis: readers that look rows up by their keys go to prefix two", true,
		},
		{
			"a push source", func(p string) config.Output {
				return config.Output{Feast: &config.Feast{URL: "http://h:6566", Source: p}}
			},
			"push source one", "feast: readers go to push source two", false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := func(place string) *config.Config {
				heads := []config.Head{{Name: "embedding", Task: "embedding"}, {Name: "labels", Task: "classification"}, {Name: "voice", Task: "xvector"}}
				return &config.Config{Pipelines: []config.Pipeline{
					{Name: "old", Heads: heads, Outputs: []config.Output{files, c.of("one")}},
					{Name: "new", Heads: heads, Outputs: []config.Output{files, c.of(place)}},
				}}
			}
			want := "old and new both write to " + c.refused + ": two digests in one index"
			if _, err := NewReembed(conf("one"), "old", "new", true, quiet); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want %q", err, want)
			}
			r, err := NewReembed(conf("two"), "old", "new", true, quiet)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			steps := r.CutOver("texts")
			if got, want := steps[0].What, "files: readers go to s3://out/rows/new, or look it up in s3://out/rows/_current/texts.json, which --cut-over texts writes"; got != want {
				t.Errorf("of files it says %q, want %q", got, want)
			}
			var said []string
			for _, step := range steps[1 : len(steps)-1] { // between the files and the workers
				said = append(said, step.What)
			}
			if got := strings.Join(said, "\n"); got != c.cutOver || (steps[1].Do != nil) != c.done {
				t.Errorf("the cut-over is %q, done %v; want %q, done %v", got, steps[1].Do != nil, c.cutOver, c.done)
			}
		})
	}
}

// withOutputs is a recomputation whose new pipeline has these outputs.
func withOutputs(t *testing.T, old string, outputs ...config.Output) *Reembed {
	t.Helper()
	heads := []config.Head{{Name: "embedding", Task: "embedding"}}
	r, err := NewReembed(&config.Config{Pipelines: []config.Pipeline{
		{Name: old, Heads: heads, Outputs: []config.Output{{Parquet: &config.Parquet{URL: "s3://out/old", Layout: "plain"}}}},
		{Name: "new", Heads: heads, Outputs: outputs},
	}}, old, "new", true, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// readable are outputs that readers find by a name, of a place each.
func readable(place string) map[string]config.Output {
	return map[string]config.Output{
		"parquet":    {Parquet: &config.Parquet{URL: "s3://out/rows", Layout: "plain"}},
		"postgres":   {Postgres: &config.Postgres{URL: "postgres://u:secret@h/db", Table: place}},
		"qdrant":     {Qdrant: &config.Qdrant{URL: "http://h", Collection: place}},
		"milvus":     {Milvus: &config.Milvus{URL: "http://h", Collection: place}},
		"opensearch": {OpenSearch: &config.OpenSearch{URL: "http://h", Index: place}},
		"redis":      {Redis: &config.Redis{URL: "redis://u:secret@h", Prefix: place, Index: "hnsw"}},
	}
}

// TestANameForReadersIsOneThatOutputsTake holds names against outputs of each kind. Files take any, and so does what is not cut over.
func TestANameForReadersIsOneThatOutputsTake(t *testing.T) {
	const aliases = "qdrant milvus opensearch redis"
	for name, refused := range map[string]string{
		"texts":                        "",
		"t_2":                          "",
		strings.Repeat("a", 41):        "",
		strings.Repeat("a", 42):        aliases + " postgres",
		"texts*":                       aliases + " postgres",
		"Texts":                        aliases + " postgres",
		"2024_texts":                   aliases + " postgres",
		"texts-now":                    aliases + " postgres",
		"a.b.c":                        aliases + " postgres",
		"_texts":                       aliases,
		"lake.current":                 aliases,
		"lake.current\n":               aliases + " postgres",
		"a." + strings.Repeat("b", 42): aliases + " postgres",
	} {
		for kind, o := range readable("two") {
			want := ""
			if strings.Contains(refused, kind) {
				want = fmt.Sprintf("%s cannot have the name %q for readers: a lower-case letter, then lower-case letters, digits and _, 41 at most", kind, name)
			}
			files := readable("")["parquet"]
			err := withOutputs(t, "old", files, o).CheckName(name)
			if (err != nil) != (want != "") || err != nil && !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s, %q: %v, want %q", kind, name, err, want)
			}
			o.BestEffort = true
			if err := withOutputs(t, "old", files, o).CheckName(name); err != nil {
				t.Errorf("%s with best_effort: %v", kind, err)
			}
		}
	}
	hook := config.Output{Redis: &config.Redis{URL: "redis://h", Prefix: "two", Index: "none"}}
	if err := withOutputs(t, "old", hook).CheckName("texts*"); err != nil {
		t.Errorf("an output that readers find by no name: %v", err)
	}
}

// TestTheNameThatIsProposedIsTaken has names of pipelines as configurations may have them.
func TestTheNameThatIsProposedIsTaken(t *testing.T) {
	var all []config.Output
	for _, o := range readable("two") {
		all = append(all, o)
	}
	long := strings.Repeat("calls-of-", 6)
	proposed := map[string]string{}
	for old, want := range map[string]string{
		"calls":                       "calls_current",
		"Calls.v2":                    "calls_v2_current",
		"2024-calls":                  "rows_2024_calls_current",
		strings.Repeat("c", 33):       strings.Repeat("c", 33) + "_current",
		"2" + strings.Repeat("0", 27): "rows_2" + strings.Repeat("0", 27) + "_current",
		"2" + strings.Repeat("0", 28): "",
		strings.Repeat("c", 34):       "",
		long + "north":                "",
		long + "south":                "",
	} {
		r := withOutputs(t, old, all...)
		got := r.CurrentName()
		if err := r.CheckName(got); err != nil || want != "" && got != want {
			t.Errorf("%s: %q, want %q; %v", old, got, want, err)
		}
		if other := proposed[got]; other != "" {
			t.Errorf("%s has the name of %s", old, other)
		}
		proposed[got] = old
	}
}

// TestOneNameShowsOneOutputInAPlace has two outputs of each kind, at one place and at two.
func TestOneNameShowsOneOutputInAPlace(t *testing.T) {
	others := map[string]config.Output{
		"parquet":    {Parquet: &config.Parquet{URL: "s3://out/other", Layout: "plain"}},
		"postgres":   {Postgres: &config.Postgres{URL: "postgres://u:secret@h/db2", Table: "three"}},
		"qdrant":     {Qdrant: &config.Qdrant{URL: "http://h2", Collection: "three"}},
		"milvus":     {Milvus: &config.Milvus{URL: "http://h", Database: "d", Collection: "three"}},
		"opensearch": {OpenSearch: &config.OpenSearch{URL: "http://h2", Index: "three"}},
		"redis":      {Redis: &config.Redis{URL: "redis://u:secret@h2", Prefix: "three", Index: "hnsw"}},
	}
	beside := readable("three")
	beside["opensearch"].OpenSearch.URL += "/"
	beside["milvus"].Milvus.Database = "default"
	for kind, o := range readable("two") {
		if err := withOutputs(t, "old", o, others[kind]).CheckName("texts"); err != nil {
			t.Errorf("%s at two places: %v", kind, err)
		}
		second := beside[kind]
		err := withOutputs(t, "old", o, second).CheckName("texts")
		if kind == "parquet" { // whose files lie together
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), " two and ") || !strings.Contains(err.Error(), " three of new are in one place") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s at one place: %v", kind, err)
		}
		second.BestEffort = true
		r := withOutputs(t, "old", second, o)
		if err := r.CheckName("texts"); err != nil {
			t.Errorf("%s, one with best_effort: %v", kind, err)
		}
		done := 0
		for _, s := range r.CutOver("texts") {
			if s.Do == nil {
				continue
			}
			if done++; strings.Contains(s.What, "best_effort") || !strings.Contains(s.What, "two") {
				t.Errorf("done: %s", s.What)
			}
		}
		if s := r.CutOver("texts")[0]; done != 1 || !strings.Contains(s.What, "three") || !strings.Contains(s.What, " (best_effort: it may lack rows, which nothing brings in later; there texts is for ") {
			t.Errorf("%s: %d are done; %s", kind, done, s.What)
		}
	}
}
