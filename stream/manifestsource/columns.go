package manifestsource

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"vecmill/schemas"
)

// Columns says which column of a table a field of a reference comes from, where the column does not have the field's name: field to column.
type Columns map[string]string

// asJSON are the fields of a reference, those of ref.v1.schema.json: whether a column holds JSON, or the text itself.
var asJSON = map[string]bool{
	"v": true, "id": false, "uri": false, "inline": false, "inline_text": false, "modality": false, "route": false, "etag": false, "version": false, "content_type": false,
	"range": true, "attributes": true, "deleted": true, "text_pair": false, "question": false, "choices": true,
}

// Validate finds fields that references do not have.
func (c Columns) Validate() error {
	for _, field := range slices.Sorted(maps.Keys(c)) {
		if _, ok := asJSON[field]; !ok {
			return fmt.Errorf("references have no field %q; their fields are %s", field, strings.Join(slices.Sorted(maps.Keys(asJSON)), ", "))
		}
	}
	return nil
}

// payload are the fields of which a row needs one. A column that is named for one of them is in place of those that have the others' names.
var payload = []string{"uri", "inline", "inline_text", "deleted"}

// table makes references of the rows of a file. Columns that are no field's are passed over.
type table struct {
	file   string // its last word, for the ids of rows that have none
	fields []string
	at     []int // of each field, the number of its column
}

// newTable finds the columns of a file.
func newTable(file string, columns []string, c Columns) (*table, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	chosen := slices.ContainsFunc(payload, func(f string) bool { return c[f] != "" })
	t := &table{file: file}
	for _, field := range slices.Sorted(maps.Keys(asJSON)) {
		name, told := c[field]
		if !told {
			if name = field; chosen && slices.Contains(payload, field) {
				continue
			}
		}
		at := slices.Index(columns, name)
		switch {
		case at < 0 && told:
			return nil, Unfit(fmt.Errorf("it has no column %s for %s; its columns are %s", name, field, strings.Join(columns, ", ")))
		case at < 0:
			continue
		case slices.Contains(columns[at+1:], name):
			return nil, Unfit(fmt.Errorf("it has two columns %s", name))
		}
		t.fields, t.at = append(t.fields, field), append(t.at, at)
	}
	if !slices.ContainsFunc(payload, func(f string) bool { return slices.Contains(t.fields, f) }) {
		return nil, Unfit(fmt.Errorf("none of its columns (%s) is uri, inline or inline_text; --column uri=NAME says which one is", strings.Join(columns, ", ")))
	}
	return t, nil
}

// text says which columns the fields come from, and what kind is those'.
func (t *table) text(columns []string, kind func(i int) string) string {
	var all []string
	for i, field := range t.fields {
		word := kind(i) + " " + columns[i]
		if columns[i] != field {
			word += " for " + field
		}
		all = append(all, word)
	}
	return strings.Join(all, ", ")
}

// value is the reference of row n (-1: it has no number) as JSON, or what stands in its place. cells are those of the table's fields; an empty one is not there. place and row are for the letter.
func (t *table) value(n int64, cells []string, place string, row func() string) []byte {
	b, err := t.reference(n, cells)
	if err == nil {
		_, err = schemas.ParseRef(b)
	}
	if err != nil {
		if f, ok := errors.AsType[*schemas.FieldError](err); ok {
			err = f
		}
		return noRef(place, err, row())
	}
	return b
}

func (t *table) reference(n int64, cells []string) ([]byte, error) {
	out := map[string]any{"v": schemas.RefVersion}
	for i, field := range t.fields {
		switch cell := cells[i]; {
		case cell == "":
		case !utf8.ValidString(cell):
			return nil, fmt.Errorf("column %s is not valid UTF-8", field)
		case !asJSON[field]:
			out[field] = cell
		case !json.Valid([]byte(cell)):
			return nil, fmt.Errorf("column %s is not JSON, as a reference's %s is", field, field)
		default:
			out[field] = json.RawMessage(cell)
		}
	}
	if out["id"] == nil && out["deleted"] == nil && out["uri"] == nil && out["inline"] == nil && out["inline_text"] == nil {
		has := slices.DeleteFunc(slices.Clone(payload), func(f string) bool { return !slices.Contains(t.fields, f) })
		return nil, fmt.Errorf("its %s is empty", strings.Join(has, ", and its "))
	}
	if out["id"] == nil {
		if uri, ok := out["uri"].(string); ok {
			out["id"] = schemas.IDOf(uri)
		} else if n >= 0 && (out["inline"] != nil || out["inline_text"] != nil) {
			out["id"] = t.file + "#" + strconv.FormatInt(n, 10)
		}
	}
	return json.Marshal(out)
}
