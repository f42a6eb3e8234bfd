package parquetfile_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"runtime/metrics"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/sinktest"
)

// all are the columns that can be scanned: text and numbers, nullable ones among them.
var all = []string{"row_id", "etag", "offset", "partition", "model_digest", "head"}

func scan(body []byte) (rows [][]parquetfile.Value, err error) {
	err = parquetfile.Scan(bytes.NewReader(body), int64(len(body)), all, func(row []parquetfile.Value) error {
		rows = append(rows, append([]parquetfile.Value(nil), row...))
		return nil
	})
	return rows, err
}

// written is a file of the rows of n offsets of every task, and those rows.
func written(t testing.TB, o parquetfile.Options, n int64) ([]byte, []schemas.Row) {
	t.Helper()
	_, of := sinktest.Make(schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 7}, 0, n)
	b, err := arrowrow.NewBuilder(memory.DefaultAllocator, schemas.Tasks()...)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	body, err := parquetfile.Write(rows{b, of}, o)
	if err != nil {
		t.Fatal(err)
	}
	return body, of
}

// lying is an Arrow message that begins by asking for two gigabytes.
func lying() map[string]string {
	m := binary.LittleEndian.AppendUint32([]byte{0xff, 0xff, 0xff, 0xff}, 0x7ffffff0)
	return map[string]string{"ARROW:schema": base64.StdEncoding.EncodeToString(append(m, make([]byte, 64)...))}
}

func TestColumnsAreScannedAsTheyWereWritten(t *testing.T) {
	for _, o := range []parquetfile.Options{
		{Compression: parquetfile.None},
		{Compression: parquetfile.Snappy, Bare: true, Metadata: lying()},
		{Compression: parquetfile.Zstd, Level: 1, Size: 2 << 20},
	} {
		body, of := written(t, o, 9000) // more than are decoded at a time
		got, err := scan(body)
		if err != nil {
			t.Fatalf("%s: %v", o.Compression, err)
		}
		if len(got) != len(of) {
			t.Fatalf("%s: %d rows, want %d", o.Compression, len(got), len(of))
		}
		for i := range of {
			l := &of[i].Lineage
			want := []parquetfile.Value{{Text: l.RowID}, {Text: l.ETag}, {Int: l.Offset}, {Int: int64(l.Partition)}, {Text: l.ModelDigest}, {Text: l.Head}}
			if !reflect.DeepEqual(got[i], want) {
				t.Fatalf("%s: row %d is %v, want %v", o.Compression, i, got[i], want)
			}
		}
		if back, err := parquetfile.Read(t.Context(), body); err != nil || !reflect.DeepEqual(back, of) {
			t.Fatalf("%s: the rows do not read back: %v", o.Compression, err)
		}
	}
}

func TestAColumnThatIsNotThereOrIsAListIsRefused(t *testing.T) {
	body, _ := written(t, parquetfile.Options{Compression: parquetfile.None}, 3)
	for _, name := range []string{"nothing", "element", "window_start"} {
		if err := parquetfile.Scan(bytes.NewReader(body), int64(len(body)), []string{name}, func([]parquetfile.Value) error { return nil }); err == nil {
			t.Errorf("%s is scanned", name)
		}
	}
	stop := errors.New("stop")
	if err := parquetfile.Scan(bytes.NewReader(body), int64(len(body)), all, func([]parquetfile.Value) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error is %v", err)
	}
}

// foreign is a file of columns that others write, with two rows in each row group.
func foreign(t testing.TB) []byte {
	t.Helper()
	s := arrow.NewSchema([]arrow.Field{
		{Name: "uri", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "inline", Type: arrow.BinaryTypes.Binary},
		{Name: "deleted", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String)},
		{Name: "range", Type: arrow.StructOf(arrow.Field{Name: "off", Type: arrow.PrimitiveTypes.Int32})},
		{Name: "score", Type: arrow.PrimitiveTypes.Float64},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i := range 5 {
		if i == 3 {
			b.Field(0).AppendNull()
			b.Field(2).AppendNull()
		} else {
			b.Field(0).(*array.StringBuilder).Append(fmt.Sprint("s3://box/", i))
			b.Field(2).(*array.BooleanBuilder).Append(i%2 == 0)
		}
		b.Field(1).(*array.BinaryBuilder).Append([]byte{byte(i), 0xff})
		b.Field(3).(*array.ListBuilder).Append(true)
		b.Field(4).(*array.StructBuilder).Append(true)
		b.Field(4).(*array.StructBuilder).FieldBuilder(0).(*array.Int32Builder).Append(int32(10 * i))
		b.Field(5).(*array.Float64Builder).Append(0.5)
	}
	rec := b.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(s, &out, parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(2)), pqarrow.DefaultWriterProps())
	if err == nil {
		err = errors.Join(w.Write(rec), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAScanBeginsAtAnyRow(t *testing.T) {
	short := foreign(t)
	long, rows := written(t, parquetfile.Options{Compression: parquetfile.Zstd, Level: 1}, 9000)
	text := func(v parquetfile.Value) string { return fmt.Sprintf("%q %d %v", v.Text, v.Int, v.Null) }
	for _, c := range []struct {
		name    string
		body    []byte
		columns []string
		starts  []int64
		rows    int
	}{
		{"two rows a group", short, []string{"range.off", "uri", "deleted", "inline"}, []int64{0, 1, 2, 3, 4, 5}, 5},
		{"more than are decoded at a time", long, []string{"offset", "etag"}, []int64{0, 1, 4095, 4096, 4097, 8999, int64(len(rows)) - 1, int64(len(rows))}, len(rows)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			if err := parquetfile.Scan(bytes.NewReader(c.body), int64(len(c.body)), c.columns, func(row []parquetfile.Value) error {
				want = append(want, text(row[0])+text(row[1]))
				return nil
			}); err != nil || len(want) != c.rows {
				t.Fatalf("%d rows, %v", len(want), err)
			}
			s, err := parquetfile.NewScanner(bytes.NewReader(c.body), int64(len(c.body)), c.columns)
			if err != nil || s.Rows() != int64(c.rows) {
				t.Fatal(s.Rows(), err)
			}
			defer s.Close()
			for _, start := range c.starts {
				if err := s.SeekRow(start); err != nil {
					t.Fatal(err)
				}
				for _, w := range want[start:] {
					row, err := s.Next()
					if err != nil {
						t.Fatal(err)
					}
					if got := text(row[0]) + text(row[1]); got != w {
						t.Fatalf("from %d: %s, want %s", start, got, w)
					}
				}
				if _, err := s.Next(); !errors.Is(err, io.EOF) {
					t.Errorf("behind the last: %v", err)
				}
			}
			if err := s.SeekRow(int64(c.rows) + 1); !errors.Is(err, io.EOF) {
				t.Errorf("to behind the end: %v", err)
			}
		})
	}
}

func TestColumnsOfOthersHaveKinds(t *testing.T) {
	body := foreign(t)
	names, err := parquetfile.Columns(bytes.NewReader(body), int64(len(body)))
	if want := []string{"uri", "inline", "deleted", "range.off", "score"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("columns %v, %v", names, err)
	}
	s, err := parquetfile.NewScanner(bytes.NewReader(body), int64(len(body)), []string{"uri", "inline", "deleted", "range.off"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, want := range []parquetfile.Kind{parquetfile.Text, parquetfile.Bytes, parquetfile.Bool, parquetfile.Int} {
		if got := s.Kind(i); got != want {
			t.Errorf("column %d is of kind %d", i, got)
		}
	}
	if err := s.SeekRow(2); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]parquetfile.Value{{{Text: "s3://box/2"}, {Text: "\x02\xff"}, {Int: 1}, {Int: 20}}, {{Null: true}, {Text: "\x03\xff"}, {Null: true}, {Int: 30}}} {
		if row, err := s.Next(); err != nil || !reflect.DeepEqual(row, want) {
			t.Errorf("%+v, %v, want %+v", row, err, want)
		}
	}
	if _, err := parquetfile.NewScanner(bytes.NewReader(body), int64(len(body)), []string{"score"}); err == nil {
		t.Error("a number that is not whole is scanned")
	}
}

// allocated is the number of bytes that the process has asked for so far.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// lavish is far more than any of the small files here need, and far less than what a length that lies asks for.
const lavish = 64 << 20

// narrow is a file of the columns that are scanned alone, so that every byte of it can be tried.
func narrow(t testing.TB, o parquetfile.Options) []byte {
	t.Helper()
	text, long, short := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int32
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "row_id", Type: text},
		{Name: "etag", Type: text, Nullable: true},
		{Name: "offset", Type: long},
		{Name: "partition", Type: short},
		{Name: "model_digest", Type: text},
		{Name: "head", Type: text},
	}, nil))
	defer b.Release()
	body, err := parquetfile.Write(few{b}, o)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

type few struct{ *array.RecordBuilder }

func (few) Len() int       { return 40 } // enough for zstd to say how many bytes a page has
func (few) Size(int) int64 { return 100 }

func (f few) Append(i int) error {
	f.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("row %d", i*i))
	if etag := f.Field(1).(*array.StringBuilder); i%2 == 0 {
		etag.Append("e")
	} else {
		etag.AppendNull()
	}
	f.Field(2).(*array.Int64Builder).Append(int64(i))
	f.Field(3).(*array.Int32Builder).Append(7)
	f.Field(4).(*array.StringBuilder).Append("digest")
	f.Field(5).(*array.StringBuilder).Append("")
	return nil
}

// lies are what is written in the place of a byte: other bytes, and the largest lengths of 32 bits and nearly of 64, as the footer and the headers of pages write them.
func lies(b byte) [][]byte {
	return [][]byte{{0xff}, {b + 2}, binary.AppendVarint(nil, math.MaxInt32), binary.AppendVarint(nil, 1<<40), binary.AppendUvarint(nil, 1<<31)}
}

// with is a file with other bytes in place of the one at i. If that is in the footer, its length is made to fit, so that the rest keeps its meaning.
func with(body []byte, i int, lie []byte) []byte {
	out := slices.Concat(body[:i], lie, body[i+1:])
	length := binary.LittleEndian.Uint32(body[len(body)-8:])
	if footer := len(body) - 8 - int(length); i >= footer && i < len(body)-8 {
		binary.LittleEndian.PutUint32(out[len(out)-8:], length+uint32(len(lie))-1)
	}
	return out
}

// TestNoLieMakesAScanAskForMuchMemory writes each lie at every place of files. Whatever a length says then, there are rows or an error, at the price of the file.
func TestNoLieMakesAScanAskForMuchMemory(t *testing.T) {
	for _, o := range []parquetfile.Options{
		{Compression: parquetfile.None, Metadata: lying()},
		{Compression: parquetfile.Snappy, Bare: true},
		{Compression: parquetfile.Zstd, Level: 1, Size: 2 << 20, Bare: true},
	} {
		body := narrow(t, o)
		if rows, err := scan(body); err != nil || len(rows) != 40 {
			t.Fatalf("%s: %d rows, %v", o.Compression, len(rows), err)
		}
		refused := 0
		for i := range body {
			for _, lie := range lies(body[i]) {
				damaged := with(body, i, lie)
				before := allocated()
				if _, err := scan(damaged); err != nil {
					refused++
				}
				if got := allocated() - before; got > lavish {
					t.Fatalf("%s: with %x at byte %d of %d the reader asks for %d MiB", o.Compression, lie, i, len(body), got>>20)
				}
			}
		}
		if refused < len(body) {
			t.Errorf("%s: only %d of %d lies were noticed", o.Compression, refused, len(body)*len(lies(0)))
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, o := range []parquetfile.Options{{Compression: parquetfile.None}, {Compression: parquetfile.Snappy, Bare: true, Metadata: lying()}, {Compression: parquetfile.Zstd, Size: 2 << 20}} {
		f.Add(narrow(f, o))
	}
	f.Add(foreign(f))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := allocated()
		_, _ = scan(body)
		_ = parquetfile.Scan(bytes.NewReader(body), int64(len(body)), []string{"uri", "inline", "deleted", "range.off"}, func([]parquetfile.Value) error { return nil })
		_, _ = parquetfile.Columns(bytes.NewReader(body), int64(len(body)))
		_, _ = parquetfile.Metadata(bytes.NewReader(body), int64(len(body)))
		if got := allocated() - before; got > lavish+64*uint64(len(body)) {
			t.Fatalf("%d bytes make the reader ask for %d MiB", len(body), got>>20)
		}
	})
}
