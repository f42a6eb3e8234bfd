package arrowrow

import (
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"vecmill/schemas"
)

// column is how one column is filled from a row and read back into one.
type column struct {
	put  put
	read func(a arrow.Array, i int, r *schemas.Row) // called for values that are not null
}

// columns is the table of every column that this build can fill, by name.
func columns() map[string]column {
	c := map[string]column{
		"window_start":  float64s(func(r *schemas.Row) *float64 { return &r.WindowStart }),
		"window_end":    float64s(func(r *schemas.Row) *float64 { return &r.WindowEnd }),
		"fetch_ms":      millis(func(r *schemas.Row) *time.Duration { return &r.Timings.Fetch }),
		"preprocess_ms": millis(func(r *schemas.Row) *time.Duration { return &r.Timings.Preprocess }),
		"queue_ms":      millis(func(r *schemas.Row) *time.Duration { return &r.Timings.Queue }),
		"infer_ms":      millis(func(r *schemas.Row) *time.Duration { return &r.Timings.Infer }),
		"partition":     int32s(func(r *schemas.Row) *int { return &r.Partition }),
		"window":        int32s(func(r *schemas.Row) *int { return &r.Window }),
		"offset":        offsets(),
		"truncated":     truncated(),
		"created_at":    createdAt(),
		"attributes":    attributes(),
		"vector":        float32Lists(func(r *schemas.Row) *[]float32 { return &r.Vector }),
		"vector_f16":    halfVector(),
		"score":         score(),
		"words":         words(),
		"chars":         chars(),
		"labels":        labels(),
		"segments":      segments(),
		"entities":      entities(),
		"areas":         areas(),
		"mask_runs":     runs(),
		"mask_png":      maskPNG(),
		"fillings":      fillings(),
		"answers":       answers(),
		"choice":        payloadInt(func(r *schemas.Row) *int { return &r.Choice }),
		"probabilities": float32Lists(func(r *schemas.Row) *[]float32 { return &r.Probabilities }),
		"tokens":        payloadInt(func(r *schemas.Row) *int { return &r.Likelihood.Tokens }),
		"nll":           payloadFloat(func(r *schemas.Row) *float64 { return &r.Likelihood.NLL }),
		"perplexity":    payloadFloat(func(r *schemas.Row) *float64 { return &r.Likelihood.Perplexity }),
		"mask_width":    payloadInt(func(r *schemas.Row) *int { return &r.Mask.Width }),
		"mask_height":   payloadInt(func(r *schemas.Row) *int { return &r.Mask.Height }),
	}
	maps.Copy(c, textColumns())
	return c
}

func textColumns() map[string]column {
	return map[string]column{
		"row_id":            strs(func(r *schemas.Row) *string { return &r.RowID }),
		"ref_id":            strs(func(r *schemas.Row) *string { return &r.RefID }),
		"uri":               strs(func(r *schemas.Row) *string { return &r.URI }),
		"etag":              optional(func(r *schemas.Row) *string { return &r.ETag }),
		"version":           optional(func(r *schemas.Row) *string { return &r.Version }),
		"content_hash":      strs(func(r *schemas.Row) *string { return &r.ContentHash }),
		"modality":          strs(func(r *schemas.Row) *schemas.Modality { return &r.Modality }),
		"model":             strs(func(r *schemas.Row) *string { return &r.Model }),
		"model_digest":      strs(func(r *schemas.Row) *string { return &r.ModelDigest }),
		"preprocess_digest": strs(func(r *schemas.Row) *string { return &r.PreprocessDigest }),
		"head":              strs(func(r *schemas.Row) *string { return &r.Head }),
		"task":              strs(func(r *schemas.Row) *schemas.Task { return &r.Task }),
		"topic":             strs(func(r *schemas.Row) *string { return &r.Topic }),
		"text":              payloadText(func(r *schemas.Row) *string { return &r.Text }),
		"label":             payloadText(func(r *schemas.Row) *string { return &r.Label }),
	}
}

// strs is a string column that always has a value.
func strs[S ~string](f func(*schemas.Row) *S) column {
	return column{
		put:  func(b array.Builder, r *schemas.Row, _ bool) { b.(*array.StringBuilder).Append(text(*f(r))) },
		read: readText(f),
	}
}

// optional is a string column that is null when the string is empty.
func optional(f func(*schemas.Row) *string) column {
	return column{
		put: func(b array.Builder, r *schemas.Row, _ bool) {
			if s := *f(r); s != "" {
				b.(*array.StringBuilder).Append(text(s))
				return
			}
			b.AppendNull()
		},
		read: readText(f),
	}
}

// payloadText is a string column of some tasks; an empty string is a value there (a silent clip has an empty transcript).
func payloadText(f func(*schemas.Row) *string) column {
	return column{
		put: func(b array.Builder, r *schemas.Row, filled bool) {
			if filled {
				b.(*array.StringBuilder).Append(text(*f(r)))
				return
			}
			b.AppendNull()
		},
		read: readText(f),
	}
}

func readText[S ~string](f func(*schemas.Row) *S) func(arrow.Array, int, *schemas.Row) {
	return func(a arrow.Array, i int, r *schemas.Row) { *f(r) = S(a.(*array.String).Value(i)) }
}

func float64s(f func(*schemas.Row) *float64) column {
	return column{
		put:  func(b array.Builder, r *schemas.Row, _ bool) { b.(*array.Float64Builder).Append(*f(r)) },
		read: func(a arrow.Array, i int, r *schemas.Row) { *f(r) = a.(*array.Float64).Value(i) },
	}
}

func int32s(f func(*schemas.Row) *int) column {
	return column{
		put:  func(b array.Builder, r *schemas.Row, _ bool) { b.(*array.Int32Builder).Append(int32(*f(r))) },
		read: func(a arrow.Array, i int, r *schemas.Row) { *f(r) = int(a.(*array.Int32).Value(i)) },
	}
}

// payloadInt is a whole number of some tasks.
func payloadInt(f func(*schemas.Row) *int) column {
	return column{
		put: func(b array.Builder, r *schemas.Row, filled bool) {
			if filled {
				b.(*array.Int32Builder).Append(int32(*f(r)))
				return
			}
			b.AppendNull()
		},
		read: func(a arrow.Array, i int, r *schemas.Row) { *f(r) = int(a.(*array.Int32).Value(i)) },
	}
}

func millis(f func(*schemas.Row) *time.Duration) column {
	return column{
		put: func(b array.Builder, r *schemas.Row, _ bool) {
			b.(*array.Float32Builder).Append(float32(float64(*f(r)) / float64(time.Millisecond)))
		},
		read: func(a arrow.Array, i int, r *schemas.Row) {
			*f(r) = time.Duration(float64(a.(*array.Float32).Value(i)) * float64(time.Millisecond))
		},
	}
}

func offsets() column {
	return column{
		put:  func(b array.Builder, r *schemas.Row, _ bool) { b.(*array.Int64Builder).Append(r.Offset) },
		read: func(a arrow.Array, i int, r *schemas.Row) { r.Offset = a.(*array.Int64).Value(i) },
	}
}

func truncated() column {
	return column{
		put:  func(b array.Builder, r *schemas.Row, _ bool) { b.(*array.BooleanBuilder).Append(r.Truncated) },
		read: func(a arrow.Array, i int, r *schemas.Row) { r.Truncated = a.(*array.Boolean).Value(i) },
	}
}

func createdAt() column {
	return column{
		put: func(b array.Builder, r *schemas.Row, _ bool) {
			b.(*array.TimestampBuilder).Append(arrow.Timestamp(r.CreatedAt.UnixMicro()))
		},
		read: func(a arrow.Array, i int, r *schemas.Row) {
			r.CreatedAt = time.UnixMicro(int64(a.(*array.Timestamp).Value(i))).UTC()
		},
	}
}

func score() column {
	return column{
		put: func(b array.Builder, r *schemas.Row, filled bool) {
			if filled {
				b.(*array.Float32Builder).Append(r.Score)
				return
			}
			b.AppendNull()
		},
		read: func(a arrow.Array, i int, r *schemas.Row) { r.Score = a.(*array.Float32).Value(i) },
	}
}

func attributes() column {
	return column{
		put: func(b array.Builder, r *schemas.Row, _ bool) {
			mb := b.(*array.MapBuilder)
			if len(r.Attributes) == 0 {
				mb.AppendNull()
				return
			}
			mb.Append(true)
			keys, vals := mb.KeyBuilder().(*array.StringBuilder), mb.ItemBuilder().(*array.StringBuilder)
			for _, k := range slices.Sorted(maps.Keys(r.Attributes)) { // sorted: equal rows give equal files
				keys.Append(text(k))
				vals.Append(text(r.Attributes[k]))
			}
		},
		read: func(a arrow.Array, i int, r *schemas.Row) {
			m := a.(*array.Map)
			keys, vals := m.Keys().(*array.String), m.Items().(*array.String)
			from, to := m.ValueOffsets(i)
			r.Attributes = make(map[string]string, to-from)
			for j := int(from); j < int(to); j++ {
				r.Attributes[keys.Value(j)] = vals.Value(j)
			}
		},
	}
}
