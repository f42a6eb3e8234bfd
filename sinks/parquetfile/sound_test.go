package parquetfile_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime/metrics"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

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
	f.Fuzz(func(t *testing.T, body []byte) {
		before := allocated()
		_, _ = scan(body)
		_, _ = parquetfile.Metadata(bytes.NewReader(body), int64(len(body)))
		if got := allocated() - before; got > lavish+64*uint64(len(body)) {
			t.Fatalf("%d bytes make the reader ask for %d MiB", len(body), got>>20)
		}
	})
}
