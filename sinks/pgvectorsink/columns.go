package pgvectorsink

import (
	"fmt"
	"time"

	"vecmill/schemas"
)

type putter = func(b []byte, r *schemas.Row) ([]byte, error)

// fields are the table's columns in order: the pipeline, then those of schemas.Columns.
func (c *Config) fields(pipeline string) []field {
	out := []field{{"pipeline", "text", false, func(b []byte, _ *schemas.Row) ([]byte, error) { return putText(b, pipeline), nil }}}
	put := putters()
	for _, col := range schemas.Columns(c.Tasks...) {
		out = append(out, field{col.Name, c.sqlType(col), col.Nullable, put[col.Name]})
	}
	return out
}

// sqlType is the type of a column as format_type prints it.
func (c *Config) sqlType(col schemas.Column) string {
	switch col.Name {
	case "vector":
		return fmt.Sprintf("vector(%d)", c.Dimension)
	case "vector_f16":
		return fmt.Sprintf("halfvec(%d)", c.Dimension)
	}
	switch col.Type {
	case schemas.String:
		return "text"
	case schemas.Int32:
		return "integer"
	case schemas.Int64:
		return "bigint"
	case schemas.Float32:
		return "real"
	case schemas.Float64:
		return "double precision"
	case schemas.Bool:
		return "boolean"
	case schemas.Timestamp:
		return "timestamp with time zone"
	case schemas.Float32List:
		return "real[]"
	case schemas.Binary:
		return "bytea"
	default: // lists of structs, and maps
		return "jsonb"
	}
}

// has says whether a row's task fills a payload column.
func has(r *schemas.Row, column string) bool {
	for _, c := range schemas.PayloadColumns(r.Task) {
		if c.Name == column {
			return true
		}
	}
	return false
}

// putters is the table of every column that this build can fill, by name.
func putters() map[string]putter {
	p := map[string]putter{}
	lineage(p)
	payload(p)
	lists(p)
	return p
}

func lineage(p map[string]putter) {
	texts := map[string]func(*schemas.Row) string{
		"row_id": func(r *schemas.Row) string { return r.RowID }, "ref_id": func(r *schemas.Row) string { return r.RefID },
		"uri": func(r *schemas.Row) string { return r.URI }, "content_hash": func(r *schemas.Row) string { return r.ContentHash },
		"modality": func(r *schemas.Row) string { return string(r.Modality) }, "model": func(r *schemas.Row) string { return r.Model },
		"model_digest": func(r *schemas.Row) string { return r.ModelDigest }, "preprocess_digest": func(r *schemas.Row) string { return r.PreprocessDigest },
		"head": func(r *schemas.Row) string { return r.Head }, "task": func(r *schemas.Row) string { return string(r.Task) },
		"topic": func(r *schemas.Row) string { return r.Topic },
	}
	for name, f := range texts {
		p[name] = func(b []byte, r *schemas.Row) ([]byte, error) { return putText(b, f(r)), nil }
	}
	for name, f := range map[string]func(*schemas.Row) string{
		"etag": func(r *schemas.Row) string { return r.ETag }, "version": func(r *schemas.Row) string { return r.Version },
	} {
		p[name] = func(b []byte, r *schemas.Row) ([]byte, error) {
			if f(r) == "" {
				return putNull(b), nil
			}
			return putText(b, f(r)), nil
		}
	}
	p["partition"] = func(b []byte, r *schemas.Row) ([]byte, error) { return putInt32(b, r.Partition) }
	p["offset"] = func(b []byte, r *schemas.Row) ([]byte, error) { return putInt64(b, r.Offset), nil }
	p["window"] = func(b []byte, r *schemas.Row) ([]byte, error) { return putInt32(b, r.Window) }
	p["window_start"] = func(b []byte, r *schemas.Row) ([]byte, error) { return putFloat64(b, r.WindowStart), nil }
	p["window_end"] = func(b []byte, r *schemas.Row) ([]byte, error) { return putFloat64(b, r.WindowEnd), nil }
	p["truncated"] = func(b []byte, r *schemas.Row) ([]byte, error) { return putBool(b, r.Truncated), nil }
	p["created_at"] = func(b []byte, r *schemas.Row) ([]byte, error) { return putTime(b, r.CreatedAt), nil }
	for name, f := range map[string]func(*schemas.Row) time.Duration{
		"fetch_ms": func(r *schemas.Row) time.Duration { return r.Timings.Fetch }, "preprocess_ms": func(r *schemas.Row) time.Duration { return r.Timings.Preprocess },
		"queue_ms": func(r *schemas.Row) time.Duration { return r.Timings.Queue }, "infer_ms": func(r *schemas.Row) time.Duration { return r.Timings.Infer },
	} {
		p[name] = func(b []byte, r *schemas.Row) ([]byte, error) {
			return putFloat32(b, float32(float64(f(r))/float64(time.Millisecond))), nil
		}
	}
	p["attributes"] = func(b []byte, r *schemas.Row) ([]byte, error) {
		if len(r.Attributes) == 0 {
			return putNull(b), nil
		}
		m := make(map[string]string, len(r.Attributes))
		for k, v := range r.Attributes {
			m[clean(k)] = clean(v)
		}
		return putJSON(b, m)
	}
}

func payload(p map[string]putter) {
	filled := func(name string, put putter) {
		p[name] = func(b []byte, r *schemas.Row) ([]byte, error) {
			if !has(r, name) {
				return putNull(b), nil
			}
			return put(b, r)
		}
	}
	filled("text", func(b []byte, r *schemas.Row) ([]byte, error) { return putText(b, r.Text), nil })
	filled("label", func(b []byte, r *schemas.Row) ([]byte, error) { return putText(b, r.Label), nil })
	filled("score", func(b []byte, r *schemas.Row) ([]byte, error) { return putFloat32(b, r.Score), nil })
	filled("choice", func(b []byte, r *schemas.Row) ([]byte, error) { return putInt32(b, r.Choice) })
	filled("tokens", func(b []byte, r *schemas.Row) ([]byte, error) { return putInt32(b, r.Likelihood.Tokens) })
	filled("nll", func(b []byte, r *schemas.Row) ([]byte, error) { return putFloat64(b, r.Likelihood.NLL), nil })
	filled("perplexity", func(b []byte, r *schemas.Row) ([]byte, error) { return putFloat64(b, r.Likelihood.Perplexity), nil })
	filled("mask_width", func(b []byte, r *schemas.Row) ([]byte, error) { return putInt32(b, r.Mask.Width) })
	filled("mask_height", func(b []byte, r *schemas.Row) ([]byte, error) { return putInt32(b, r.Mask.Height) })

	unlessEmpty := func(name string, n func(*schemas.Row) int, put func([]byte, *schemas.Row) []byte) {
		p[name] = func(b []byte, r *schemas.Row) ([]byte, error) {
			if n(r) == 0 {
				return putNull(b), nil
			}
			return put(b, r), nil
		}
	}
	unlessEmpty("vector", func(r *schemas.Row) int { return len(r.Vector) }, func(b []byte, r *schemas.Row) []byte { return putVector(b, r.Vector) })
	unlessEmpty("vector_f16", func(r *schemas.Row) int { return len(r.Half) }, func(b []byte, r *schemas.Row) []byte { return putHalf(b, r.Half) })
	unlessEmpty("probabilities", func(r *schemas.Row) int { return len(r.Probabilities) }, func(b []byte, r *schemas.Row) []byte { return putReals(b, r.Probabilities) })
	unlessEmpty("mask_png", func(r *schemas.Row) int { return len(r.Mask.PNG) }, func(b []byte, r *schemas.Row) []byte { return putBytes(b, r.Mask.PNG) })
}
