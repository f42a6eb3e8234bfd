package parquetfile_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/sinktest"
)

type rows struct {
	*arrowrow.Builder
	of []schemas.Row
}

func (r rows) Len() int           { return len(r.of) }
func (r rows) Size(i int) int64   { return r.of[i].Size() }
func (r rows) Append(i int) error { return r.Builder.Append(&r.of[i]) }

func encoded(t testing.TB, of []schemas.Row, tasks ...schemas.Task) []byte {
	t.Helper()
	b, err := arrowrow.NewBuilder(memory.DefaultAllocator, tasks...)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	body, err := parquetfile.Write(rows{b, of}, parquetfile.Options{Compression: parquetfile.Snappy, Metadata: map[string]string{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestEveryColumnAndItsPartsGetTheirNumbers reads the numbers with the Arrow library; integration/iceberg has pyarrow and pyiceberg do so.
func TestEveryColumnAndItsPartsGetTheirNumbers(t *testing.T) {
	_, of := sinktest.Make(schemas.SourceID{Pipeline: "p", Topic: "t"}, 0, 40)
	ids := map[string]int{}
	body, err := parquetfile.SetFieldIDs(encoded(t, of, schemas.Tasks()...), func(path string) (int, bool) {
		ids[path] = 1000 + 7*len(ids)
		return ids[path], true
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := file.NewParquetReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := map[string]int{}
	var visit func(path string, n schema.Node)
	visit = func(path string, n schema.Node) {
		if n.FieldID() >= 0 {
			got[strings.NewReplacer(".list", "", ".key_value", "").Replace(path)] = int(n.FieldID())
		}
		if g, ok := n.(*schema.GroupNode); ok {
			for i := range g.NumFields() {
				visit(strings.TrimPrefix(path+"."+g.Field(i).Name(), "."), g.Field(i))
			}
		}
	}
	root := r.MetaData().Schema.Root()
	for i := range root.NumFields() {
		visit(root.Field(i).Name(), root.Field(i))
	}
	if !reflect.DeepEqual(got, ids) {
		t.Errorf("the file has %v, want %v", got, ids)
	}
	for _, path := range []string{"row_id", "attributes", "attributes.key", "attributes.value", "words", "words.element", "words.element.start", "vector.element"} {
		if _, ok := ids[path]; !ok {
			t.Errorf("nobody asked for %s", path)
		}
	}
	if kv := r.MetaData().KeyValueMetadata().FindValue("k"); kv == nil || *kv != "v" {
		t.Errorf("the metadata has %v", kv)
	}
	if back, err := parquetfile.Read(t.Context(), body); err != nil || !reflect.DeepEqual(back, of) {
		t.Errorf("the rows do not read back: %v", err)
	}
}

func TestAColumnWithoutNumberIsRefused(t *testing.T) {
	_, err := parquetfile.SetFieldIDs(encoded(t, nil, schemas.TaskTranscript), func(path string) (int, bool) { return 1, path != "words.element.end" })
	if err == nil || !strings.Contains(err.Error(), "words.element.end") {
		t.Errorf("%v", err)
	}
}

func TestWhatIsNoParquetIsRefused(t *testing.T) {
	whole := encoded(t, nil, schemas.TaskTranscript)
	for name, body := range map[string][]byte{
		"nothing": nil, "text": []byte("no Parquet file at all"), "a footer longer than the file": append([]byte("PAR1"), 0xff, 0xff, 0, 0, 'P', 'A', 'R', '1'),
		"half a footer": append([]byte("PAR1"), whole[len(whole)/2:]...),
	} {
		if _, err := parquetfile.SetFieldIDs(body, func(string) (int, bool) { return 1, true }); !errors.Is(err, parquetfile.ErrNotParquet) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzSetFieldIDs(f *testing.F) {
	f.Add(encoded(f, nil, schemas.TaskTranscript))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = parquetfile.SetFieldIDs(body, func(string) (int, bool) { return 1, true }) // it must only come back
	})
}
