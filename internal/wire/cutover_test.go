package wire

import (
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
