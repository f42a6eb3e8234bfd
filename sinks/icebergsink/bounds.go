package icebergsink

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// columns is what the footer of a file says of its columns: sizes of all, counts and bounds of those that are not inside of lists.
func columns(body []byte) (map[int]Column, error) {
	r, err := file.NewParquetReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	meta := r.MetaData()
	out := map[int]Column{}
	for i := range meta.Schema.NumColumns() {
		leaf := meta.Schema.Column(i)
		var c Column
		known := leaf.MaxRepetitionLevel() == 0
		for g := range r.NumRowGroups() {
			chunk, err := meta.RowGroup(g).ColumnChunk(i)
			if err != nil {
				return nil, err
			}
			c.Bytes += chunk.TotalCompressedSize()
			c.Values += chunk.NumValues()
			if known {
				if known, err = c.widen(chunk); err != nil {
					return nil, err
				}
			}
		}
		if !known {
			c.Values, c.Nulls, c.Lower, c.Upper = 0, 0, nil, nil
		}
		out[int(leaf.SchemaNode().FieldID())] = c
	}
	return out, nil
}

// longBound is the longest text that is kept as a bound: it is for columns that say where a row belongs, not for addresses.
const longBound = 64

// widen takes the counts and bounds of one more row group; known is false if it does not say.
func (c *Column) widen(chunk *metadata.ColumnChunkMetaData) (known bool, err error) {
	st, err := chunk.Statistics()
	if err != nil || st == nil || !st.HasNullCount() {
		return false, err
	}
	c.Nulls += st.NullCount()
	if st.NullCount() == chunk.NumValues() { // nothing to bound
		return true, nil
	}
	lower, upper, less := bounds(st)
	switch {
	case less == nil || len(lower) > longBound || len(upper) > longBound:
		c.unbounded, c.Lower, c.Upper = true, nil, nil
	case c.unbounded:
	case c.Lower == nil:
		c.Lower, c.Upper = lower, upper
	default:
		if less(lower, c.Lower) {
			c.Lower = lower
		}
		if less(c.Upper, upper) {
			c.Upper = upper
		}
	}
	return true, nil
}

// bounds are the smallest and the largest value of whole numbers, times and texts, as Parquet and Iceberg both write them, and their order; less is nil for
// values whose bounds are not kept.
func bounds(st metadata.TypedStatistics) (lower, upper []byte, less func(a, b []byte) bool) {
	if !st.HasMinMax() {
		return nil, nil, nil
	}
	switch st.(type) {
	case *metadata.Int32Statistics:
		less = func(a, b []byte) bool {
			return int32(binary.LittleEndian.Uint32(a)) < int32(binary.LittleEndian.Uint32(b))
		}
	case *metadata.Int64Statistics:
		less = func(a, b []byte) bool {
			return int64(binary.LittleEndian.Uint64(a)) < int64(binary.LittleEndian.Uint64(b))
		}
	case *metadata.ByteArrayStatistics:
		if _, text := st.Descr().LogicalType().(schema.StringLogicalType); !text {
			return nil, nil, nil
		}
		less = func(a, b []byte) bool { return bytes.Compare(a, b) < 0 }
	default:
		return nil, nil, nil
	}
	return bytes.Clone(st.EncodeMin()), bytes.Clone(st.EncodeMax()), less
}
