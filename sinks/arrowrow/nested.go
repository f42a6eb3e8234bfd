package arrowrow

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"vecmill/schemas"
)

// structs is a list of structs: field finds it in a row, put fills a struct's fields of one element, read reads one back. An empty list is a
// value: a text may have no entities.
func structs[T any](field func(*schemas.Row) *[]T, put func(*array.StructBuilder, *T), read func(*array.Struct, int) T) column {
	c := either(field, put, read)
	always := c.put
	c.put = func(b array.Builder, r *schemas.Row, filled bool) {
		if all := field(r); filled && *all == nil {
			b.(*array.ListBuilder).Append(true)
			return
		}
		always(b, r, filled)
	}
	return c
}

// either is structs for one of two forms of a result: an empty list means that it is in the other form.
func either[T any](field func(*schemas.Row) *[]T, put func(*array.StructBuilder, *T), read func(*array.Struct, int) T) column {
	return column{
		put: func(b array.Builder, r *schemas.Row, filled bool) {
			lb := b.(*array.ListBuilder)
			all := *field(r)
			if !filled || all == nil {
				lb.AppendNull()
				return
			}
			lb.Append(true)
			sb := lb.ValueBuilder().(*array.StructBuilder)
			for i := range all {
				sb.Append(true)
				put(sb, &all[i])
			}
		},
		read: func(a arrow.Array, i int, r *schemas.Row) {
			l := a.(*array.List)
			s := l.ListValues().(*array.Struct)
			from, to := l.ValueOffsets(i)
			all := field(r)
			for j := int(from); j < int(to); j++ {
				*all = append(*all, read(s, j))
			}
		},
	}
}

func putText(b *array.StructBuilder, field int, v string) {
	b.FieldBuilder(field).(*array.StringBuilder).Append(text(v))
}

func putInt(b *array.StructBuilder, field, v int) {
	b.FieldBuilder(field).(*array.Int32Builder).Append(int32(v))
}

func putScore(b *array.StructBuilder, field int, v float32) {
	b.FieldBuilder(field).(*array.Float32Builder).Append(v)
}

func putExact(b *array.StructBuilder, field int, v float64) {
	b.FieldBuilder(field).(*array.Float64Builder).Append(v)
}

func textAt(s *array.Struct, field, i int) string { return s.Field(field).(*array.String).Value(i) }

func intAt(s *array.Struct, field, i int) int { return int(s.Field(field).(*array.Int32).Value(i)) }

func scoreAt(s *array.Struct, field, i int) float32 { return s.Field(field).(*array.Float32).Value(i) }

func exactAt(s *array.Struct, field, i int) float64 { return s.Field(field).(*array.Float64).Value(i) }

func words() column { return timed(func(r *schemas.Row) *[]schemas.Word { return &r.Words }) }

func chars() column { return timed(func(r *schemas.Row) *[]schemas.Word { return &r.Chars }) }

func timed(field func(*schemas.Row) *[]schemas.Word) column {
	return structs(field,
		func(b *array.StructBuilder, w *schemas.Word) {
			putText(b, 0, w.Word)
			putExact(b, 1, w.Start)
			putExact(b, 2, w.End)
			putScore(b, 3, w.Score)
		},
		func(s *array.Struct, i int) schemas.Word {
			return schemas.Word{Word: textAt(s, 0, i), Start: exactAt(s, 1, i), End: exactAt(s, 2, i), Score: scoreAt(s, 3, i)}
		})
}

func labels() column {
	return structs(func(r *schemas.Row) *[]schemas.LabelScore { return &r.Labels },
		func(b *array.StructBuilder, l *schemas.LabelScore) {
			putText(b, 0, l.Label)
			putScore(b, 1, l.Score)
		},
		func(s *array.Struct, i int) schemas.LabelScore {
			return schemas.LabelScore{Label: textAt(s, 0, i), Score: scoreAt(s, 1, i)}
		})
}

func segments() column {
	return structs(func(r *schemas.Row) *[]schemas.Segment { return &r.Segments },
		func(b *array.StructBuilder, g *schemas.Segment) {
			putText(b, 0, g.Label)
			putExact(b, 1, g.Start)
			putExact(b, 2, g.End)
			putScore(b, 3, g.Score)
		},
		func(s *array.Struct, i int) schemas.Segment {
			return schemas.Segment{Label: textAt(s, 0, i), Start: exactAt(s, 1, i), End: exactAt(s, 2, i), Score: scoreAt(s, 3, i)}
		})
}

func entities() column {
	return structs(func(r *schemas.Row) *[]schemas.Entity { return &r.Entities },
		func(b *array.StructBuilder, e *schemas.Entity) {
			putText(b, 0, e.Label)
			putText(b, 1, e.Text)
			putInt(b, 2, e.Start)
			putInt(b, 3, e.End)
			putScore(b, 4, e.Score)
		},
		func(s *array.Struct, i int) schemas.Entity {
			return schemas.Entity{Label: textAt(s, 0, i), Text: textAt(s, 1, i), Start: intAt(s, 2, i), End: intAt(s, 3, i), Score: scoreAt(s, 4, i)}
		})
}

func areas() column {
	return structs(func(r *schemas.Row) *[]schemas.Area { return &r.Areas },
		func(b *array.StructBuilder, a *schemas.Area) {
			putInt(b, 0, a.Class)
			putText(b, 1, a.Label)
			putExact(b, 2, a.Share)
		},
		func(s *array.Struct, i int) schemas.Area {
			return schemas.Area{Class: intAt(s, 0, i), Label: textAt(s, 1, i), Share: exactAt(s, 2, i)}
		})
}

func runs() column {
	return either(func(r *schemas.Row) *[]schemas.Run { return &r.Mask.Runs },
		func(b *array.StructBuilder, n *schemas.Run) {
			putInt(b, 0, n.Class)
			putInt(b, 1, n.Length)
		},
		func(s *array.Struct, i int) schemas.Run {
			return schemas.Run{Class: intAt(s, 0, i), Length: intAt(s, 1, i)}
		})
}

func fillings() column {
	return structs(func(r *schemas.Row) *[]schemas.Filling { return &r.Fillings },
		func(b *array.StructBuilder, f *schemas.Filling) {
			putInt(b, 0, f.Mask)
			putInt(b, 1, f.Token)
			putText(b, 2, f.Text)
			putText(b, 3, f.Sequence)
			putScore(b, 4, f.Score)
		},
		func(s *array.Struct, i int) schemas.Filling {
			return schemas.Filling{Mask: intAt(s, 0, i), Token: intAt(s, 1, i), Text: textAt(s, 2, i), Sequence: textAt(s, 3, i), Score: scoreAt(s, 4, i)}
		})
}

func answers() column {
	return structs(func(r *schemas.Row) *[]schemas.Answer { return &r.Answers },
		func(b *array.StructBuilder, a *schemas.Answer) {
			putText(b, 0, a.Text)
			putInt(b, 1, a.Start)
			putInt(b, 2, a.End)
			putScore(b, 3, a.Score)
		},
		func(s *array.Struct, i int) schemas.Answer {
			return schemas.Answer{Text: textAt(s, 0, i), Start: intAt(s, 1, i), End: intAt(s, 2, i), Score: scoreAt(s, 3, i)}
		})
}
