package pgvectorsink

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
)

// field is how one column is declared and filled.
type field struct {
	name    string
	sqlType string // as format_type prints it
	null    bool
	put     func(b []byte, r *schemas.Row) ([]byte, error) // appends length and value in COPY's binary format
}

// The binary formats are those of the types' send functions.

// putNull writes the length -1.
func putNull(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff) }

func putText(b []byte, s string) []byte {
	s = clean(s)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// clean is s as the server takes it: valid UTF-8 without NUL; what is not becomes U+FFFD, as in Parquet files.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

func putInt32(b []byte, n int) ([]byte, error) {
	if n < math.MinInt32 || n > math.MaxInt32 {
		return nil, fmt.Errorf("%d does not fit into an integer column", n)
	}
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, 4), uint32(n)), nil
}

func putInt64(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), uint64(n))
}

func putFloat32(b []byte, f float32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, 4), math.Float32bits(f))
}

func putFloat64(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), math.Float64bits(f))
}

func putBool(b []byte, v bool) []byte {
	b = binary.BigEndian.AppendUint32(b, 1)
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// putTime counts microseconds from 2000 on.
func putTime(b []byte, t time.Time) []byte {
	return putInt64(b, t.UnixMicro()-time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro())
}

func putVector(b []byte, v []float32) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(4+4*len(v)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
	b = binary.BigEndian.AppendUint16(b, 0)
	for _, f := range v {
		b = binary.BigEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

func putHalf(b []byte, v []uint16) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(4+2*len(v)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
	b = binary.BigEndian.AppendUint16(b, 0)
	for _, f := range v {
		b = binary.BigEndian.AppendUint16(b, f)
	}
	return b
}

// float4 is the type's object id, which never changes.
const float4 = 700

// putReals writes real[] of one dimension.
func putReals(b []byte, v []float32) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(20+8*len(v)))
	for _, n := range []uint32{1, 0, float4, uint32(len(v)), 1} { // dimensions, no nulls, element type, length, lower bound
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for _, f := range v {
		b = putFloat32(b, f)
	}
	return b
}

func putBytes(b, v []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}

// putJSON writes jsonb: a version byte, then text.
func putJSON(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("as JSON: %w", err)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(1+len(text)))
	return append(append(b, 1), text...), nil
}

// signature begins a binary COPY: the magic, no flags, no extension.
const signature = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// copyRows is the rows in COPY's binary format. A row that cannot be written is a Rejection that names its offset.
func copyRows(fields []field, rows []schemas.Row) ([]byte, error) {
	b := []byte(signature)
	for i := range rows {
		b = binary.BigEndian.AppendUint16(b, uint16(len(fields)))
		for _, f := range fields {
			var err error
			if b, err = f.put(b, &rows[i]); err != nil {
				return nil, deliver.Refused(fmt.Errorf("column %s of row %s: %w", f.name, rows[i].RowID, err))
			}
		}
	}
	return append(b, 0xff, 0xff), nil
}
