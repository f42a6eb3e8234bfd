package manifestsource

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/schemas"
)

func file(t testing.TB, name string, body []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read gives the values of a list from n on; a tombstone is "-".
func read(t testing.TB, l List, n int64) (all []string) {
	t.Helper()
	next, err := l.From(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	for {
		v, err := next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if v == nil {
			all = append(all, "-")
		} else {
			all = append(all, string(v))
		}
	}
}

func opened(t testing.TB, path string, c Columns) List {
	t.Helper()
	l, err := Open(t.Context(), Disk(path), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestRowsOfCSVAreReferencesOrSayTheirLine(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		columns          Columns
		want             []string // parts of the values
	}{
		{"columns by name, others passed over", "m.csv", "etag,uri,speaker\nabc,s3://box/a b.flac,Ann\n", nil, []string{`{"etag":"abc","id":"s3://box/a b.flac","uri":"s3://box/a b.flac","v":1}`}},
		{"quotes, ends of lines in them, and Windows'", "m.csv", "id,inline_text\r\n\"a\",\"two\nlines, and \"\"quotes\"\"\"\r\nb,plain\r\n", nil, []string{`"inline_text":"two\nlines, and \"quotes\""`, `"id":"b"`}},
		{"tabs, and no end of the last line", "m.TSV", "\ufeffuri\tmodality\ns3://box/a\taudio", nil, []string{`"modality":"audio"`}},
		{"a byte order mark before a name of two lines", "m.csv", "\ufeff\"see\nbelow\",uri\nx,s3://box/a\n", nil, []string{`"uri":"s3://box/a"`}},
		{"a column with another name", "m.csv", "path,uri\ns3://box/a,nonsense\n", Columns{"uri": "path"}, []string{`"uri":"s3://box/a"`}},
		{"texts without ids", "texts.csv", "sentence,uri\nhi,x\nho,y\n", Columns{"inline_text": "sentence"}, []string{`{"id":"texts.csv#0","inline_text":"hi","v":1}`, `"id":"texts.csv#1"`}},
		{"fields that are JSON", "m.csv", "uri,range,attributes,deleted\ns3://box/a,\"{\"\"off\"\":1,\"\"n\"\":2}\",\"{\"\"k\"\":\"\"v\"\"}\",\ns3://box/b,,,true\n", nil, []string{`"range":{"off":1,"n":2}`, `"deleted":true`}},
		{"blank lines", "m.csv", "uri\n\ns3://box/a\n  \n", nil, []string{"-", "s3://box/a", "-"}},
		{"no rows", "m.csv", "uri\n", nil, nil},
		{"too few fields", "m.csv", "id,uri\na\nb,s3://box/b\n", nil, []string{"line 2: it has 1 fields, and the first line has 2", `"id":"b"`}},
		{"a reference that is none", "m.csv", "uri\nnowhere\n", nil, []string{`line 2: reference field uri: has no scheme`}},
		{"no JSON where it should be", "m.csv", "uri,range\ns3://box/a,0-9\n", nil, []string{`line 2: column range is not JSON`}},
		{"no UTF-8", "m.csv", "uri\ns3://box/\xff\n", nil, []string{`line 2: column uri is not valid UTF-8`}},
		{"a quote too many costs its row", "m.csv", "id,uri\na,s3://b\"ox/a\n\"b\",s3://box/b\nc,\"s3://box/c\"\n", nil, []string{`line 2: bare`, `"id":"b"`, `"id":"c"`}},
		{"a quote that is not closed costs its row", "m.csv", "id,uri\na,\"s3://box/a\nb,s3://box/b\nc,s3://box/c", nil, []string{"line 2: ", `"id":"b"`, `"id":"c"`}},
		{"a row and its line, behind one of two lines", "m.csv", "id,inline_text\na,\"1\n2\"\nb\n", nil, []string{`"id":"a"`, "line 4: it has 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := opened(t, file(t, c.file, []byte(c.text)), c.columns)
			got := read(t, l, 0)
			if len(got) != len(c.want) || l.Len() != int64(len(c.want)) {
				t.Fatalf("%d rows of %d: %q", len(got), l.Len(), got)
			}
			for i, w := range c.want {
				if !strings.Contains(got[i], w) {
					t.Errorf("row %d: %s, want %s", i, got[i], w)
				}
				if _, err := schemas.ParseRef([]byte(got[i])); strings.HasPrefix(w, "line") != (err != nil) && w != "-" || err != nil && strings.HasPrefix(w, "line") && !strings.Contains(err.Error(), w) {
					t.Errorf("row %d is read with %v", i, err)
				}
			}
		})
	}
}

func TestATableThatCannotBeReadSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		columns          Columns
		want             string
	}{
		{"no column of the payload", "m.csv", "id,path\na,b\n", nil, "none of its columns (id, path) is uri, inline or inline_text; --column uri=NAME"},
		{"a column that is not there", "m.csv", "uri\nb\n", Columns{"uri": "path"}, "no column path for uri; its columns are uri"},
		{"a field that is none", "m.csv", "uri\nb\n", Columns{"url": "uri"}, `no field "url"`},
		{"a column twice", "m.csv", "uri,uri\na,b\n", nil, "two columns uri"},
		{"an empty file", "m.csv", "", nil, "is empty"},
		{"a header that is no CSV", "m.csv", "u\"ri\n", nil, "should name the columns"},
		{"no Parquet", "m.parquet", "uri\n", nil, "not a Parquet file"},
		{"columns of lines", "m.jsonl", "{}\n", Columns{"uri": "path"}, "without columns"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Open(t.Context(), Disk(file(t, c.file, []byte(c.text))), c.columns); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestReadingATableBeginsAtAnyRow(t *testing.T) {
	const n = 2*sparse + 17
	var text strings.Builder
	text.WriteString("id,inline_text\n")
	for i := range n {
		fmt.Fprintf(&text, "%d,\"%s\"\n", i, strings.Repeat("x\n", i%5))
	}
	var uris []string
	for i := range n {
		uris = append(uris, fmt.Sprint("s3://box/", i))
	}
	for _, path := range []string{file(t, "m.csv", []byte(text.String())), file(t, "m.parquet", parquetOf(t, uris))} {
		l := opened(t, path, nil)
		all := read(t, l, 0)
		if l.Len() != n || len(all) != n {
			t.Fatalf("%d rows of %d", len(all), l.Len())
		}
		for _, start := range []int64{1, sparse - 1, sparse, sparse + 1, 2 * sparse, n - 1, n} {
			if got := read(t, l, start); !slices.Equal(got, all[start:]) {
				t.Errorf("%s from %d: %d rows, want %d", filepath.Base(path), start, len(got), n-start)
			}
		}
	}
}

// parquetOf has texts as column path, their numbers as call and bytes as inline, 100 rows in a group; an empty text is null.
func parquetOf(t testing.TB, texts []string) []byte {
	t.Helper()
	s := arrow.NewSchema([]arrow.Field{
		{Name: "uri", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "call", Type: arrow.PrimitiveTypes.Int64},
		{Name: "payload", Type: arrow.BinaryTypes.Binary},
		{Name: "deleted", Type: arrow.FixedWidthTypes.Boolean},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i, x := range texts {
		if x == "" {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.StringBuilder).Append(x)
		}
		b.Field(1).(*array.Int64Builder).Append(int64(i))
		b.Field(2).(*array.BinaryBuilder).Append([]byte{0xff, byte(i)})
		b.Field(3).(*array.BooleanBuilder).Append(x == "s3://box/gone")
	}
	rec := b.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(s, &out, parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(100)), pqarrow.DefaultWriterProps())
	if err == nil {
		err = errors.Join(w.Write(rec), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRowsOfParquetAreReferencesOrSayTheirRow(t *testing.T) {
	path := file(t, "m.parquet", parquetOf(t, []string{"s3://box/a", "", "s3://box/gone", "nowhere"}))
	got := read(t, opened(t, path, Columns{"id": "call"}), 0)
	want := []string{
		`{"deleted":false,"id":"0","uri":"s3://box/a","v":1}`, `{"no_ref":"row 1: reference field uri: missing, and there is no inline data","row":"deleted=false call=1 uri="}`,
		`{"deleted":true,"id":"2","uri":"s3://box/gone","v":1}`, `{"no_ref":"row 3: reference field uri: has no scheme; want s3://, https:// or file://","row":"deleted=false call=3 uri=nowhere"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := read(t, opened(t, path, Columns{"inline": "payload"}), 3); len(got) != 1 || got[0] != `{"id":"m.parquet#3","inline":"/wM=","v":1}` {
		t.Errorf("bytes: %q", got)
	}
	if got := read(t, opened(t, path, Columns{"inline_text": "uri"}), 1)[0]; got != `{"no_ref":"row 1: its inline_text is empty","row":"uri="}` {
		t.Errorf("a row that is only lacking its text: %s", got)
	}
}

func TestALongRowThatIsNoReferenceIsHeld(t *testing.T) {
	long := "nowhere" + strings.Repeat(" at all", 5000)
	for name, body := range map[string][]byte{"m.csv": []byte("uri\n" + long + "\n"), "m.parquet": parquetOf(t, []string{long})} {
		if got := read(t, opened(t, file(t, name, body), nil), 0); len(got) != 1 || !schemas.IsNoRef([]byte(got[0])) || !strings.Contains(got[0], long) {
			t.Errorf("%s: of a row of %d bytes there is %.200q", name, len(long), got)
		}
	}
}

// Any bytes give rows that are the same from any row on, and those that encoding/csv gives where it takes all of them.
func FuzzRows(f *testing.F) {
	f.Add([]byte("uri\ns3://a\n"), uint8(1))
	f.Add([]byte("a,uri\n\"x\ny\",s3://a\n\nb\"\n\"c\n"), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, from uint8) {
		r := newRows(bytes.NewReader(data), int64(len(data)), ',')
		var starts []place
		var got [][]string
		joined := 0
		for {
			at := place{r.pos, r.line}
			row, line, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || line != at.line || len(row) == 0 || !bytes.Equal(row, data[at.pos:at.pos+int64(len(row))]) {
				t.Fatalf("row %q at %+v, line %d: %v", row, at, line, err)
			}
			starts = append(starts, at)
			joined += len(row)
			if all, err := cells(row, ','); err == nil {
				got = append(got, all)
			}
		}
		if joined != len(data) {
			t.Fatalf("rows have %d bytes of %d", joined, len(data))
		}
		if n := int(from); n < len(starts) {
			r.seek(starts[n].pos, starts[n].line)
			if _, line, err := r.next(); err != nil || line != starts[n].line || n+1 < len(starts) && (r.pos != starts[n+1].pos || r.line != starts[n+1].line) {
				t.Fatalf("row %d from its place: line %d, %v", n, line, err)
			}
		}
		c := csv.NewReader(bytes.NewReader(data))
		c.FieldsPerRecord = -1
		if want, err := c.ReadAll(); err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// TestAListThatWasChangedIsNotReadUnderItsSum has each ending, and a change that neither the length nor the number of references shows.
func TestAListThatWasChangedIsNotReadUnderItsSum(t *testing.T) {
	before, after := []string{"one", "two"}, []string{"one", "too"}
	for name, body := range map[string]func([]string) []byte{
		"x.jsonl": func(texts []string) []byte {
			return fmt.Appendf(nil, `{"v":1,"id":"a","inline_text":%q}`+"\n"+`{"v":1,"id":"b","inline_text":%q}`+"\n", texts[0], texts[1])
		},
		"x.csv":     func(texts []string) []byte { return []byte("inline_text\n" + strings.Join(texts, "\n") + "\n") },
		"x.parquet": func(texts []string) []byte { return parquetOf(t, texts) },
	} {
		path := file(t, name, body(before))
		sum, err := Sum(t.Context(), Disk(path))
		if err != nil || len(sum) != 8 {
			t.Fatal(sum, err)
		}
		s, err := New(Disk(path), "m", nil)
		if err != nil {
			t.Fatal(err)
		}
		s.Sum = sum
		if err := s.Run(t.Context(), &ledger{t: t}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.WriteFile(path, body(after), 0o600); err != nil {
			t.Fatal(err)
		}
		if again, err := Sum(t.Context(), Disk(path)); err != nil || again == sum {
			t.Errorf("%s: the sum is %s, and was %s: %v", name, again, sum, err)
		}
		l := &ledger{t: t}
		if err := s.Run(t.Context(), l); err == nil || !strings.Contains(err.Error(), "it was changed since") || l.events != "" {
			t.Errorf("%s: %v, %s", name, err, l.events)
		}
		s.Sum = ""
		if err := s.Run(t.Context(), &ledger{t: t}); err != nil {
			t.Errorf("%s, under a name that is a promise: %v", name, err)
		}
	}
	if _, err := Sum(t.Context(), Disk(t.TempDir())); err == nil {
		t.Error("a directory has a sum")
	}
}

// TestAListThatIsEditedWhileItIsReadEndsTheReading has each ending, changed in its place once the first references are handed over. Nothing that was read behind the change is handed over; under a name that is a promise all of it is.
func TestAListThatIsEditedWhileItIsReadEndsTheReading(t *testing.T) {
	const n = 20_000
	lines := func(form string) func(word string) []byte {
		return func(word string) []byte {
			var b bytes.Buffer
			for i := range n {
				fmt.Fprintf(&b, form, i, word)
			}
			return b.Bytes()
		}
	}
	for name, body := range map[string]func(word string) []byte{
		"x.jsonl": lines(`{"v":1,"id":"%d","inline_text":%q}` + "\n"),
		"x.csv":   func(word string) []byte { return append([]byte("id,inline_text\n"), lines("%d,%s\n")(word)...) },
		"x.parquet": func(word string) []byte {
			texts := make([]string, n)
			for i := range texts {
				texts[i] = "s3://box/" + word
			}
			return parquetOf(t, texts)
		},
	} {
		path := file(t, name, body("old"))
		made := time.Now().Add(-time.Hour)
		edit := func(word string, at time.Time) {
			if err := errors.Join(os.WriteFile(path, body(word), 0o600), os.Chtimes(path, at, at)); err != nil {
				t.Fatal(err)
			}
		}
		edit("old", made)
		sum, err := Sum(t.Context(), Disk(path))
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(Disk(path), "m", nil)
		if err != nil {
			t.Fatal(err)
		}
		run := func() (*ledger, error) {
			edit("old", made)
			l := &ledger{t: t}
			l.stop = func(int64) error {
				if l.calls == 1 {
					edit("new", made.Add(time.Second))
				}
				return nil
			}
			return l, s.Run(t.Context(), l)
		}
		s.Sum = sum
		l, err := run()
		if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "give the command again") || len(l.recs) == 0 || len(l.recs) >= n {
			t.Errorf("%s: %d of %d references, %v", name, len(l.recs), n, err)
		}
		for _, rec := range l.recs {
			if !bytes.Contains(rec.Value, []byte("old")) {
				t.Errorf("%s: reference %d is %s", name, rec.Offset, rec.Value)
				break
			}
		}
		s.Sum = ""
		if l, err := run(); err != nil || len(l.recs) != n {
			t.Errorf("%s, under a name that is a promise: %d references, %v", name, len(l.recs), err)
		}
	}
}
