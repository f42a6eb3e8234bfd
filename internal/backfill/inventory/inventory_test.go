package inventory

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/internal/backfill/listing"
)

const schema = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"

func manifest(format string) string {
	return fmt.Sprintf(`{"sourceBucket":"box","destinationBucket":"arn:aws:s3:::lists","version":"2016-11-30","creationTimestamp":"1514944800000","fileFormat":%q,"fileSchema":%q,
"files":[{"key":"inv/1","size":7,"MD5checksum":"aa"}]}`, format, schema)
}

func TestAManifestSaysWhichFilesThereAre(t *testing.T) {
	m, err := Parse([]byte(manifest("CSV")))
	if err != nil || m.Bucket != "box" || m.At != "lists" || len(m.Files) != 1 || m.Files[0] != (File{"inv/1", 7, "aa"}) || m.columns[7] != "etag" {
		t.Errorf("%+v, %v", m, err)
	}
	for name, c := range map[string]struct{ body, want string }{
		"ORC":          {manifest("ORC"), "is in ORC; CSV and Parquet are read"},
		"another JSON": {`{"files":[]}`, "is missing"},
		"no JSON":      {`Bucket,Key`, "not an inventory's"},
		"no key":       {strings.Replace(manifest("CSV"), "Key", "Cay", 1), "has no Key"},
		"a bad size":   {strings.Replace(manifest("CSV"), `"size":7`, `"size":-7`, 1), "of -7 bytes"},
	} {
		if _, err := Parse([]byte(c.body)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// list is an inventory of one file with that body.
func list(t testing.TB, format string, body []byte) (*Manifest, File) {
	t.Helper()
	m, err := Parse([]byte(manifest(format)))
	if err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum(body)
	return m, File{"inv/1", int64(len(body)), hex.EncodeToString(sum[:])}
}

func zipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func rows(t testing.TB, m *Manifest, f File, body []byte, from int64) (all []Row, err error) {
	t.Helper()
	next := from
	err = m.Each(t.Context(), f, bytes.NewReader(body), from, func(n int64, r *Row) error {
		if n != next {
			t.Fatalf("row %d, want %d", n, next)
		}
		next++
		all = append(all, *r)
		return nil
	})
	return all, err
}

func object(key string, size int64, etag string) listing.Object {
	return listing.Object{Key: key, Size: size, ETag: etag}
}

// csvRows are rows as the store writes them; parquetRows has the same.
const csvRows = `"box","a+b%2Bc%C3%BC.flac","v2","true","false","10","2026-01-01T00:00:00.000Z","e1"
"box","old","v1","false","false","11","2026-01-01T00:00:00.000Z","e2"
"box","gone","v1","true","true","","2026-01-01T00:00:00.000Z",""
"box","z","","","","12","2026-01-01T00:00:00.000Z","e3-2"
`

func parquetRows(t testing.TB) []byte {
	t.Helper()
	s := arrow.NewSchema([]arrow.Field{
		{Name: "bucket", Type: arrow.BinaryTypes.String},
		{Name: "key", Type: arrow.BinaryTypes.String},
		{Name: "is_latest", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "is_delete_marker", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "size", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "last_modified_date", Type: arrow.FixedWidthTypes.Timestamp_ms, Nullable: true},
		{Name: "e_tag", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, s, strings.NewReader(`[{"bucket":"box","key":"a b+cü.flac","is_latest":true,"is_delete_marker":false,"size":10,"e_tag":"e1"},
{"bucket":"box","key":"old","is_latest":false,"is_delete_marker":false,"size":11,"e_tag":"e2"},
{"bucket":"box","key":"gone","is_latest":true,"is_delete_marker":true},
{"bucket":"box","key":"z","size":12,"e_tag":"e3-2"}]`))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(s, &out, parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(3)), pqarrow.DefaultWriterProps())
	if err == nil {
		err = errors.Join(w.Write(rec), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBothFormatsSayTheSame(t *testing.T) {
	want := []Row{
		{Bucket: "box", Object: object("a b+cü.flac", 10, "e1"), Latest: true},
		{Bucket: "box", Object: object("old", 11, "e2")},
		{Bucket: "box", Object: object("gone", 0, "")},
		{Bucket: "box", Object: object("z", 12, "e3-2"), Latest: true},
	}
	for format, body := range map[string][]byte{"CSV": zipped(t, csvRows), "Parquet": parquetRows(t)} {
		m, f := list(t, format, body)
		for from := range int64(5) {
			if got, err := rows(t, m, f, body, from); err != nil || len(got) != 4-int(from) || from < 4 && !reflect.DeepEqual(got, want[from:]) {
				t.Errorf("%s from %d: %+v, %v", format, from, got, err)
			}
		}
		stop := errors.New("stop")
		if err := m.Each(t.Context(), f, bytes.NewReader(body), 0, func(int64, *Row) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("%s: the caller's error is %v", format, err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := m.Each(ended, f, bytes.NewReader(body), 0, func(int64, *Row) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: a context that has ended gives %v", format, err)
		}
	}
}

func TestARowThatCannotBeReadSaysWhereItIs(t *testing.T) {
	row := `"box","%s","","true","false","%s","","e"` + "\n"
	body := zipped(t, fmt.Sprintf(row, "a%zz", "1")+fmt.Sprintf(row, "b", "much")+"box,c\n"+`x"y`+"\n"+fmt.Sprintf(row, "", "1")+fmt.Sprintf(row, "good", "5"))
	m, f := list(t, "CSV", body)
	got, err := rows(t, m, f, body, 0)
	if err != nil || len(got) != 6 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, want := range []string{"row 0 of the inventory's file inv/1: its key: invalid URL escape", "row 1 of the inventory's file inv/1: its size", "row 2 of", "row 3 of", "row 4 of the inventory's file inv/1: it has no key"} {
		if got[i].Fault == nil || !strings.Contains(got[i].Fault.Why, want) {
			t.Errorf("row %d: %+v, want %q", i, got[i].Fault, want)
		}
	}
	if got[5].Fault != nil || got[5].Key != "good" {
		t.Errorf("the row behind them: %+v", got[5])
	}
}

func TestAFileThatIsNotAsItWasWrittenIsAnError(t *testing.T) {
	body := zipped(t, csvRows)
	m, f := list(t, "CSV", body)
	for name, c := range map[string]func() (File, []byte){
		"another sum": func() (File, []byte) { g := f; g.MD5 = strings.Repeat("0", 32); return g, body },
		"cut":         func() (File, []byte) { g := f; g.Size = 30; return g, body[:30] },
		"no gzip":     func() (File, []byte) { return File{"inv/1", 4, ""}, []byte("text") },
	} {
		g, b := c()
		if _, err := rows(t, m, g, b, 0); err == nil || !strings.Contains(err.Error(), "inv/1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever the bytes: rows, faults or an error.
func FuzzCSV(f *testing.F) {
	f.Add(manifest("CSV"), csvRows)
	f.Add(manifest("CSV"), "\"a\nb,c\r\n")
	f.Fuzz(func(t *testing.T, about, text string) {
		m, err := Parse([]byte(about))
		if err != nil || m.Format != "CSV" {
			return
		}
		body := zipped(t, text)
		if err := m.Each(t.Context(), File{Key: "k", Size: int64(len(body))}, bytes.NewReader(body), 0, func(_ int64, r *Row) error {
			if (r.Fault == nil) == (r.Key == "") && r.Fault == nil {
				t.Fatalf("%+v", r)
			}
			return nil
		}); err != nil {
			t.Fatalf("a whole file gives %v", err)
		}
	})
}
