package ledger

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

func work(n int) *Work {
	return &Work{URI: fmt.Sprintf("s3://box/%d", n), ETag: "e", Model: "m", Preprocess: "p", Head: "h", Options: "o"}
}

func TestASetKnowsWhatWasAddedAndNothingElse(t *testing.T) {
	var s Set
	const n = 50_000
	for i := range n {
		s.Add(work(i))
		s.Add(work(i / 2)) // again
	}
	if s.Len() != n {
		t.Errorf("%d works, want %d", s.Len(), n)
	}
	for i := range 2 * n {
		if s.Has(work(i)) != (i < n) {
			t.Fatalf("work %d: %v", i, s.Has(work(i)))
		}
	}
}

func TestASetTakesTheWorksOfFilesThatAreReadAtOnce(t *testing.T) {
	var s Set
	var files sync.WaitGroup
	const n = 10_000
	for f := range 4 {
		files.Go(func() {
			for i := range n { // half of them are in the next file, too
				s.Add(work(f*n/2 + i))
			}
		})
	}
	files.Wait()
	if s.Len() != 5*n/2 {
		t.Errorf("%d works, want %d", s.Len(), 5*n/2)
	}
	for i := range 5 * n / 2 {
		if !s.Has(work(i)) {
			t.Fatalf("work %d is not known", i)
		}
	}
}

// TestEveryWordOfAWorkCounts also moves a letter from one word to the next.
func TestEveryWordOfAWorkCounts(t *testing.T) {
	base := Work{"pipe", "uri", "etag", "model", "pre", "head", "options", "beside"}
	var s Set
	s.Add(&base)
	for i, other := range []Work{
		{"pipf", "uri", "etag", "model", "pre", "head", "options", "beside"},
		{"pipe", "urj", "etag", "model", "pre", "head", "options", "beside"},
		{"pipe", "uri", "etah", "model", "pre", "head", "options", "beside"},
		{"pipe", "uri", "etag", "modem", "pre", "head", "options", "beside"},
		{"pipe", "uri", "etag", "model", "prf", "head", "options", "beside"},
		{"pipe", "uri", "etag", "model", "pre", "heae", "options", "beside"},
		{"pipe", "uri", "etag", "model", "pre", "head", "optiont", "beside"},
		{"pipe", "uri", "etag", "model", "pre", "head", "options", "besidf"},
		{"pipe", "uri", "etag", "model", "pre", "head", "options", ""},
		{"pipe", "urie", "tag", "model", "pre", "head", "options", "beside"},
		{},
	} {
		if s.Has(&other) {
			t.Errorf("%d: %+v is known", i, other)
		}
	}
	if !s.Has(&base) {
		t.Error("what was added is not known")
	}
}

// scanner goes through a file's rows.
func scanner(t *testing.T, st objectstore.Store, name string) func([]string, func([]parquetfile.Value) error) error {
	return func(columns []string, each func([]parquetfile.Value) error) error {
		return parquetsink.Scan(t.Context(), st, name, columns, each)
	}
}

// TestTheWorksOfFilesAreThoseOfTheirRows writes files of every task by the sink and reads them back, several row groups among them.
func TestTheWorksOfFilesAreThoseOfTheirRows(t *testing.T) {
	for _, format := range []parquetsink.Format{parquetsink.Parquet, parquetsink.ArrowStream} {
		t.Run(string(format), func(t *testing.T) { works(t, format) })
	}
}

func works(t *testing.T, format parquetsink.Format) {
	st := sinktest.NewMemStore()
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Tasks, cfg.Format = st, schemas.Tasks(), format
	sink, err := parquetsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	if _, _, err := sink.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	r, rows := sinktest.Make(src, 0, 500)
	want := map[Work]int{}
	for i := range rows {
		want[Work{URI: rows[i].URI, ETag: rows[i].ETag, Model: rows[i].ModelDigest, Preprocess: rows[i].PreprocessDigest, Head: rows[i].Head}]++
	}
	if err := sink.Write(t.Context(), r, rows, func(error) {}); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	names, err := st.List(t.Context(), "", "")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	got := map[Work]int{}
	for _, n := range names {
		if err := Scan(scanner(t, st, n), func(w *Work) error { got[*w]++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d works, want %d", len(got), len(want))
	}
	for w, n := range want {
		if got[w] != n {
			t.Fatalf("%+v is there %d times, want %d", w, got[w], n)
		}
	}
}

func TestADamagedFileIsAnErrorThatNamesIt(t *testing.T) {
	st := sinktest.NewMemStore()
	for name, body := range map[string]string{"empty": "", "text": "no parquet at all, and longer than a footer", "ends": "PAR1\x00\x00\x00\x00\xff\xff\xff\x7fPAR1"} {
		if err := st.PutIfAbsent(t.Context(), name, []byte(body), nil); err != nil {
			t.Fatal(err)
		}
		if err := Scan(scanner(t, st, name), func(*Work) error { return nil }); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	if err := Scan(scanner(t, st, "absent"), func(*Work) error { return nil }); err == nil {
		t.Error("a file that is not there is read")
	}
}

// held is the memory of a set of n works with some rows each, those of a work in places far from each other, as heads and later runs have them.
func held(n, rows int) (s *Set, bytes float64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s = &Set{}
	w := work(0)
	for i := range n * rows {
		w.URI = fmt.Sprint(i % n)
		s.Add(w)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	return s, float64(after.HeapAlloc-before.HeapAlloc) / float64(n)
}

// TestAWorkTakesAsMuchMemoryWithManyRowsAsWithOne: a long recording has a row for each of its windows, and 100 million works must stay below 2 GB while they are read, too.
func TestAWorkTakesAsMuchMemoryWithManyRowsAsWithOne(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine adds four million rows")
	}
	const n = 400_000
	s, bytes := held(n, 10)
	if bytes < 10 || bytes > 20 || s.Len() != n {
		t.Errorf("%.1f bytes for each of %d works, want 20 at most", bytes, s.Len())
	}
}

// BenchmarkSet reports the memory of one known work of ten rows; 100 million of them must stay below 2 GB.
func BenchmarkSet(b *testing.B) {
	for b.Loop() {
		s, bytes := held(4_000_000, 10)
		b.ReportMetric(bytes, "bytes/work")
		runtime.KeepAlive(s)
	}
}
