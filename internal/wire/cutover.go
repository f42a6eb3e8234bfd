package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"vecmill/internal/config"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/pgvectorsink"
	"vecmill/sinks/redissink"
)

// Step is a part of a cut-over.
type Step struct {
	What string                          // for people: what to do
	Do   func(ctx context.Context) error // does it; nil, or ErrByHand from it: somebody else has to
}

// ErrByHand is a step's that cannot be done here.
var ErrByHand = errors.New("it is to be done by hand")

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
		all = append(all, r.steps(&r.New.Outputs[i], name)...)
	}
	return append(all, Step{What: fmt.Sprintf("workers: take pipeline %s out of the configuration and start them with it; what %s has written stays until somebody deletes it", r.Old.Name, r.Old.Name)})
}

// steps is the table of cut-overs.
func (r *Reembed) steps(o *config.Output, name string) []Step {
	files, _ := o.Files()
	switch {
	case files != nil:
		at := filesURL(files, r.New.Name)
		return []Step{{
			What: fmt.Sprintf("files: readers go to %s, or look it up in %s/%s/%s.json, which --cut-over %[4]s writes", at, strings.TrimRight(files.URL, "/"), currentDir, name),
			Do:   func(ctx context.Context) error { return r.point(ctx, files, name, at) },
		}}
	case o.Postgres != nil:
		return []Step{{
			What: fmt.Sprintf("PostgreSQL: CREATE OR REPLACE VIEW %s AS SELECT * FROM %s;", name, o.Postgres.Table),
			Do: func(ctx context.Context) error {
				return pgvectorsink.PointView(ctx, o.Postgres.URL.Reveal(), name, o.Postgres.Table)
			},
		}}
	case o.Qdrant != nil:
		return []Step{qdrantStep(o.Qdrant, name)}
	case o.Milvus != nil:
		return []Step{milvusStep(o.Milvus, name)}
	case o.OpenSearch != nil:
		return []Step{openSearchStep(o.OpenSearch, name)}
	}
	last := Step{What: o.Kind() + ": readers tell the rows of " + r.New.Name + " by their model_digest"}
	if where, _ := sharedPlace(o); where != "" {
		last.What = o.Kind() + ": readers go to " + where
	}
	if heads := vectorHeads(r.New); o.Redis != nil && o.Redis.Index != string(redissink.None) && len(heads) > 0 {
		last.What = "redis: readers that look rows up by their keys go to prefix " + o.Redis.Prefix
		return []Step{redisStep(o.Redis, name, heads), last}
	}
	return []Step{last}
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
