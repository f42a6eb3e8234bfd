package arrowfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"reflect"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"vecmill/schemas"
	"vecmill/sinks/arrowfile"
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

func codecs() []arrowfile.Compression {
	return []arrowfile.Compression{arrowfile.None, arrowfile.LZ4, arrowfile.Zstd}
}

// written is a file of the rows of n offsets of every task, and those rows.
func written(t testing.TB, codec arrowfile.Compression, n int64) ([]byte, []schemas.Row) {
	t.Helper()
	return writtenOf(t, codec, n, schemas.Tasks()...)
}

func writtenOf(t testing.TB, codec arrowfile.Compression, n int64, tasks ...schemas.Task) ([]byte, []schemas.Row) {
	t.Helper()
	_, of := sinktest.MakeOf(tasks, schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 7}, 0, n)
	b, err := arrowrow.NewBuilder(memory.DefaultAllocator, tasks...)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	body, err := arrowfile.Write(rows{b, of}, arrowfile.Options{Compression: codec, Size: 2 << 20, Metadata: map[string]string{"k": "v", "ü": ""}})
	if err != nil {
		t.Fatal(err)
	}
	return body, of
}

// all are columns of text and numbers, a nullable one among them.
var all = []string{"row_id", "etag", "offset", "partition", "label"}

func scan(body []byte, columns ...string) (got [][]parquetfile.Value, err error) {
	err = arrowfile.Scan(bytes.NewReader(body), int64(len(body)), columns, func(row []parquetfile.Value) error {
		got = append(got, append([]parquetfile.Value(nil), row...))
		return nil
	})
	return got, err
}

// TestRowsReadBack has more rows than a record batch takes.
func TestRowsReadBack(t *testing.T) {
	for _, codec := range codecs() {
		for _, n := range []int64{0, 40, 80_000} {
			body, of := written(t, codec, n)
			back, err := arrowfile.Read(body)
			if err != nil || len(back) != len(of) || len(of) > 0 && !reflect.DeepEqual(back, of) {
				t.Fatalf("%s: %d rows of %d read back equal: %v", codec, len(back), len(of), err)
			}
			got, err := scan(body, all...)
			if err != nil || len(got) != len(of) {
				t.Fatalf("%s: %d rows of %d are scanned: %v", codec, len(got), len(of), err)
			}
			for i := range of {
				r := &of[i]
				if want := []parquetfile.Value{{Text: r.RowID}, {Text: r.ETag}, {Int: r.Offset}, {Int: int64(r.Partition)}, {Text: r.Label}}; !reflect.DeepEqual(got[i], want) {
					t.Fatalf("%s: row %d is %v, want %v", codec, i, got[i], want)
				}
			}
		}
	}
}

func TestTheMetadataIsInTheHead(t *testing.T) {
	body, _ := written(t, arrowfile.LZ4, 40)
	n := arrowfile.Head(body[:8])
	if n <= 8 || n >= int64(len(body)) {
		t.Fatalf("the head has %d bytes of %d", n, len(body))
	}
	if got, err := arrowfile.Metadata(body[:n]); err != nil || !maps.Equal(got, map[string]string{"k": "v", "ü": ""}) {
		t.Errorf("it says %v, %v", got, err)
	}
	for _, no := range [][]byte{nil, body[:7], []byte("PAR1PAR1")} {
		if n := arrowfile.Head(no); n != 0 {
			t.Errorf("%q has a head of %d bytes", no, n)
		}
	}
}

func TestOnlyPlainColumnsAreScanned(t *testing.T) {
	body, _ := written(t, arrowfile.None, 10)
	for column, want := range map[string]string{"nothing": "no column nothing", "vector": "column vector is of type list", "created_at": "neither text nor"} {
		if _, err := scan(body, column); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", column, err)
		}
	}
	no := errors.New("no")
	if err := arrowfile.Scan(bytes.NewReader(body), int64(len(body)), all, func([]parquetfile.Value) error { return no }); !errors.Is(err, no) {
		t.Errorf("the error of each is %v", err)
	}
}

// TestAnyPartOfAFileIsDamaged: wherever a file ends early (lengths are multiples of 8), and whatever stands behind its end.
func TestAnyPartOfAFileIsDamaged(t *testing.T) {
	body, _ := written(t, arrowfile.None, 8)
	for n := 0; n < len(body); n += 4 {
		if _, err := arrowfile.Read(body[:n]); err == nil {
			t.Fatalf("%d bytes of %d are read as a file", n, len(body))
		}
	}
	if _, err := arrowfile.Read(append(bytes.Clone(body), 0)); !errors.Is(err, arrowfile.ErrDamaged) {
		t.Errorf("with a byte behind the end: %v", err)
	}
	if err := arrowfile.Scan(bytes.NewReader(body[:len(body)-16]), int64(len(body)), all, func([]parquetfile.Value) error { return nil }); err == nil {
		t.Error("a store that gives fewer bytes than it says is believed")
	}
}

// TestDamageAsksForNoMemory has lengths of two gigabytes and more.
func TestDamageAsksForNoMemory(t *testing.T) {
	body, _ := written(t, arrowfile.LZ4, 8)
	long, negative := bytes.Clone(body), bytes.Clone(body)
	binary.LittleEndian.PutUint32(long[4:], 0x7ffffff0)
	binary.LittleEndian.PutUint32(negative[4:], 0x80000000)
	fields := bytes.Clone(body)
	if at := bytes.Index(fields, binary.LittleEndian.AppendUint32(nil, 47)); at > 0 { // the number of columns
		binary.LittleEndian.PutUint32(fields[at:], 0x7ffffff0)
	} else {
		t.Fatal("the number of columns is not where it was")
	}
	before := allocated()
	for name, b := range map[string][]byte{"long": long, "negative": negative, "columns": fields} {
		if _, err := arrowfile.Read(b); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
	if used := allocated() - before; used > 64<<20 {
		t.Errorf("%d MB were asked for", used>>20)
	}
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func FuzzRead(f *testing.F) {
	for _, codec := range codecs() {
		body, _ := writtenOf(f, codec, 3, schemas.TaskTranscript) // small, so that a mutation hits something
		f.Add(body)
	}
	f.Fuzz(func(_ *testing.T, body []byte) { // it must only come back
		_, _ = arrowfile.Read(body)
		_, _ = scan(body, all...)
		_, _ = arrowfile.Metadata(body)
	})
}
