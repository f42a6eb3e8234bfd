package opensearchsink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"vecmill/schemas"
	"vecmill/sinks/rest"
	"vecmill/sinks/vectorindex"
)

// space is a metric by the server's name.
func space(m vectorindex.Metric) string {
	return map[vectorindex.Metric]string{vectorindex.Cosine: "cosinesimil", vectorindex.L2: "l2", vectorindex.Inner: "innerproduct"}[m]
}

// mostTerm is the longest term that an index can have, bytes; ignore_above counts characters, of up to four.
const mostTerm = 32766

// pairs is the field with the attributes as texts, "tenant=acme", to filter by.
const pairs = "attribute_pairs"

// properties are the fields that are indexed. Others are kept with the document: keys of attributes and words are anybody's, and each would be a field.
type properties map[string]map[string]any

type mapping struct {
	Dynamic    any        `json:"dynamic"` // false, which the server gives back as text
	Meta       meta       `json:"_meta"`
	Properties properties `json:"properties"`
}

type meta struct {
	ModelDigest string `json:"vecmill_model_digest"`
}

func (c *Config) mapping() mapping {
	p := properties{
		"vector": {"type": "knn_vector", "dimension": c.Index.Dimension, "space_type": space(c.Index.Metric), "method": map[string]any{"name": "hnsw", "engine": "lucene"}},
		"offset": {"type": "long"}, "partition": {"type": "integer"}, "window": {"type": "integer"},
		"text": {"type": "text"}, "score": {"type": "float"}, "created_at": {"type": "date"},
	}
	for _, name := range []string{"row_id", "ref_id", "modality", "model", "model_digest", "head", "task", "topic"} {
		p[name] = map[string]any{"type": "keyword"}
	}
	for _, name := range []string{"uri", "label", pairs} { // what is longer than a term can be is kept, and not found
		p[name] = map[string]any{"type": "keyword", "ignore_above": mostTerm / 4}
	}
	return mapping{Dynamic: false, Meta: meta{c.Index.ModelDigest}, Properties: p}
}

// prepare makes the index if it is not there, and refuses one that does not fit (O1, O2).
func (s *store) prepare(ctx context.Context) error {
	var there map[string]struct{ Mappings mapping }
	err := s.ask(ctx, http.MethodGet, "/_mapping", nil, &there)
	if isMissing(err) {
		if err := s.create(ctx); err != nil {
			return err
		}
		err = s.ask(ctx, http.MethodGet, "/_mapping", nil, &there)
	}
	if err != nil {
		return err
	}
	for _, index := range there { // one, under another name if ours is an alias
		if err := s.fits(&index.Mappings); err != nil {
			return err
		}
		return s.sameModel(ctx, index.Mappings.Meta.ModelDigest)
	}
	return errors.New("the server knows the index, and has no mapping of it")
}

func (s *store) create(ctx context.Context) error {
	err := s.ask(ctx, http.MethodPut, "", map[string]any{
		"settings": map[string]any{"index.knn": true, "number_of_shards": s.cfg.Shards, "number_of_replicas": s.cfg.Replicas},
		"mappings": s.cfg.mapping(),
	}, nil)
	e, ok := errors.AsType[*rest.Error](err)
	switch {
	case err == nil, ok && typeOf(e) == "resource_already_exists_exception": // another worker was faster
		return nil
	case ok && typeOf(e) == "mapper_parsing_exception":
		return schemas.Unfitf(schemas.PlaceLayout, "the index cannot be made; has the server the k-NN plugin? %w", err)
	}
	return fmt.Errorf("making the index: %w", err)
}

// typeOf is the kind of an error as the server names it, which is at the beginning of what it says.
func typeOf(e *rest.Error) string {
	var said struct{ Error fault }
	if json.Unmarshal([]byte(e.Said), &said) == nil {
		return said.Error.Type
	}
	if m := typed.FindStringSubmatch(e.Said); m != nil {
		return m[1]
	}
	return ""
}

// fits compares the fields that are there with ours.
func (s *store) fits(is *mapping) error {
	for name, want := range s.cfg.mapping().Properties {
		has := is.Properties[name]
		if has["type"] != want["type"] {
			return schemas.Unfitf(schemas.PlaceLayout, "its field %s is %v, and %v is needed; name an index that is not there, and it is made", name, has["type"], want["type"])
		}
	}
	v := is.Properties["vector"]
	if n, _ := v["dimension"].(float64); int(n) != s.cfg.Index.Dimension {
		return schemas.Unfitf(schemas.PlaceDimension, "its vectors have %v numbers, and the model gives %d; name another index", v["dimension"], s.cfg.Index.Dimension)
	}
	has := v["space_type"]
	if method, ok := v["method"].(map[string]any); ok && has == nil {
		has = method["space_type"]
	}
	if has == nil {
		has = "l2" // the server's default
	}
	if has != space(s.cfg.Index.Metric) {
		return schemas.Unfitf(schemas.PlaceMetric, "its vectors are compared by %v, and metric is %s; change the setting, or name another index", has, s.cfg.Index.Metric)
	}
	return nil
}

// sameModel refuses an index of another model (O2).
func (s *store) sameModel(ctx context.Context, is string) error {
	ours := s.cfg.Index.ModelDigest
	if is == "" {
		var other struct {
			Hits struct {
				Hits []struct {
					Source struct {
						ModelDigest string `json:"model_digest"`
					} `json:"_source"`
				}
			}
		}
		query := map[string]any{"bool": map[string]any{"must": []any{map[string]any{"exists": map[string]any{"field": "model_digest"}}}, "must_not": []any{term("model_digest", ours)}}}
		if err := s.ask(ctx, http.MethodPost, "/_search", map[string]any{"size": 1, "_source": []string{"model_digest"}, "query": query}, &other); err != nil {
			return fmt.Errorf("looking for documents of another model: %w", err)
		}
		if len(other.Hits.Hits) == 0 {
			return nil
		}
		is = other.Hits.Hits[0].Source.ModelDigest
	}
	if is != ours {
		return schemas.Unfitf(schemas.PlaceModel, "it has rows of model %s, and this is model %s; vectors of two models cannot be compared: give each an index of its own", is, ours)
	}
	return nil
}

func term(field string, value any) map[string]any {
	return map[string]any{"term": map[string]any{field: value}}
}
