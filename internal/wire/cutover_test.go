package wire

import (
	"strings"
	"testing"

	"vecmill/internal/config"
)

// TestTwoDigestsHaveNoPlaceTogether has an old and a new pipeline with one place of each kind, and with a place of the new one's own, to which readers are brought. integration/sinks sends OpenSearch what is said here; no server of Qdrant or Milvus with aliases over HTTP is to be had, so theirs are held against their documentation alone. Secrets are not in what is said.
func TestTwoDigestsHaveNoPlaceTogether(t *testing.T) {
	files := config.Output{Parquet: &config.Parquet{URL: "s3://out/rows", Layout: "plain"}}
	for _, c := range []struct {
		name    string
		of      func(place string) config.Output
		refused string
		cutOver string
	}{
		{
			"a table of PostgreSQL", func(p string) config.Output {
				return config.Output{Postgres: &config.Postgres{URL: "postgres://u:secret@h/db", Table: p}}
			},
			"table one", "PostgreSQL: CREATE OR REPLACE VIEW texts AS SELECT * FROM two;",
		},
		{
			"a table of Iceberg", func(p string) config.Output {
				return config.Output{Iceberg: &config.Iceberg{Catalog: config.IcebergCatalog{URI: "http://u:secret@h"}, Table: p}}
			},
			"table one", "iceberg: readers go to table two",
		},
		{
			"a collection of Qdrant", func(p string) config.Output {
				return config.Output{Qdrant: &config.Qdrant{URL: "http://h", Collection: p}}
			},
			"collection one", `Qdrant: POST /collections/aliases {"actions":[{"delete_alias":{"alias_name":"texts"}},{"create_alias":{"alias_name":"texts","collection_name":"two"}}]}`,
		},
		{
			"a collection of Milvus", func(p string) config.Output {
				return config.Output{Milvus: &config.Milvus{URL: "http://h", Database: "d", Collection: p}}
			},
			"collection one", `Milvus: POST /v2/vectordb/aliases/alter {"dbName":"d","aliasName":"texts","collectionName":"two"}; where there is no such alias yet, POST /v2/vectordb/aliases/create {"dbName":"d","aliasName":"texts","collectionName":"two"}`,
		},
		{
			"a collection of Milvus in the default database", func(p string) config.Output {
				return config.Output{Milvus: &config.Milvus{URL: "http://h", Collection: p}}
			},
			"collection one", `Milvus: POST /v2/vectordb/aliases/alter {"aliasName":"texts","collectionName":"two"}; where there is no such alias yet, POST /v2/vectordb/aliases/create {"aliasName":"texts","collectionName":"two"}`,
		},
		{
			"an index of OpenSearch", func(p string) config.Output {
				return config.Output{OpenSearch: &config.OpenSearch{URL: "http://h", Index: p}}
			},
			"index one", `OpenSearch: POST /_aliases {"actions":[{"remove":{"index":"*","alias":"texts"}},{"add":{"index":"two","alias":"texts"}}]}`,
		},
		{
			"keys of Redis", func(p string) config.Output {
				return config.Output{Redis: &config.Redis{URL: "redis://u:secret@h", Prefix: p}}
			},
			"prefix one", "redis: readers go to prefix two",
		},
		{
			"a push source", func(p string) config.Output {
				return config.Output{Feast: &config.Feast{URL: "http://h:6566", Source: p}}
			},
			"push source one", "feast: readers go to push source two",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := func(place string) *config.Config {
				return &config.Config{Pipelines: []config.Pipeline{
					{Name: "old", Outputs: []config.Output{files, c.of("one")}},
					{Name: "new", Outputs: []config.Output{files, c.of(place)}},
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
			if len(steps) != 3 || steps[1].What != c.cutOver || (steps[1].Do == nil) == (c.of("").Postgres != nil) {
				t.Errorf("the cut-over is %+v, want %q", steps, c.cutOver)
			}
		})
	}
}
