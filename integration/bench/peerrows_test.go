package bench

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/minio/minio-go/v7"
)

// row is what a contestant made of a reference: one of the two.
type row struct {
	vector []float64
	text   string
}

// rows reads all Parquet files that a line wrote for a topic, by the references' ids.
func (s *servers) rows(b *testing.B, topic string) map[string]row {
	b.Helper()
	all := map[string]row{}
	for o := range s.client.ListObjects(b.Context(), bucket, minio.ListObjectsOptions{Prefix: "out/" + topic + "/", Recursive: true}) {
		if o.Err != nil {
			b.Fatal(o.Err)
		}
		if path.Ext(o.Key) != ".parquet" { // Arrow's marks of directories
			continue
		}
		object, err := s.client.GetObject(b.Context(), bucket, o.Key, minio.GetObjectOptions{})
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(object)
		if err != nil {
			b.Fatal(err)
		}
		readRows(b, body, all)
	}
	return all
}

func readRows(b *testing.B, body []byte, into map[string]row) {
	b.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	ar, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		b.Fatal(err)
	}
	t, err := ar.ReadTable(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer t.Release()
	records := array.NewTableReader(t, 0)
	defer records.Release()
	for records.Next() {
		rec := records.Record()
		column := func(name string) int {
			if at := rec.Schema().FieldIndices(name); len(at) == 1 {
				return at[0]
			}
			return -1
		}
		ids := rec.Column(column("ref_id")).(array.StringLike) // some write large ones
		for i := range int(rec.NumRows()) {
			var v row
			if c := column("text"); c >= 0 {
				v.text = rec.Column(c).(array.StringLike).Value(i)
			}
			if c := column("vector"); c >= 0 {
				list := rec.Column(c).(array.ListLike)
				first, end := list.ValueOffsets(i)
				for _, x := range list.ListValues().(*array.Float32).Float32Values()[first:end] {
					v.vector = append(v.vector, float64(x))
				}
			}
			into[ids.Value(i)] = v
		}
	}
}

// near is the least cosine of vectors that count as equal. Of transcripts one in rounded may be another: those of random weights are noise of many characters, of which a resampler's rounding changes one now and then.
const near, rounded = 0.9999, 100

// agreement says how near a contestant is to the first one.
func agreement(b *testing.B, c contestant, want, got map[string]row) string {
	b.Helper()
	lowest, same, vectors := 1.0, 0, 0
	for id, w := range want {
		g, ok := got[id]
		if !ok {
			b.Fatalf("%s has no row for %s", c.name, id)
		}
		if len(w.vector) > 0 {
			if len(g.vector) != len(w.vector) {
				b.Fatalf("%s gave %d numbers for %s, want %d", c.name, len(g.vector), id, len(w.vector))
			}
			vectors++
			lowest = min(lowest, cosine(w.vector, g.vector))
		} else if w.text == g.text {
			same++
		}
	}
	if vectors > 0 {
		if c.strict && lowest < near {
			b.Errorf("%s: lowest cosine to the first contestant %.6f", c.name, lowest)
		}
		return fmt.Sprintf("cosine %.5f", lowest)
	}
	if c.strict && same < len(want)-len(want)/rounded {
		b.Errorf("%s: %d of %d transcripts are those of the first contestant", c.name, same, len(want))
	}
	return fmt.Sprintf("%d of %d the same", same, len(want))
}
