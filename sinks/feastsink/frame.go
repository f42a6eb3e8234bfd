package feastsink

import (
	"bytes"
	"encoding/json"
	"fmt"

	"vecmill/schemas"
	"vecmill/sinks/jsonrow"
)

// frame is a table as Feast takes it: values by column.
type frame map[string][]json.RawMessage

// timeForm has the same digits for every time (F1).
const timeForm = `"2006-01-02T15:04:05.000000Z"`

func (c *Config) frame(rows []*schemas.Row) (frame, error) {
	types := columns()
	out := frame{}
	for _, name := range c.Columns {
		out[name] = make([]json.RawMessage, 0, len(rows))
	}
	for _, r := range rows {
		values, err := jsonrow.Columns(r)
		if err != nil {
			return nil, err
		}
		for _, name := range c.Columns {
			v, err := value(r, types[name], values[name])
			if err != nil {
				return nil, fmt.Errorf("row %s: column %s: %w", r.RowID, name, err)
			}
			out[name] = append(out[name], v)
		}
	}
	return out, nil
}

// value is a column's value as Feast has it: one that the row lacks is null, and what is no plain value nor a list of numbers is text.
func value(r *schemas.Row, t schemas.ColumnType, v json.RawMessage) (json.RawMessage, error) {
	if v == nil {
		return json.RawMessage("null"), nil
	}
	switch t {
	case schemas.String, schemas.Int32, schemas.Int64, schemas.Bool, schemas.Binary:
		return v, nil
	case schemas.Timestamp:
		return json.RawMessage(r.CreatedAt.UTC().Format(timeForm)), nil
	case schemas.Float32, schemas.Float64, schemas.Float32List, schemas.Float16List:
		return fractions(v), nil
	}
	return json.Marshal(string(v))
}

// fractions writes a number, or a list of numbers, so that none looks like an integer (F1).
func fractions(text []byte) []byte {
	out, begin := make([]byte, 0, len(text)+len(text)/8), 0
	end := func(at int) {
		number := text[begin:at]
		if out = append(out, number...); len(number) > 0 && number[0] != 'n' && !bytes.ContainsAny(number, ".e") {
			out = append(out, ".0"...)
		}
	}
	for i, b := range text {
		if b == '[' || b == ',' || b == ']' {
			end(i)
			out, begin = append(out, b), i+1
		}
	}
	end(len(text))
	return out
}
