package parquetsink_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v17/parquet/file"

	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// TestAChainOfTheFirstFormatGoesOn: a file as the first version of this sink wrote it (of offsets 0 to 13, its bytes as they were, fewer tasks and columns) is read, and the
// chain goes on behind it. What other readers make of both together is in integration/sinks.
func TestAChainOfTheFirstFormatGoesOn(t *testing.T) {
	const name = "00000000000000000000.parquet"
	old, err := os.ReadFile(filepath.Join("testdata", "20261123", name))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
	at := filepath.Join(dir, "out", "rows", "p", "t", "1")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, name), old, 0o644); err != nil {
		t.Fatal(err)
	}
	st, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	before := read(t, st, src)
	ids := map[string]bool{}
	for _, row := range before.Rows {
		ids[row.RowID] = true
		if row.Topic != "t" || row.Offset >= 14 || row.URI == "" || row.CreatedAt.IsZero() || row.Task == schemas.TaskEmbedding && len(row.Vector) != 4 {
			t.Errorf("row %+v", row)
		}
	}
	if len(before.Rows) < 10 || len(ids) != len(before.Rows) || len(before.Dead) != 2 || len(before.Skipped) != 1 {
		t.Errorf("%d rows with %d ids, dead %v, skipped %v", len(before.Rows), len(ids), before.Dead, before.Skipped)
	}
	s := open(t, config(st))
	if next, known, err := s.Resume(t.Context(), src, 0); next != 14 || !known || err != nil {
		t.Fatalf("resumes at %d, %v, %v", next, known, err)
	}
	r, rows := sinktest.Make(src, 14, 60)
	if err := s.Write(t.Context(), r, rows, func(err error) {
		if err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := read(t, st, src)
	if len(after.Rows) != len(before.Rows)+len(rows) {
		t.Errorf("%d rows, want %d and %d", len(after.Rows), len(before.Rows), len(rows))
	}
	after.Rows = after.Rows[len(before.Rows):]
	if err := after.Audit(src, 14, 60, false); err != nil {
		t.Error(err)
	}
}

// goldenName is the name of the files' first offset.
const goldenName = "00000000000000000000"

// TestFilesOfEveryVersionAreRead to the values that they were written with, what they say of themselves included, and a chain that they are in goes on behind them.
func TestFilesOfEveryVersionAreRead(t *testing.T) {
	for format, end := range map[parquetsink.Format]string{parquetsink.Parquet: ".parquet", parquetsink.ArrowStream: ".arrows"} {
		change := func(c *parquetsink.Config) {
			c.Format, c.Compression = format, parquetsink.Zstd
			c.RollRows = 100
		}
		t.Run(string(format), func(t *testing.T) {
			sinktest.Golden(t, goldenName+end,
				func(rows []schemas.Row) []byte { return goldenFile(t, change, end, rows) },
				func(t *testing.T, file string, rows []schemas.Row) { readGolden(t, change, end, file, rows) })
		})
	}
}

// goldenRange is what golden files cover: the offsets of their rows, and one of each other fate.
func goldenRange(rows []schemas.Row) schemas.Range {
	last := rows[len(rows)-1].Offset
	return schemas.Range{
		Source: sinktest.GoldenSource(), Span: schemas.Span{First: rows[0].Offset, Next: last + 4}, Dead: []schemas.Span{{First: last + 1, Next: last + 2}},
		Skipped: []schemas.Span{{First: last + 2, Next: last + 3}}, Lost: []schemas.Span{{First: last + 3, Next: last + 4}},
		Deletes: []schemas.Deletion{{Offset: last + 2, RefID: "ref-ü,;%"}},
	}
}

func goldenPath(dir, end string) string {
	src := sinktest.GoldenSource()
	return filepath.Join(dir, "out", "rows", src.Pipeline, src.Topic, strconv.Itoa(src.Partition), goldenName+end)
}

// goldenFile are the bytes of the file that a sink of today writes of golden rows.
func goldenFile(t *testing.T, change func(*parquetsink.Config), end string, rows []schemas.Row) []byte {
	t.Helper()
	dir := t.TempDir()
	writeDir(t, dir, change, goldenRange(rows), rows)
	file, err := os.ReadFile(goldenPath(dir, end))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// writeDir writes a range into a directory.
func writeDir(t *testing.T, dir string, change func(*parquetsink.Config), r schemas.Range, rows []schemas.Row) {
	t.Helper()
	st, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := config(st)
	change(&c)
	s := open(t, c)
	if next, known, err := s.Resume(t.Context(), r.Source, r.First); err != nil || known && next != r.First {
		t.Fatalf("resumes at %d, not %d; %v", next, r.First, err)
	}
	if err := s.Write(t.Context(), r, slices.Clone(rows), func(err error) {
		if err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func readGolden(t *testing.T, change func(*parquetsink.Config), end, golden string, rows []schemas.Row) {
	dir := t.TempDir()
	file, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	at := goldenPath(dir, end)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, file, 0o644); err != nil {
		t.Fatal(err)
	}
	r := goldenRange(rows)
	more := schemas.Range{Source: r.Source, Span: schemas.Span{First: r.Next, Next: r.Next + int64(len(rows))}}
	behind := slices.Clone(rows)
	for i := range behind {
		behind[i].Offset = more.First + int64(i)
	}
	writeDir(t, dir, change, more, behind)
	st, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := parquetsink.Chain(t.Context(), st, "out/rows", r.Source, r.First)
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	if f := files[0]; !reflect.DeepEqual(f.Range, r) || f.Rows != int64(len(rows)) || f.Schema != 1 || f.Writer != "test" || f.Nonce == "" || f.Created.IsZero() || f.Metadata["model-digest"] != "sha256:abc" {
		t.Errorf("it says of itself\n     %+v\nwant %+v", f, r)
	}
	for i, want := range [][]schemas.Row{rows, behind} {
		got, err := parquetsink.ReadRows(t.Context(), st, files[i].Name)
		if err != nil || len(got) != len(want) {
			t.Fatalf("file %d: %d rows, want %d; %v", i, len(got), len(want), err)
		}
		for j := range want {
			if !reflect.DeepEqual(got[j], want[j]) {
				t.Errorf("file %d, row %d:\n got %+v\nwant %+v", i, j, got[j], want[j])
			}
		}
	}
}

// TestTheNewestGoldenFileHasTodaysColumns: who adds one adds golden files that have it.
func TestTheNewestGoldenFileHasTodaysColumns(t *testing.T) {
	versions, err := filepath.Glob(filepath.Join("testdata", "*", goldenName+".parquet"))
	if err != nil || len(versions) == 0 {
		t.Fatalf("no golden files; %v", err)
	}
	body, err := os.ReadFile(slices.Max(versions))
	if err != nil {
		t.Fatal(err)
	}
	pq, err := file.NewParquetReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer pq.Close()
	var got, want []string
	for i := range pq.MetaData().Schema.Root().NumFields() {
		got = append(got, pq.MetaData().Schema.Root().Field(i).Name())
	}
	for _, c := range schemas.Columns(schemas.Tasks()...) {
		want = append(want, c.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s has the columns\n     %v\nand today's are\n     %v\nadd a version, as docs/schemas.md says",
			slices.Max(versions), got, want)
	}
}
