package wire

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
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

// longestAlias is what PostgreSQL has room for, with what pgvectorsink puts behind the name of a table.
const longestAlias = 41

var (
	notWord = regexp.MustCompile(`[^a-z0-9_]+`)
	aliasRE = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`) // all servers take it
	viewRE  = regexp.MustCompile(`^([a-z_][a-z0-9_]{0,40}\.)?[a-z_][a-z0-9_]{0,40}$`)
)

// CurrentName is the name for readers if nobody gives another one. Every output takes it, and what is left out of a long one is told by a sum.
func (r *Reembed) CurrentName() string {
	const tail = "_current"
	name := notWord.ReplaceAllString(strings.ToLower(r.Old.Name), "_")
	if !aliasRE.MatchString(name[:1]) {
		name = "rows_" + name
	}
	if len(name)+len(tail) > longestAlias {
		sum := fmt.Sprintf("_%08x", crc32.ChecksumIEEE([]byte(r.Old.Name)))
		name = name[:longestAlias-len(tail)-len(sum)] + sum
	}
	return name + tail
}

// CheckName says why no cut-over brings readers to the new outputs by a name: an output takes no such name, or would have to show two others by it.
func (r *Reembed) CheckName(name string) error {
	for i := range r.New.Outputs {
		o := &r.New.Outputs[i]
		files, _ := o.Files()
		where, _ := r.named(o)
		if where == "" || o.BestEffort || files != nil {
			continue
		}
		re, schema := aliasRE, ""
		if o.Postgres != nil {
			re, schema = viewRE, "; a schema and a dot may be before it"
		}
		if !re.MatchString(name) {
			return fmt.Errorf("%s cannot have the name %q for readers: a lower-case letter, then lower-case letters, digits and _, %d at most%s", o.Kind(), name, longestAlias, schema)
		}
	}
	_, err := r.shown()
	return err
}

// shown is what readers find by the name in each place: a required output. The error says where it would be two.
func (r *Reembed) shown() (all map[string]string, err error) {
	all = map[string]string{}
	for i := range r.New.Outputs {
		o := &r.New.Outputs[i]
		where, shows := r.named(o)
		if where == "" || o.BestEffort {
			continue
		}
		if has, ok := all[where]; ok && has != shows {
			err = fmt.Errorf("%s and %s of %s are in one place, where a name shows one of them: bring readers there by hand, with a name for each", has, shows, r.New.Name)
		}
		all[where] = shows
	}
	return all, err
}

// named is the place in which an output has its name for readers, of which each shows one output, and what it shows; "" where readers go by no name. The place has secrets in it.
func (r *Reembed) named(o *config.Output) (where, shows string) {
	files, _ := o.Files()
	shows, _ = sharedPlace(o)
	switch {
	case files != nil:
		return "files " + strings.TrimRight(files.URL, "/"), filesURL(files, r.New.Name)
	case o.Postgres != nil:
		where = o.Postgres.URL.Reveal()
	case o.Qdrant != nil:
		where = strings.TrimRight(o.Qdrant.URL, "/")
	case o.Milvus != nil:
		where = strings.TrimRight(o.Milvus.URL, "/") + " " + cmp.Or(o.Milvus.Database, "default")
	case o.OpenSearch != nil:
		where = strings.TrimRight(o.OpenSearch.URL, "/")
	case o.Redis != nil && o.Redis.Index != string(redissink.None) && len(vectorHeads(r.New)) > 0:
		where = o.Redis.URL.Reveal()
	default:
		return "", ""
	}
	return o.Kind() + " " + where, shows
}

// CutOver is what brings readers from the old outputs to the new ones, by a name that they look up. Each step may be done again. An output with best_effort is left to somebody who knows what it lacks.
func (r *Reembed) CutOver(name string) (all []Step) {
	shown, _ := r.shown() // CheckName has the error
	for i := range r.New.Outputs {
		o := &r.New.Outputs[i]
		where, _ := r.named(o)
		for _, s := range r.steps(o, name) {
			if o.BestEffort {
				s.Do = nil
				s.What += " (best_effort: it may lack rows, which nothing brings in later" + instead(name, shown[where]) + ")"
			}
			all = append(all, s)
		}
	}
	return append(all, Step{What: fmt.Sprintf("workers: take pipeline %s out of the configuration and start them with it; what %s has written stays until somebody deletes it", r.Old.Name, r.Old.Name)})
}

// instead warns who does by hand what would undo another step.
func instead(name, shows string) string {
	if shows == "" {
		return ""
	}
	return "; there " + name + " is for " + shows
}

// steps is the table of cut-overs.
func (r *Reembed) steps(o *config.Output, name string) []Step {
	files, _ := o.Files()
	switch {
	case files != nil:
		at := filesURL(files, r.New.Name)
		if o.BestEffort {
			return []Step{{What: "files: readers go to " + at}}
		}
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
