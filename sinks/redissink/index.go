package redissink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"vecmill/schemas"
	"vecmill/sinks/vectorindex"
)

// Algorithm is how an index of vectors is searched.
type Algorithm string

// The algorithms.
const (
	None Algorithm = "none"
	HNSW Algorithm = "hnsw" // nearly the nearest, by a graph
	Flat Algorithm = "flat" // the nearest, by looking at all
)

// Index is what the server indexes, if it has the module search.
type Index struct {
	Algorithm Algorithm
	Vectors   vectorindex.Spec // its heads, dimension and metric
	Halves    []string         // those of the heads whose vectors have half precision
}

func (x *Index) wanted() bool { return x.Algorithm != None && x.Algorithm != "" }

func (x *Index) validate(c *Config) error {
	if !x.wanted() {
		return nil
	}
	var errs []error
	if x.Algorithm != HNSW && x.Algorithm != Flat {
		errs = append(errs, fmt.Errorf("index: %q is not one of none, hnsw, flat", x.Algorithm))
	}
	for _, head := range x.Vectors.Heads {
		if column, _ := x.field(head); !c.takes(column) {
			errs = append(errs, fmt.Errorf("columns: %s is not among them, and is what the index of head %s is made of", column, head))
		}
	}
	return errors.Join(append(errs, x.Vectors.Validate())...)
}

// field is the column with a head's vectors, and what a number of them is to the server.
func (x *Index) field(head string) (column, number string) {
	if slices.Contains(x.Halves, head) {
		return "vector_f16", "FLOAT16"
	}
	return "vector", "FLOAT32"
}

// check says why an index would pass a row over, as the server does without a word (R5).
func (x *Index) check(r *schemas.Row, name string) error {
	if !x.wanted() {
		return nil
	}
	if err := x.Vectors.Check(r, name); err != nil {
		return err
	}
	if column, _ := x.field(r.Head); len(r.Half) > 0 && column == "vector" || len(r.Vector) > 0 && column != "vector" {
		return fmt.Errorf("a vector by head %s of another precision than %s takes", r.Head, name)
	}
	return nil
}

// tagged are the columns that a search can filter by as a whole, and counted those that it can compare.
var (
	tagged  = []string{"row_id", "ref_id", "uri", "modality", "topic"}
	counted = []string{"partition", "offset", "window"}
)

// separator is no character of a value: a tag with the default's commas would be several.
const separator = "\x1f"

// fieldsOf are what a head's index has.
func (c *Config) fieldsOf(head string) []*redis.FieldSchema {
	column, number := c.Index.field(head)
	metric := strings.ToUpper(string(c.Index.Vectors.Metric))
	args := &redis.FTVectorArgs{HNSWOptions: &redis.FTHNSWOptions{Type: number, Dim: c.Index.Vectors.Dimension, DistanceMetric: metric}}
	if c.Index.Algorithm == Flat {
		args = &redis.FTVectorArgs{FlatOptions: &redis.FTFlatOptions{Type: number, Dim: c.Index.Vectors.Dimension, DistanceMetric: metric}}
	}
	out := []*redis.FieldSchema{{FieldName: column, FieldType: redis.SearchFieldTypeVector, VectorArgs: args}}
	for _, name := range tagged {
		if c.takes(name) {
			out = append(out, &redis.FieldSchema{FieldName: name, FieldType: redis.SearchFieldTypeTag, Separator: separator, CaseSensitive: true})
		}
	}
	for _, name := range counted {
		if c.takes(name) {
			out = append(out, &redis.FieldSchema{FieldName: name, FieldType: redis.SearchFieldTypeNumeric})
		}
	}
	return out
}

// IndexName is the index of a head's rows.
func IndexName(prefix, head string) string { return prefix + ":" + head }

// index makes the index of a head if it is not there, and refuses one that does not fit (R5).
func (s *store) index(ctx context.Context, head string) error {
	name := IndexName(s.cfg.Prefix, head)
	rows := name + ":"
	err := s.db.FTCreate(ctx, name, &redis.FTCreateOptions{OnHash: true, Prefix: []any{rows}}, s.cfg.fieldsOf(head)...).Err()
	switch {
	case err == nil:
		return nil
	case isUnknown(err):
		return schemas.Unfitf(schemas.PlaceLayout, "it has no module search, which keeps indexes of vectors: load the module, or set index to none")
	case !strings.Contains(err.Error(), "already exists"):
		return fmt.Errorf("making the index %s: %w", name, err)
	}
	is, err := s.db.Do(ctx, "FT.INFO", name).Slice() // the library's own reader of the answer panics where one has other fields than it knows
	if err != nil {
		return fmt.Errorf("looking at the index %s: %w", name, err)
	}
	if class, why := s.cfg.unlike(head, pairs(is)); why != "" {
		return schemas.Unfitf(class, "the index %s %s; change the setting, or drop the index (FT.DROPINDEX leaves the rows) and start again, which makes it anew of the rows that are there", name, why)
	}
	return nil
}

// isUnknown says whether a server does not know a command.
func isUnknown(err error) bool { return startsWith(err, "ERR unknown command") }

// pairs are the names and values of an answer, in turn, by name.
func pairs(answer any) map[string]any {
	list, _ := answer.([]any)
	out := map[string]any{}
	for i := 0; i+1 < len(list); i += 2 {
		out[fmt.Sprint(list[i])] = list[i+1]
	}
	return out
}

// unlike says what of an index is not as this sink makes it, and of which class that is; "" if nothing is.
func (c *Config) unlike(head string, is map[string]any) (class schemas.PlaceFault, why string) {
	if prefixes, want := fmt.Sprint(pairs(is["index_definition"])["prefixes"]), "["+IndexName(c.Prefix, head)+":]"; prefixes != want {
		return schemas.PlaceLayout, fmt.Sprintf("is of the keys %s, not %s", prefixes, want)
	}
	column, number := c.Index.field(head)
	fields, _ := is["attributes"].([]any)
	for _, f := range fields {
		field := pairs(f)
		if field["identifier"] != column {
			continue
		}
		said := func(name string) string { return strings.ToLower(fmt.Sprint(field[name])) }
		want := c.Index.Vectors
		switch {
		case said("dim") != strconv.Itoa(want.Dimension):
			return schemas.PlaceDimension, fmt.Sprintf("has vectors of %s numbers, and the model gives %d", said("dim"), want.Dimension)
		case said("distance_metric") != string(want.Metric):
			return schemas.PlaceMetric, fmt.Sprintf("has the metric %s, and metric is %s", said("distance_metric"), want.Metric)
		case said("algorithm") != string(c.Index.Algorithm):
			return schemas.PlaceLayout, fmt.Sprintf("is %s, and index is %s", said("algorithm"), c.Index.Algorithm)
		case said("data_type") != strings.ToLower(number):
			return schemas.PlaceLayout, fmt.Sprintf("has numbers of type %s, and the head gives %s", said("data_type"), strings.ToLower(number))
		}
		return "", ""
	}
	return schemas.PlaceLayout, fmt.Sprintf("has no field %s", column)
}
