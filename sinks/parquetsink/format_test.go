package parquetsink_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/apache/arrow/go/v17/parquet/file"

	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

func stream(c *parquetsink.Config) {
	c.Format, c.Compression = parquetsink.ArrowStream, parquetsink.None
}

// TestAChainKeepsItsFormat: a file of another format would have another name, so nobody could lose that name to it (P2).
func TestAChainKeepsItsFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		s, _ := begin(t, st, 1, stream)
		write(t, s, src(0), 0, 10)
		closeSink(t, s)
		c := config(st)
		_, _, err := open(t, c).Resume(t.Context(), src(0), 0)
		if !errors.Is(err, parquetsink.ErrOtherFormat) || !strings.Contains(err.Error(), "00000000000000000000.arrows is of format arrow, and this output writes parquet") {
			t.Errorf("Parquet behind a stream: %v", err)
		}
	})
}

// TestAStreamIsScanned as an audit reads it.
func TestAStreamIsScanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		s, _ := begin(t, st, 1, stream)
		write(t, s, src(0), 0, 300)
		closeSink(t, s)
		files, err := parquetsink.Chain(t.Context(), st, "out/rows", src(0), 0)
		if err != nil || len(files) != 1 || files[0].Format != parquetsink.ArrowStream || files[0].Metadata["model-digest"] != "sha256:abc" {
			t.Fatalf("%v, %+v", err, files)
		}
		rows, err := parquetsink.ReadRows(t.Context(), st, files[0].Name)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := parquetsink.ScanLineage(t.Context(), st, files[0].Name, func(l *schemas.Lineage) error {
			if r := &rows[n]; l.RowID != r.RowID || l.Offset != r.Offset || l.Topic != r.Topic || l.Partition != r.Partition || l.ModelDigest != r.ModelDigest {
				t.Errorf("row %d is scanned as %+v", n, l)
			}
			n++
			return nil
		}); err != nil || n != len(rows) || n < 200 {
			t.Errorf("%d rows are scanned of %d: %v", n, len(rows), err)
		}
	})
}

// TestFilesWithoutHalvesLackTheirColumn, and one that has them all the same keeps them.
func TestFilesWithoutHalvesLackTheirColumn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		s, _ := begin(t, st, 1, func(c *parquetsink.Config) { c.Single, c.RollRows = true, 1 })
		var want []schemas.Row
		for o, task := range []schemas.Task{schemas.TaskEmbedding, schemas.TaskXVector} {
			r, rows := sinktest.MakeOf([]schemas.Task{task}, src(0), int64(o), int64(o)+1)
			want = append(want, rows...)
			if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
				t.Fatal(err)
			}
		}
		closeSink(t, s)
		if a := read(t, st, src(0)); !reflect.DeepEqual(a.Rows, want) || len(want) != 2 || want[1].Half == nil {
			t.Errorf("read back %+v\nwant %+v", a.Rows, want)
		}
		for o, there := range []bool{false, true} {
			name := fmt.Sprintf("out/rows/pipe/topic/0/%020d.parquet", o)
			info, err := st.Stat(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			body, err := st.Read(t.Context(), name, 0, info.Size)
			if err != nil {
				t.Fatal(err)
			}
			f, err := file.NewParquetReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if has := f.MetaData().Schema.Root().FieldIndexByName("vector_f16") >= 0; has != there || f.MetaData().Schema.Root().FieldIndexByName("vector") < 0 {
				t.Errorf("file %d has a column of halves: %v", o, has)
			}
		}
	})
}
