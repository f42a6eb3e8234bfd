package manifestsource

import (
	"encoding/base64"
	"strconv"
	"strings"

	"vecmill/sinks/parquetfile"
)

// Rows makes references of the rows of a table whose cells have types, as those of Parquet.
type Rows struct {
	Columns []string // that are read, in this order

	table *table
	cells []string
}

// NewRows finds the columns of a table; c says which are called otherwise than a reference's fields. The name is for the ids of rows that have none.
func NewRows(name string, columns []string, c Columns) (*Rows, error) {
	t, err := newTable(name, columns, c)
	if err != nil {
		return nil, err
	}
	r := &Rows{table: t, cells: make([]string, len(t.at))}
	for _, at := range t.at {
		r.Columns = append(r.Columns, columns[at])
	}
	return r, nil
}

// Named says whether rows have names of their own: an id, or an URI that is one.
func (r *Rows) Named() bool {
	for _, f := range r.table.fields {
		if f == "id" || f == "uri" {
			return true
		}
	}
	return false
}

// Value is the reference of row n as JSON, or what stands in its place: a decoder refuses that, with the place. n is the last resort for an id; -1 is none.
func (r *Rows) Value(n int64, place string, row []parquetfile.Value, kind func(column int) parquetfile.Kind) []byte {
	for i := range row {
		r.cells[i] = cellOf(row[i], kind(i), r.table.fields[i])
	}
	return r.table.value(n, r.cells, place, r.shown)
}

// shown is what a letter has of a row.
func (r *Rows) shown() string {
	all := make([]string, len(r.cells))
	for i := range all {
		all[i] = r.Columns[i] + "=" + r.cells[i]
	}
	return strings.Join(all, " ")
}

// cellOf is a value as a table has it. Inline data that are bytes become base64, as references have them.
func cellOf(v parquetfile.Value, kind parquetfile.Kind, field string) string {
	switch {
	case v.Null:
		return ""
	case kind == parquetfile.Bytes && field == "inline":
		return base64.StdEncoding.EncodeToString([]byte(v.Text))
	case kind == parquetfile.Int:
		return strconv.FormatInt(v.Int, 10)
	case kind == parquetfile.Bool:
		return strconv.FormatBool(v.Int == 1)
	}
	return v.Text
}
