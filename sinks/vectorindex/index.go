// Package vectorindex is what sinks for indexes of vectors have in common: which rows an index takes, a row's vector, and the payload beside it.
package vectorindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"vecmill/schemas"
	"vecmill/sinks/jsonrow"
)

// Metric is the distance of an index.
type Metric string

// The metrics.
const (
	Cosine Metric = "cosine"
	L2     Metric = "l2"
	Inner  Metric = "ip"
)

// Spec is what an index takes.
type Spec struct {
	Heads       []string // that give vectors
	Dimension   int      // numbers of a vector
	Metric      Metric
	ModelDigest string   // the one whose rows the index takes
	Columns     []string // of the payload, besides those that are needed; none for all
}

// Validate lists every fault with the field's name.
func (s *Spec) Validate() error {
	var errs []error
	if len(s.Heads) == 0 {
		errs = append(errs, errors.New("heads: none gives vectors, and an index is of vectors"))
	}
	if s.Dimension < 1 {
		errs = append(errs, fmt.Errorf("dimension: %d is not at least 1", s.Dimension))
	}
	if !slices.Contains([]Metric{Cosine, L2, Inner}, s.Metric) {
		errs = append(errs, fmt.Errorf("metric: %q is not one of cosine, l2, ip", s.Metric))
	}
	if s.ModelDigest == "" {
		errs = append(errs, errors.New("model_digest: missing"))
	}
	for _, name := range s.Columns {
		if !slices.ContainsFunc(schemas.Columns(schemas.Tasks()...), func(c schemas.Column) bool { return c.Name == name }) {
			errs = append(errs, fmt.Errorf("columns: %q is not a column of docs/rows.md", name))
		}
	}
	return errors.Join(errs...)
}

// Check says why the index of that name does not take a row.
func (s *Spec) Check(r *schemas.Row, name string) error {
	if n := len(r.Vector) + len(r.Half); n > 0 && !slices.Contains(s.Heads, r.Head) {
		return fmt.Errorf("a vector by head %s, and %s has those of %v", r.Head, name, s.Heads)
	}
	return Check(r, name, s.ModelDigest, s.Dimension)
}

// Check says why an index of one model and one dimension does not take a row. A row without a vector has no wrong one.
func Check(r *schemas.Row, name, digest string, dimension int) error {
	n := len(r.Vector) + len(r.Half)
	switch {
	case r.ModelDigest != digest:
		return fmt.Errorf("a row of model %s, and %s has rows of model %s; vectors of two models cannot be compared: give each a place of its own", r.ModelDigest, name, digest)
	case n > 0 && n != dimension:
		return fmt.Errorf("a vector of %d numbers by head %s, and %s takes %d; give the head a place of its own", n, r.Head, name, dimension)
	}
	return jsonrow.Check(r)
}

// Taken says that a name for readers cannot be an alias, for the server has something else of that name: "a collection", "an index".
func Taken(name, what string) error {
	return schemas.OfPlace(schemas.PlaceLayout, fmt.Errorf("%s is %s, and no alias: give the cut-over another name", name, what))
}

// Vector is a row's vector in single precision; nil if the row has none.
func Vector(r *schemas.Row) []float32 {
	if len(r.Half) == 0 {
		return r.Vector
	}
	out := make([]float32, len(r.Half))
	for i, h := range r.Half {
		out[i] = jsonrow.Float(h)
	}
	return out
}

// Needed are the columns that a payload always has: what deletions and people look for.
func Needed() []string {
	return []string{"row_id", "ref_id", "model_digest", "head", "topic", "partition", "offset", "window"}
}

// Payload is a row without its vector, as JSON has it: whole numbers are int64, others float64, and a column has one of both kinds.
func (s *Spec) Payload(r *schemas.Row) (map[string]any, error) {
	bare := *r
	bare.Vector, bare.Half = nil, nil
	columns, err := jsonrow.Columns(&bare)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(columns))
	for _, c := range schemas.Columns(r.Task) {
		text, ok := columns[c.Name]
		if !ok || len(s.Columns) > 0 && !slices.Contains(s.Columns, c.Name) && !slices.Contains(Needed(), c.Name) {
			continue
		}
		v, err := decoded(text)
		if err != nil {
			return nil, fmt.Errorf("row %s: column %s: %w", r.RowID, c.Name, err)
		}
		out[c.Name] = plain(v, c.Type == schemas.Float32 || c.Type == schemas.Float64)
	}
	return out, nil
}

// decoded is a value with its numbers as they are written.
func decoded(text []byte) (v any, err error) {
	switch text[0] {
	case '{', '[':
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		err = d.Decode(&v)
	case '"', 't', 'f', 'n':
		err = json.Unmarshal(text, &v)
	default:
		v = json.Number(text)
	}
	return v, err
}

// plain is a decoded value without json.Number. A number is whole if it is written so, unless fraction is set.
func plain(v any, fraction bool) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && !fraction {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return string(v)
		}
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i], fraction)
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k], fraction)
		}
	}
	return v
}
