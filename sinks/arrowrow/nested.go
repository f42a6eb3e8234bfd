package arrowrow

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"vecmill/schemas"
)

func words() column {
	return column{
		put: func(b array.Builder, r *schemas.Row, filled bool) {
			lb := b.(*array.ListBuilder)
			if !filled {
				lb.AppendNull()
				return
			}
			lb.Append(true)
			sb := lb.ValueBuilder().(*array.StructBuilder)
			for i := range r.Words {
				w := &r.Words[i]
				sb.Append(true)
				sb.FieldBuilder(0).(*array.StringBuilder).Append(text(w.Word))
				sb.FieldBuilder(1).(*array.Float64Builder).Append(w.Start)
				sb.FieldBuilder(2).(*array.Float64Builder).Append(w.End)
				sb.FieldBuilder(3).(*array.Float32Builder).Append(w.Score)
			}
		},
		read: func(a arrow.Array, i int, r *schemas.Row) {
			l := a.(*array.List)
			s := l.ListValues().(*array.Struct)
			from, to := l.ValueOffsets(i)
			for j := int(from); j < int(to); j++ {
				r.Words = append(r.Words, schemas.Word{
					Word:  s.Field(0).(*array.String).Value(j),
					Start: s.Field(1).(*array.Float64).Value(j),
					End:   s.Field(2).(*array.Float64).Value(j),
					Score: s.Field(3).(*array.Float32).Value(j),
				})
			}
		},
	}
}

func labels() column {
	return column{
		put: func(b array.Builder, r *schemas.Row, filled bool) {
			lb := b.(*array.ListBuilder)
			if !filled {
				lb.AppendNull()
				return
			}
			lb.Append(true)
			sb := lb.ValueBuilder().(*array.StructBuilder)
			for i := range r.Labels {
				sb.Append(true)
				sb.FieldBuilder(0).(*array.StringBuilder).Append(text(r.Labels[i].Label))
				sb.FieldBuilder(1).(*array.Float32Builder).Append(r.Labels[i].Score)
			}
		},
		read: func(a arrow.Array, i int, r *schemas.Row) {
			l := a.(*array.List)
			s := l.ListValues().(*array.Struct)
			from, to := l.ValueOffsets(i)
			for j := int(from); j < int(to); j++ {
				r.Labels = append(r.Labels, schemas.LabelScore{
					Label: s.Field(0).(*array.String).Value(j),
					Score: s.Field(1).(*array.Float32).Value(j),
				})
			}
		},
	}
}
