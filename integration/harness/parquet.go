package harness

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Readback is what independent readers see in a directory of Parquet files.
type Readback struct {
	Files   []ParquetFile         // sorted by path
	Readers map[string]ReaderView // pyarrow, duckdb and polars, each for itself
}

// ParquetFile is one file as pyarrow sees it.
type ParquetFile struct {
	Path     string            // relative to the directory, with slashes
	Rows     int64             //
	Bytes    int64             //
	Schema   []ParquetColumn   // in the file's order
	Metadata map[string]string // the footer's key-value pairs, without Arrow's own
}

// ParquetColumn is a column in Arrow's words.
type ParquetColumn struct {
	Name, Type string
	Nullable   bool
}

// ReaderView is one reader's account of all rows of the directory.
type ReaderView struct {
	Version  string
	Rows     int64
	RowIDs   int64        // different values of row_id
	Repeated []string     // values of row_id that more than one row has, at most 20
	Sources  []SourceView // sorted by topic and partition
}

// SourceView is the coverage of one source partition by rows.
type SourceView struct {
	Topic     string
	Partition int
	Rows      int64
	Spans     [][2]int64 // offsets that have a row, as disjoint ascending intervals [first, next)
}

// ReadParquet reads every .parquet file below dir with pyarrow, with duckdb and with polars. A file that one of them cannot read fails
// the test.
func ReadParquet(tb testing.TB, dir string) Readback {
	tb.Helper()
	var r Readback
	runReader(tb, &r, "read_parquet.py", dir)
	return r
}

// ReadRows reads every file below dir that ends with arrows or parquet, in the order of names, by reader: rows of pyarrow, of polars and, of Parquet, of duckdb, as
// objects without nulls; and the metadata of the first file's schema.
func ReadRows(tb testing.TB, dir, ending string) (readers map[string][]json.RawMessage, metadata map[string]string) {
	tb.Helper()
	var r struct {
		Readers  map[string][]json.RawMessage
		Metadata map[string]string
	}
	runReader(tb, &r, "read_rows.py", dir, ending)
	return r.Readers, r.Metadata
}

// Chunk is a column of a row group as the footer describes it.
type Chunk struct {
	Codec      string
	Encodings  []string
	Dictionary bool // it has a page with one
	Statistics *struct {
		Least, Greatest any // as JSON has them: numbers are float64
		Nulls           int64
	}
}

// RowGroup is a row group of a Parquet file, its columns by their path.
type RowGroup struct {
	Rows    int64
	Columns map[string]Chunk
}

// ReadFooter is what pyarrow reads of the row groups in a Parquet file's footer.
func ReadFooter(tb testing.TB, file string) []RowGroup {
	tb.Helper()
	var r struct{ Groups []RowGroup }
	runReader(tb, &r, "read_footer.py", file)
	return r.Groups
}

// QueryParquet runs one SQL query in duckdb over the view "rows", which is all .parquet files below dir with the file's
// path in the column filename, and returns its result rows, each by column name. Numbers are float64, as JSON has them.
func QueryParquet(tb testing.TB, dir, query string) []map[string]any {
	tb.Helper()
	var rows []map[string]any
	runReader(tb, &rows, "query_parquet.py", dir, query)
	return rows
}

// runReader runs a script of integration/readers with the pinned Python packages and decodes what it prints.
func runReader(tb testing.TB, into any, script string, args ...string) {
	tb.Helper()
	packages := Readers(tb)
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	path := filepath.Join(ModuleRoot(tb), "integration", "readers", script)
	cmd := exec.CommandContext(tb.Context(), python, append([]string{"-B", path}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+packages, "PYTHONNOUSERSITE=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("running %s: %v\n%s", script, err, stderr.String())
	}
	if err := json.Unmarshal(out, into); err != nil {
		tb.Fatalf("decoding what %s printed: %v\n%s", script, err, tail(string(out), 20))
	}
}
