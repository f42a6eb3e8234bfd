package jsonrow

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/sinktest"
)

var src = schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}

func TestRowsOfEveryTaskReadBackEqual(t *testing.T) {
	for o := range int64(3 * len(schemas.Tasks())) {
		row := sinktest.Row(src, o, 1)
		if row.Task == schemas.TaskTranscript {
			row.Chars = []schemas.Word{{Word: "ß", Start: 0.1, End: 1e-9, Score: 1e-30}}
		}
		b, err := Append([]byte("x"), &row)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(b[1:])
		if err != nil || !reflect.DeepEqual(back, row) {
			t.Errorf("task %s: %v\n got %+v\nwant %+v", row.Task, err, back, row)
		}
	}
}

// TestFieldsAreTheColumns: what another reader sees are the names of docs/rows.md, those of the row's task and no others.
func TestFieldsAreTheColumns(t *testing.T) {
	for i, task := range schemas.Tasks() {
		row := sinktest.Row(src, int64(4*len(schemas.Tasks())+i), 0) // 4 divides the offset of one in four: attributes
		row.Task, row.Attributes = task, map[string]string{"a": "b"}
		other := sinktest.Row(src, int64(i), 0)
		row.Payload = other.Payload
		row.Half, row.Chars = other.Half, other.Words
		if len(other.Vector) > 0 || len(other.Half) > 0 {
			row.Vector, row.Half = []float32{1}, []uint16{1}
		}
		b, err := Append(nil, &row)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(b, &fields); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, c := range schemas.Columns(task) {
			want = append(want, c.Name)
		}
		if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("task %s has fields %v, want %v", task, got, slices.Sorted(slices.Values(want)))
		}
	}
}

// TestColumnsAreWhatAppendWrites, value by value, with each column that a row can lack.
func TestColumnsAreWhatAppendWrites(t *testing.T) {
	for o := range int64(8 * len(schemas.Tasks())) {
		row := sinktest.Row(src, o, 1)
		row.ETag, row.URI = "", "bad \xff <utf8>"
		row.Likelihood.Perplexity = math.Inf(1)
		text, err := Append(nil, &row)
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if got, err := Columns(&row); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("task %s: %v\n got %s\nwant %s", row.Task, err, got, want)
		}
	}
}

func TestWhatIsNotJSONIsNullOrRefused(t *testing.T) {
	row := sinktest.Row(src, 8, 0)
	row.Task, row.Payload = schemas.TaskPerplexity, schemas.Payload{Likelihood: schemas.Likelihood{Tokens: 1, NLL: 1e300, Perplexity: math.Inf(1)}}
	row.URI = "bad \xff utf8"
	b, err := Append(nil, &row)
	if err != nil || !json.Valid(b) || !strings.Contains(string(b), `"perplexity":null`) || !strings.Contains(string(b), "bad \\ufffd utf8") {
		t.Errorf("%s, %v", b, err)
	}
	if Check(&row) != nil {
		t.Error("a row with an infinite perplexity is refused")
	}
	row.Vector = []float32{0, float32(math.NaN())}
	if err := Check(&row); err == nil || !strings.Contains(err.Error(), "number 1 of the vector by head head is NaN") {
		t.Errorf("check gives %v", err)
	}
	row.Vector, row.Half = nil, []uint16{0x7c00}
	if err := Check(&row); err == nil || !strings.Contains(err.Error(), "number 0 of the vector by head head is +Inf") {
		t.Errorf("check gives %v", err)
	}
}

func TestEveryHalfReadsBack(t *testing.T) {
	for h := range 1 << 16 {
		if h&0x7c00 == 0x7c00 {
			continue // infinite, or not a number
		}
		f := Float(uint16(h))
		back, ok := halfOf(f)
		if !ok || back != uint16(h) {
			t.Fatalf("%#04x is %v, which is %#04x, %v", h, f, back, ok)
		}
	}
	for bits, want := range map[uint16]float64{0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: math.Pow(2, -24), 0x0400: math.Pow(2, -14), 0x3555: 0.333251953125} {
		if got := float64(Float(bits)); got != want {
			t.Errorf("%#04x is %v, want %v", bits, got, want)
		}
	}
	for _, f := range []float32{0.1, 65536, float32(math.Inf(1)), 1e-8} {
		if h, ok := halfOf(f); ok {
			t.Errorf("%v is the half %#04x", f, h)
		}
	}
}

func FuzzParse(f *testing.F) {
	for o := range int64(len(schemas.Tasks())) {
		row := sinktest.Row(src, o, 0)
		b, err := Append(nil, &row)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"created_at":"9999-12-31T23:59:59-01:00"}`)) // the year 10000 in UTC, which RFC 3339 cannot write
	f.Add([]byte(`{"created_at":"0000-01-01T00:00:00+01:00"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		row, err := Parse(b)
		if err != nil {
			return
		}
		if _, err := Append(nil, &row); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
