package ledger

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// head is one kind of many.
func head(name string) Kind { return Kind{"pipe", "m", "p", name, "o"} }

func work(n int) *Work { return &Work{Kind: head("h"), URI: fmt.Sprintf("s3://box/%d", n), ETag: "e"} }

func TestASetKnowsWhatWasAddedAndNothingElse(t *testing.T) {
	s := NewSet([]Kind{head("h")})
	defer s.Close()
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
	s := NewSet([]Kind{head("h")})
	defer s.Close()
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

// TestEveryWordOfAWorkCounts also moves a letter from one word to the next. All kinds are asked for, but one.
func TestEveryWordOfAWorkCounts(t *testing.T) {
	kind := Kind{"pipe", "model", "pre", "head", "options"}
	base := Work{kind, "uri", "etag", "beside"}
	others := []Work{
		{Kind{"pipf", "model", "pre", "head", "options"}, "uri", "etag", "beside"},
		{Kind{"pipe", "modem", "pre", "head", "options"}, "uri", "etag", "beside"},
		{Kind{"pipe", "model", "prf", "head", "options"}, "uri", "etag", "beside"},
		{Kind{"pipe", "model", "pre", "heae", "options"}, "uri", "etag", "beside"},
		{Kind{"pipe", "model", "pre", "head", "optiont"}, "uri", "etag", "beside"},
		{Kind{"pipem", "odel", "pre", "head", "options"}, "uri", "etag", "beside"},
		{kind, "urj", "etag", "beside"},
		{kind, "uri", "etah", "beside"},
		{kind, "uri", "etag", "besidf"},
		{kind, "uri", "etag", ""},
		{kind, "urie", "tag", "beside"},
		{},
	}
	lists := [][]Kind{{kind}}
	for i := range others[:len(others)-1] {
		lists = append(lists, []Kind{others[i].Kind})
	}
	s := NewSet(lists...)
	defer s.Close()
	s.Add(&base)
	s.Add(&others[len(others)-1])
	for i := range others {
		if s.Has(&others[i]) {
			t.Errorf("%d: %+v is known", i, others[i])
		}
	}
	if !s.Has(&base) || s.Len() != 1 {
		t.Error("what was added is not known, or what nobody asks for is")
	}
}

// TestAnObjectIsCompleteWithAllHeadsOfItsPipeline has pipelines of few heads and of many, whose rows come in any order; of each object some heads are lacking, none, or all.
func TestAnObjectIsCompleteWithAllHeadsOfItsPipeline(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 3))
	var lists [][]Kind
	for i, n := range []int{1, 3, 5, 8, 2, 9, 20, 0} {
		list := make([]Kind, n)
		for j := range list {
			list[j] = Kind{fmt.Sprint("pipe", i), "m", "p", fmt.Sprint("h", j), "o"}
		}
		lists = append(lists, list)
	}
	s := NewSet(lists...)
	defer s.Close()
	var works []Work
	lacks := map[[2]int]int{} // by list and object
	for i, list := range lists {
		for object := range 300 {
			without := random.IntN(3)
			for j, at := range random.Perm(len(list)) {
				if j < without || without == 2 && j%2 == 0 {
					lacks[[2]int{i, object}]++
				} else {
					works = append(works, Work{list[at], fmt.Sprint(object), "e", ""})
				}
			}
		}
	}
	for _, i := range random.Perm(len(works)) {
		s.Add(&works[i])
		s.Add(&works[i/2]) // another window's row
	}
	if s.Len() != int64(len(works)) {
		t.Errorf("%d works, want %d", s.Len(), len(works))
	}
	for i, list := range lists {
		for object := range 301 {
			want := object < 300 && len(list) > 0 && lacks[[2]int{i, object}] == 0
			if s.Complete(i, &Work{URI: fmt.Sprint(object), ETag: "e"}) != want {
				t.Fatalf("object %d of pipeline %d, which lacks %d of %d heads: complete is %v", object, i, lacks[[2]int{i, object}], len(list), !want)
			}
		}
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
		want[Work{Kind: Kind{Model: rows[i].ModelDigest, Preprocess: rows[i].PreprocessDigest, Head: rows[i].Head}, URI: rows[i].URI, ETag: rows[i].ETag}]++
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
