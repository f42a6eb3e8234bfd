package arrowrow

import (
	"bytes"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/float16"

	"vecmill/schemas"
)

// float32Lists is a list of numbers of some tasks. No result is an empty one, so nil means that the result is in another form.
func float32Lists(f func(*schemas.Row) *[]float32) column {
	return column{
		put: func(b array.Builder, r *schemas.Row, filled bool) {
			lb, v := b.(*array.ListBuilder), *f(r)
			if !filled || v == nil {
				lb.AppendNull()
				return
			}
			lb.Append(true)
			lb.ValueBuilder().(*array.Float32Builder).AppendValues(v, nil)
		},
		read: func(a arrow.Array, i int, r *schemas.Row) {
			l := a.(*array.List)
			from, to := l.ValueOffsets(i)
			*f(r) = append([]float32{}, l.ListValues().(*array.Float32).Float32Values()[from:to]...)
		},
	}
}

func halfVector() column {
	return column{
		put: func(b array.Builder, r *schemas.Row, filled bool) {
			lb := b.(*array.ListBuilder)
			if !filled || r.Half == nil {
				lb.AppendNull()
				return
			}
			lb.Append(true)
			switch vb := lb.ValueBuilder().(type) {
			case *array.Float16Builder:
				vb.Reserve(len(r.Half))
				for _, bits := range r.Half {
					vb.UnsafeAppend(float16.FromBits(bits))
				}
			case *array.Float32Builder: // WideSchema
				vb.Reserve(len(r.Half))
				for _, bits := range r.Half {
					vb.UnsafeAppend(widen(bits))
				}
			}
		},
		read: func(a arrow.Array, i int, r *schemas.Row) {
			l := a.(*array.List)
			from, to := l.ValueOffsets(i)
			r.Half = make([]uint16, 0, to-from)
			switch values := l.ListValues().(type) {
			case *array.Float16:
				for _, v := range values.Values()[from:to] {
					r.Half = append(r.Half, v.Uint16())
				}
			case *array.Float32:
				for _, v := range values.Float32Values()[from:to] {
					r.Half = append(r.Half, narrow(v))
				}
			}
		},
	}
}

func maskPNG() column {
	return column{
		put: func(b array.Builder, r *schemas.Row, filled bool) {
			if !filled || r.Mask.PNG == nil {
				b.AppendNull()
				return
			}
			b.(*array.BinaryBuilder).Append(r.Mask.PNG)
		},
		read: func(a arrow.Array, i int, r *schemas.Row) { r.Mask.PNG = bytes.Clone(a.(*array.Binary).Value(i)) },
	}
}

// payloadFloat is a number of some tasks.
func payloadFloat(f func(*schemas.Row) *float64) column {
	return column{
		put: func(b array.Builder, r *schemas.Row, filled bool) {
			if filled {
				b.(*array.Float64Builder).Append(*f(r))
				return
			}
			b.AppendNull()
		},
		read: func(a arrow.Array, i int, r *schemas.Row) { *f(r) = a.(*array.Float64).Value(i) },
	}
}
