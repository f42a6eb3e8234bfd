package redissink

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"vecmill/schemas"
	"vecmill/sinks/jsonrow"
)

// fields are the names and values of a row's hash, in turn.
func (c *Config) fields(r *schemas.Row) ([]any, error) {
	bare := *r
	bare.Vector, bare.Half = nil, nil
	columns, err := jsonrow.Columns(&bare)
	if err != nil {
		return nil, err
	}
	var out []any
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		if !c.takes(name) {
			continue
		}
		value := string(columns[name])
		if value[0] == '"' {
			if err := json.Unmarshal(columns[name], &value); err != nil {
				return nil, fmt.Errorf("row %s: column %s: %w", r.RowID, name, err)
			}
		}
		out = append(out, name, value)
	}
	if len(r.Vector) > 0 && c.takes("vector") {
		out = append(out, "vector", vectorBytes(r.Vector))
	}
	if len(r.Half) > 0 && c.takes("vector_f16") {
		out = append(out, "vector_f16", halfBytes(r.Half))
	}
	return out, nil
}

func vectorBytes(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

func halfBytes(v []uint16) []byte {
	b := make([]byte, 0, 2*len(v))
	for _, h := range v {
		b = binary.LittleEndian.AppendUint16(b, h)
	}
	return b
}

// Key is where the row of a reference, head and window lies.
func Key(prefix, head string, window int, refID string) string {
	return prefix + ":" + head + ":" + strconv.Itoa(window) + ":" + refID
}

func refKey(prefix, refID string) string { return prefix + ":ref:" + refID }

func nextKey(prefix string, src schemas.SourceID) string { return prefix + ":next:" + src.String() }

func metaKey(prefix string) string { return prefix + ":meta" }
