package jsonrow

import (
	"bytes"
	"os"
	"reflect"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/sinktest"
)

// TestLinesOfEveryVersionAreRead to the rows that they were written from.
func TestLinesOfEveryVersionAreRead(t *testing.T) {
	write := func(rows []schemas.Row) (out []byte) {
		for i := range rows {
			var err error
			if out, err = Append(out, &rows[i]); err != nil {
				t.Fatal(err)
			}
			out = append(out, '\n')
		}
		return out
	}
	sinktest.Golden(t, "rows.jsonl", write, func(t *testing.T, file string, rows []schemas.Row) {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
		if len(lines) != len(rows) {
			t.Fatalf("%d lines, want %d", len(lines), len(rows))
		}
		for i := range rows {
			if got, err := Parse(lines[i]); err != nil || !reflect.DeepEqual(got, rows[i]) {
				t.Errorf("line %d: %v\n got %+v\nwant %+v", i, err, got, rows[i])
			}
		}
	})
}
