package parquetsink_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

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
