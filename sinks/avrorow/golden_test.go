package avrorow

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/hamba/avro/v2"

	"vecmill/schemas"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/sinktest"
)

// The golden files: what a registry has, and the rows of messages one behind the other, without the frame of Confluent's wire format.
const (
	goldenSchema = "row.avsc"
	goldenRows   = "rows.avro"
)

// TestRowsOfEveryVersionAreRead with their own schema, and with today's by the rules of Avro's schema resolution, as a consumer reads a topic that has both.
func TestRowsOfEveryVersionAreRead(t *testing.T) {
	writeSchema := func([]schemas.Row) []byte {
		text, err := Schema()
		if err != nil {
			t.Fatal(err)
		}
		return []byte(text + "\n")
	}
	sinktest.Golden(t, goldenSchema, writeSchema, func(t *testing.T, file string, _ []schemas.Row) { _, _ = schemasOf(t, file) })
	writeRows := func(rows []schemas.Row) (out []byte) {
		e := NewEncoder()
		for i := range rows {
			var err error
			if out, err = e.Append(out, &rows[i]); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	sinktest.Golden(t, goldenRows, writeRows, func(t *testing.T, file string, rows []schemas.Row) {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		writers, resolved := schemasOf(t, filepath.Join(filepath.Dir(file), goldenSchema))
		for reader, schema := range map[string]avro.Schema{"its own schema": writers, "today's schema": resolved} {
			d := avro.NewDecoderForSchema(schema, bytes.NewReader(body))
			for i := range rows {
				var columns map[string]any
				if err := d.Decode(&columns); err != nil {
					t.Fatalf("%s, row %d: %v", reader, i, err)
				}
				if got := rowOf(t, columns); !reflect.DeepEqual(got, rows[i]) {
					t.Errorf("%s, row %d:\n got %+v\nwant %+v", reader, i, got, rows[i])
				}
			}
			if err := d.Decode(&map[string]any{}); err == nil {
				t.Errorf("%s: there is more than %d rows", reader, len(rows))
			}
		}
	})
}

// schemasOf are the schema in a file, and how today's reads what was written with it.
func schemasOf(t *testing.T, file string) (writers, resolved avro.Schema) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if writers, err = avro.Parse(string(text)); err != nil {
		t.Fatal(err)
	}
	today, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	readers, err := avro.Parse(today)
	if err != nil {
		t.Fatal(err)
	}
	if resolved, err = avro.NewSchemaCompatibility().Resolve(readers, writers); err != nil {
		t.Fatalf("today's schema does not read what was written with %s: %v", file, err)
	}
	return writers, resolved
}

// rowOf is a row as the library reads it, by way of jsonrow, which has the same columns.
func rowOf(t *testing.T, columns map[string]any) schemas.Row {
	t.Helper()
	object := map[string]any{}
	for name, v := range columns {
		if v = plain(v); v == nil {
			continue
		}
		if at, ok := v.(time.Time); ok {
			v = at.UTC()
		}
		object[name] = v
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	row, err := jsonrow.Parse(text)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return row
}
