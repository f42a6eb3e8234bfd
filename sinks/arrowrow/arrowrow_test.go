package arrowrow_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/sinktest"
)

func record(t *testing.T, mem memory.Allocator, rows []schemas.Row, tasks ...schemas.Task) arrow.Record {
	t.Helper()
	b, err := arrowrow.NewBuilder(mem, tasks...)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	for i := range rows {
		if err := b.Append(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	return b.NewRecord()
}

func TestRowsReadBackEqual(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 4}
	_, rows := sinktest.Make(src, 0, 50)
	rec := record(t, mem, rows, schemas.Tasks()...)
	defer rec.Release()
	got, err := arrowrow.Rows(rec)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, rows) {
		t.Errorf("got  %+v\nwant %+v", got, rows)
	}
	slice := rec.NewSlice(7, 19)
	defer slice.Release()
	if got, err := arrowrow.Rows(slice); err != nil || !reflect.DeepEqual(got, rows[7:19]) {
		t.Errorf("a slice of the record reads %+v, %v", got, err)
	}
}

func TestEveryColumnOfEveryTaskIsInTheSchema(t *testing.T) {
	s := arrowrow.Schema(schemas.Tasks()...)
	for i, c := range schemas.Columns(schemas.Tasks()...) {
		f := s.Field(i)
		if f.Name != c.Name || f.Nullable != c.Nullable || f.Metadata.Values()[0] != c.Doc {
			t.Errorf("column %d is %v, want %+v", i, f, c)
		}
	}
	if got := s.Field(s.FieldIndices("vector")[0]).Type.String(); got != "list<item: float32>" {
		t.Errorf("vector is %s", got)
	}
	if got := s.Field(s.FieldIndices("created_at")[0]).Type.String(); got != "timestamp[us, tz=UTC]" {
		t.Errorf("created_at is %s", got)
	}
}

// TestFieldsOfListsAreRequiredInFiles looks at the Parquet schema: what is always there may not be null for readers either. The library makes list elements
// themselves optional whatever the Arrow schema says.
func TestFieldsOfListsAreRequiredInFiles(t *testing.T) {
	file, err := pqarrow.ToParquet(arrowrow.Schema(schemas.Tasks()...), parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for i := range file.NumColumns() {
		c := file.Column(i)
		if parts := strings.Split(c.Path(), "."); len(parts) == 4 && parts[1] == "list" {
			seen++
			if r := c.SchemaNode().RepetitionType(); r != parquet.Repetitions.Required {
				t.Errorf("%s is %v", c.Path(), r)
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d fields of lists", seen)
	}
}

// TestValuesAreNullExactlyWhereTheyMeanNothing tells an empty result from no result.
func TestValuesAreNullExactlyWhereTheyMeanNothing(t *testing.T) {
	rows := []schemas.Row{
		{Lineage: schemas.Lineage{Task: schemas.TaskTranscript}}, // a silent clip: an empty transcript
		{Lineage: schemas.Lineage{Task: schemas.TaskEmbedding}, Payload: schemas.Payload{Vector: []float32{1}}},
		{Lineage: schemas.Lineage{Task: schemas.TaskLabels, ETag: "e", Version: "v", Attributes: map[string]string{"k": ""}}},
		{Lineage: schemas.Lineage{Task: schemas.TaskFrames}},
		{Lineage: schemas.Lineage{Task: schemas.TaskXVector}, Payload: schemas.Payload{Half: []uint16{0x3c00}}},
		{Lineage: schemas.Lineage{Task: schemas.TaskTokens}}, // a text without entities
		{Lineage: schemas.Lineage{Task: schemas.TaskMasks}, Payload: schemas.Payload{Mask: schemas.Mask{PNG: []byte{1}}}},
		{Lineage: schemas.Lineage{Task: schemas.TaskFill}}, // a text without a mask
		{Lineage: schemas.Lineage{Task: schemas.TaskPerplexity}},
		{Lineage: schemas.Lineage{Task: schemas.TaskAnswers}},
		{Lineage: schemas.Lineage{Task: schemas.TaskChoice}, Payload: schemas.Payload{Probabilities: []float32{1}}},
	}
	rec := record(t, memory.DefaultAllocator, rows, schemas.Tasks()...)
	defer rec.Release()
	for name, valid := range map[string]string{ // by row
		"text": "x........x.", "words": "x..........", "chars": "x..........", "score": "x.x......xx", "vector": ".x.........", "vector_f16": "....x......",
		"label": "..x........", "labels": "..x........", "segments": "...x.......", "entities": ".....x.....", "areas": "......x....",
		"mask_width": "......x....", "mask_height": "......x....", "mask_runs": "...........", "mask_png": "......x....", "fillings": ".......x...",
		"tokens": "........x..", "nll": "........x..", "perplexity": "........x..", "answers": ".........x.", "choice": "..........x",
		"probabilities": "..........x", "etag": "..x........", "version": "..x........", "attributes": "..x........", "uri": "xxxxxxxxxxx",
	} {
		col := rec.Column(rec.Schema().FieldIndices(name)[0])
		for i, want := range valid {
			if col.IsValid(i) != (want == 'x') {
				t.Errorf("%s of row %d: value %v, want %c", name, i, col.IsValid(i), want)
			}
		}
	}
}

func TestTextThatIsNotUTF8IsRepaired(t *testing.T) {
	rows := []schemas.Row{{
		Lineage: schemas.Lineage{Task: schemas.TaskTranscript, URI: "a\xffb", ETag: "\xc3", Attributes: map[string]string{"\xfe": "\xfd"}},
		Payload: schemas.Payload{Text: "ok\x80", Words: []schemas.Word{{Word: "\x80"}}},
	}}
	rec := record(t, memory.DefaultAllocator, rows, schemas.TaskTranscript)
	defer rec.Release()
	got, err := arrowrow.Rows(rec)
	if err != nil {
		t.Fatal(err)
	}
	r := got[0]
	if s := strings.Join([]string{r.URI, r.ETag, r.Text, r.Words[0].Word, r.Attributes["\uFFFD"]}, " "); s != "a\uFFFDb \uFFFD ok\uFFFD \uFFFD \uFFFD" {
		t.Errorf("read back %q", s)
	}
}

func TestARowOfATaskWithoutColumnsIsRefused(t *testing.T) {
	b, err := arrowrow.NewBuilder(memory.DefaultAllocator, schemas.TaskEmbedding)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	row := schemas.Row{Lineage: schemas.Lineage{RowID: "id", Task: schemas.TaskLabels}}
	if err := b.Append(&row); err == nil || !strings.Contains(err.Error(), "classification") {
		t.Errorf("append gives %v", err)
	}
}

func TestOtherColumnsArePassedOverAndOtherTypesRefused(t *testing.T) {
	build := func(typ arrow.DataType, fill func(array.Builder)) arrow.Record {
		s := arrow.NewSchema([]arrow.Field{{Name: "from_the_future", Type: arrow.PrimitiveTypes.Int8}, {Name: "offset", Type: typ}}, nil)
		rb := array.NewRecordBuilder(memory.DefaultAllocator, s)
		defer rb.Release()
		rb.Field(0).(*array.Int8Builder).Append(1)
		fill(rb.Field(1))
		return rb.NewRecord()
	}
	good := build(arrow.PrimitiveTypes.Int64, func(b array.Builder) { b.(*array.Int64Builder).Append(9) })
	defer good.Release()
	if rows, err := arrowrow.Rows(good); err != nil || len(rows) != 1 || rows[0].Offset != 9 {
		t.Errorf("%+v, %v", rows, err)
	}
	bad := build(arrow.BinaryTypes.String, func(b array.Builder) { b.(*array.StringBuilder).Append("9") })
	defer bad.Release()
	if _, err := arrowrow.Rows(bad); err == nil || !strings.Contains(err.Error(), "offset is utf8") {
		t.Errorf("a text offset gives %v", err)
	}
}

func TestSizeGrowsWithTheRow(t *testing.T) {
	small := schemas.Row{}
	for name, r := range map[string]schemas.Row{
		"vector":     {Payload: schemas.Payload{Vector: make([]float32, 1000)}},
		"text":       {Payload: schemas.Payload{Text: strings.Repeat("x", 4000)}},
		"words":      {Payload: schemas.Payload{Words: make([]schemas.Word, 100)}},
		"chars":      {Payload: schemas.Payload{Chars: make([]schemas.Word, 100)}},
		"labels":     {Payload: schemas.Payload{Labels: make([]schemas.LabelScore, 170)}},
		"segments":   {Payload: schemas.Payload{Segments: make([]schemas.Segment, 100)}},
		"entities":   {Payload: schemas.Payload{Entities: make([]schemas.Entity, 72)}},
		"areas":      {Payload: schemas.Payload{Areas: make([]schemas.Area, 126)}},
		"half":       {Payload: schemas.Payload{Half: make([]uint16, 2000)}},
		"a PNG":      {Payload: schemas.Payload{Mask: schemas.Mask{PNG: make([]byte, 4000)}}},
		"fillings":   {Payload: schemas.Payload{Fillings: make([]schemas.Filling, 72)}},
		"answers":    {Payload: schemas.Payload{Answers: make([]schemas.Answer, 100)}},
		"a mask":     {Payload: schemas.Payload{Mask: schemas.Mask{Runs: make([]schemas.Run, 252)}}},
		"attributes": {Lineage: schemas.Lineage{Attributes: map[string]string{"k": strings.Repeat("x", 4000)}}},
	} {
		if got := r.Size() - small.Size(); got < 4000 || got > 4200 {
			t.Errorf("%s: %d more bytes, want about 4000", name, got)
		}
	}
}

func TestASchemaWithoutHalvesTakesNone(t *testing.T) {
	b, err := arrowrow.NewSingleBuilder(memory.DefaultAllocator, schemas.Tasks()...)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	if b.Schema().HasField("vector_f16") || !b.Schema().HasField("vector") {
		t.Errorf("its fields are %v", b.Schema())
	}
	for _, task := range schemas.Tasks() {
		_, rows := sinktest.MakeOf([]schemas.Task{task}, schemas.SourceID{}, 0, 1)
		if err := b.Append(&rows[0]); (err != nil) != (len(rows[0].Half) > 0) {
			t.Errorf("a row of task %s: %v", task, err)
		}
	}
}
