package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"vecmill/internal/config"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/pgvectorsink"
)

// Step is a part of a cut-over.
type Step struct {
	What string                          // for people: what to do
	Do   func(ctx context.Context) error // does it; nil: somebody else has to
}

// currentDir is where pointers to the output that counts lie, beneath an output's URL.
const currentDir = "_current"

// Pointer is the object _current/<name>.json.
type Pointer struct {
	Name     string    `json:"name"`
	Pipeline string    `json:"pipeline"` // whose rows count
	URL      string    `json:"url"`      // of its files
	Model    string    `json:"model"`    // as the configuration names it
	Since    time.Time `json:"since"`
}

var notWord = regexp.MustCompile(`[^a-z0-9_]+`)

// CurrentName is the name for readers if nobody gives another one.
func (r *Reembed) CurrentName() string {
	return notWord.ReplaceAllString(strings.ToLower(r.Old.Name), "_") + "_current"
}

// CutOver is what brings readers from the old outputs to the new ones, by a name that they look up. Each step may be done again.
func (r *Reembed) CutOver(name string) (all []Step) {
	for i := range r.New.Outputs {
		all = append(all, r.step(&r.New.Outputs[i], name))
	}
	return append(all, Step{What: fmt.Sprintf("workers: take pipeline %s out of the configuration and start them with it; what %s has written stays until somebody deletes it", r.Old.Name, r.Old.Name)})
}

// step is the table of cut-overs.
func (r *Reembed) step(o *config.Output, name string) Step {
	files, _ := o.Files()
	switch {
	case files != nil:
		at := filesURL(files, r.New.Name)
		return Step{
			What: fmt.Sprintf("files: readers go to %s; %s/%s/%s.json says so to those that look there", at, strings.TrimRight(files.URL, "/"), currentDir, name),
			Do:   func(ctx context.Context) error { return r.point(ctx, files, name, at) },
		}
	case o.Postgres != nil:
		return Step{
			What: fmt.Sprintf("PostgreSQL: CREATE OR REPLACE VIEW %s AS SELECT * FROM %s;", name, o.Postgres.Table),
			Do: func(ctx context.Context) error {
				return pgvectorsink.PointView(ctx, o.Postgres.URL.Reveal(), name, o.Postgres.Table)
			},
		}
	case o.Qdrant != nil:
		return Step{What: fmt.Sprintf(`Qdrant: POST /collections/aliases {"actions":[{"delete_alias":{"alias_name":%q}},{"create_alias":{"alias_name":%q,"collection_name":%q}}]}`, name, name, o.Qdrant.Collection)}
	case o.Milvus != nil:
		body := fmt.Sprintf(`"aliasName":%q,"collectionName":%q}`, name, o.Milvus.Collection)
		if db := o.Milvus.Database; db != "" { // else the server takes the default one
			body = fmt.Sprintf(`"dbName":%q,`, db) + body
		}
		return Step{What: fmt.Sprintf(`Milvus: POST /v2/vectordb/aliases/alter {%s; where there is no such alias yet, POST /v2/vectordb/aliases/create {%[1]s`, body)}
	case o.OpenSearch != nil:
		return Step{What: fmt.Sprintf(`OpenSearch: POST /_aliases {"actions":[{"remove":{"index":"*","alias":%q}},{"add":{"index":%q,"alias":%q}}]}`, name, o.OpenSearch.Index, name)}
	}
	if where, _ := sharedPlace(o); where != "" {
		return Step{What: o.Kind() + ": readers go to " + where}
	}
	return Step{What: o.Kind() + ": readers tell the rows of " + r.New.Name + " by their model_digest"}
}

// filesURL is the directory of a pipeline's files.
func filesURL(c *config.Parquet, pipeline string) string {
	return strings.TrimRight(c.URL, "/") + "/" + strings.TrimSuffix(parquetsink.Layout(c.Layout).Root("", pipeline), "/")
}

// point writes the pointer. Who follows it sees the old output or the new one.
func (r *Reembed) point(ctx context.Context, files *config.Parquet, name, at string) error {
	store, prefix, err := r.auditor.stores.open(ctx, files.URL)
	if err != nil {
		return err
	}
	body, err := json.Marshal(Pointer{Name: name, Pipeline: r.New.Name, URL: at, Model: r.New.Model.Name, Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	return store.Put(ctx, path.Join(prefix, currentDir, name+".json"), body, "application/json")
}
