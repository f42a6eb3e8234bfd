package cli

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"vecmill/internal/wire"
)

// columnFlag is the flag --column: FIELD=COLUMN, which may be given several times.
type columnFlag map[string]string

const columnDoc = "FIELD=COLUMN: which column of a table has a field of the references, as uri=path or inline_text=sentence; FIELD alone is the column of that name, which is the default; may be given again"

// words are the flag's values.
func (c columnFlag) words() (all []string) {
	for _, field := range slices.Sorted(maps.Keys(c)) {
		all = append(all, field+"="+c[field])
	}
	return all
}

// String implements flag.Value.
func (c columnFlag) String() string { return strings.Join(c.words(), ",") }

// Set implements flag.Value.
func (c columnFlag) Set(s string) error {
	field, column, ok := strings.Cut(s, "=")
	if !ok {
		column = field
	}
	if field == "" || column == "" {
		return errors.New("want FIELD=COLUMN, as uri=path or inline_text=sentence")
	}
	c[field] = column
	return wire.CheckColumns(c)
}
