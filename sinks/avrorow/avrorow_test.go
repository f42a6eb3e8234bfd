package avrorow

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/hamba/avro/v2"

	"vecmill/schemas"
	"vecmill/sinks/sinktest"
	"vecmill/sinks/vectorindex"
)

// decoded is a row as the library reads it, with the schema that this package gives.
func decoded(t testing.TB, b []byte) map[string]any {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	schema, err := avro.Parse(text)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	twice := avro.NewDecoderForSchema(schema, bytes.NewReader(append(bytes.Clone(b), b...)))
	var out, again map[string]any
	if err := errors.Join(twice.Decode(&out), twice.Decode(&again)); err != nil || !reflect.DeepEqual(out, again) {
		t.Fatalf("one behind the other it is %v and %v: %v", out, again, err)
	}
	return out
}

// plain takes a union's branch for its value.
func plain(v any) any {
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		for _, inner := range m {
			return inner
		}
	}
	return v
}

func TestRowsOfEveryTaskReadBack(t *testing.T) {
	e := NewEncoder()
	for o := range int64(3 * len(schemas.Tasks())) {
		row := sinktest.Row(schemas.SourceID{Topic: "t", Partition: 3}, o, 1)
		b, err := e.Append([]byte("x"), &row)
		if err != nil || b[0] != 'x' {
			t.Fatal(err)
		}
		got := decoded(t, b[1:])
		if got["row_id"] != row.RowID || got["offset"] != row.Offset || got["partition"] != 3 || got["truncated"] != row.Truncated || got["window_end"] != row.WindowEnd {
			t.Errorf("offset %d: %v", o, got)
		}
		if want := vectorindex.Vector(&row); len(want) > 0 {
			name := "vector"
			if len(row.Half) > 0 {
				name = "vector_f16"
			}
			var vector []float32
			for _, f := range plain(got[name]).([]any) {
				vector = append(vector, f.(float32))
			}
			if !reflect.DeepEqual(vector, want) {
				t.Errorf("offset %d: vector %v, want %v", o, vector, want)
			}
		} else if got["vector"] != nil || got["vector_f16"] != nil {
			t.Errorf("offset %d: a row of task %s has a vector", o, row.Task)
		}
		if row.Task == schemas.TaskTranscript {
			words := plain(got["words"]).([]any)
			if first := words[0].(map[string]any); len(words) != 2 || first["word"] != "zwei" || first["end"] != 0.5 {
				t.Errorf("words %v", words)
			}
		}
		if len(row.Attributes) > 0 {
			if m := plain(got["attributes"]).(map[string]any); m["ünï"] != "✓" {
				t.Errorf("attributes %v", m)
			}
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	row := sinktest.Row(schemas.SourceID{Topic: "t"}, 0, 0)
	row.Vector = make([]float32, 768)
	var buf []byte
	e := NewEncoder()
	for b.Loop() {
		var err error
		if buf, err = e.Append(buf[:0], &row); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
}
