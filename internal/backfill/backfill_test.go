package backfill

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vecmill/internal/backfill/inventory"
	"vecmill/internal/backfill/listing"
	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
)

func place(t *testing.T) plan.Place {
	t.Helper()
	st, err := dirstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return plan.Place{Store: st, Prefix: "x"}
}

// shelf is a bucket in memory; the request number fails, counted from 1, fails.
type shelf struct {
	keys     []string
	mu       sync.Mutex
	requests int
	fails    int
}

func (s *shelf) Page(_ context.Context, after string) ([]listing.Object, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.requests == s.fails {
		return nil, false, errors.New("cut off")
	}
	i, found := slices.BinarySearch(s.keys, after)
	if found {
		i++
	}
	var out []listing.Object
	for ; i < len(s.keys) && len(out) < 10; i++ {
		out = append(out, listing.Object{Key: s.keys[i], Size: int64(i), ETag: "tag"})
	}
	return out, i < len(s.keys), nil
}

func keys(n int, format string) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

func draft(t *testing.T, at plan.Place, src Source, o MakeOptions) (*Draft, error) {
	t.Helper()
	w, state, err := plan.NewWriter(t.Context(), at, plan.Title{Name: "x", Source: "source"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Make(t.Context(), w, state, src, o)
	if err != nil {
		return nil, err
	}
	if _, err := w.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return d, nil
}

func refs(t *testing.T, at plan.Place) (all []string) {
	t.Helper()
	l, err := plan.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	next, err := l.From(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, err := next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
}

// TestAPlanHasEveryReferenceOnceAndTheSameSample makes plans of one bucket, whole and with interruptions, by one request at a time and by several.
func TestAPlanHasEveryReferenceOnceAndTheSameSample(t *testing.T) {
	known := func(r *schemas.Ref) bool { return strings.HasSuffix(r.URI, "7.flac") }
	var first *Draft
	for _, c := range []struct{ workers, fails int }{{1, 0}, {4, 0}, {1, 9}, {3, 20}} {
		s := &shelf{keys: keys(300, "calls/%05d.flac"), fails: c.fails}
		b := &Bucket{Pager: s, Name: "box", Workers: c.workers, Selection: Selection{Modality: []schemas.Modality{schemas.Audio}}}
		at, o := place(t), MakeOptions{Known: known, Sample: 20, Seed: 4}
		d, err := draft(t, at, b, o)
		if c.fails > 0 {
			if err == nil {
				t.Fatal("a request that fails is passed over")
			}
			d, err = draft(t, at, b, o)
		}
		if err != nil {
			t.Fatal(err)
		}
		all := refs(t, at)
		slices.Sort(all)
		if n := len(slices.Compact(all)); n != 270 || d.Planned != 270 || d.Known != 30 || d.Seen != 300 {
			t.Errorf("%d references, %+v", n, d.Counts)
		}
		if first == nil {
			first = d
		}
		if !reflect.DeepEqual(d, first) {
			t.Errorf("%+v: the draft is another: %+v, want %+v", c, d, first)
		}
	}
	if len(first.Sample) != 20 {
		t.Errorf("a sample of %d", len(first.Sample))
	}
}

func TestKeysAreLeftOutByPatternAndEnding(t *testing.T) {
	for _, c := range []struct {
		name     string
		include  []string
		modality []schemas.Modality
		want     map[string]schemas.Modality
	}{
		{"everything but folders", nil, []schemas.Modality{schemas.Audio}, map[string]schemas.Modality{"a/x.FLAC": "", "a/y.png": "", "b c+é.txt": "", "z": ""}},
		{"by the last part", []string{"*.png", "z"}, []schemas.Modality{schemas.Image}, map[string]schemas.Modality{"a/y.png": "", "z": ""}},
		{"by the whole key", []string{"a/*"}, []schemas.Modality{schemas.Image}, map[string]schemas.Modality{"a/x.FLAC": "", "a/y.png": ""}},
		{"by ending, for several models", nil, []schemas.Modality{schemas.Audio, schemas.Image}, map[string]schemas.Modality{"a/x.FLAC": schemas.Audio, "a/y.png": schemas.Image}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := []string{"a/", "a/x.FLAC", "a/y.png", "b c+é.txt", "z"}
			b := &Bucket{Pager: &shelf{keys: all}, Name: "box", Workers: 1, Selection: Selection{Include: c.include, Modality: c.modality}}
			got := map[string]schemas.Modality{}
			if err := b.Each(t.Context(), nil, func(items []plan.Item, _ any) error {
				for _, it := range items {
					if err := it.Ref.Validate(); err != nil {
						t.Error(err)
					}
					for _, k := range all {
						if uriOf("box", k) == it.Ref.URI {
							got[k] = it.Ref.Modality
						}
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if err := (&Selection{Include: []string{"[a"}}).Validate(); err == nil {
		t.Error("a pattern without end is taken")
	}
}

// TestListsUnderAPrefixAreLeftOutAndCounted has lists among texts, of a bucket and of its inventory, and an enumeration that is cut off and gone on with.
func TestListsUnderAPrefixAreLeftOutAndCounted(t *testing.T) {
	endings := []string{".txt", ".jsonl", ".CSV", ".parquet.gz", ".tsv.zst", ".json", ".gz", ".ndjson"}
	const n, lists = 8000, 5 * 8000 / 8
	all := keys(n, "t/%05d")
	for i := range all {
		all[i] += endings[i%len(endings)]
	}
	var rows strings.Builder
	for _, key := range all {
		fmt.Fprintf(&rows, "box,%s,1,tag\n", key)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := io.WriteString(w, rows.String()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := inventory.Parse(fmt.Appendf(nil, `{"sourceBucket":"box","destinationBucket":"arn:aws:s3:::lists","fileFormat":"CSV","fileSchema":"Bucket, Key, Size, ETag","files":[{"key":"0","size":%d}]}`, packed.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		include []string
		planned int64
		lists   int64
	}{
		{"nothing is named", nil, n - lists, lists},
		{"lists are named", []string{"*.jsonl", "*.CSV"}, n / 4, 0},
		{"everything is named", []string{"*"}, n, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			pick := Selection{Include: c.include, Modality: []schemas.Modality{schemas.Text}}
			for kind, src := range map[string]Source{
				"bucket": &Bucket{Selection: pick, Pager: &shelf{keys: all}, Name: "box", Workers: 3},
				"inventory": &Inventory{Selection: pick, List: list, AtOnce: 2, Open: func(context.Context, inventory.File) (io.ReaderAt, error) {
					return bytes.NewReader(packed.Bytes()), nil
				}},
			} {
				at, cut := place(t), errors.New("cut off")
				var state json.RawMessage
				given, pages := 0, 0
				each := func(upTo int) error {
					return src.Each(t.Context(), state, func(items []plan.Item, at any) (err error) {
						if pages++; pages > upTo {
							return cut
						}
						given += len(items)
						state, err = json.Marshal(at)
						return err
					})
				}
				if err := each(1); !errors.Is(err, cut) {
					t.Fatal(err)
				}
				if err := each(1 << 30); err != nil || int64(given) != c.planned || src.(interface{ Lists() int64 }).Lists() != c.lists {
					t.Errorf("%s, cut off: %d, %d lists, %v", kind, given, src.(interface{ Lists() int64 }).Lists(), err)
				}
				d, err := draft(t, at, src, MakeOptions{})
				if err != nil || d.Planned != c.planned || d.Lists != c.lists {
					t.Errorf("%s: %+v, %v", kind, d, err)
				}
			}
		})
	}
}

// values are lines in memory.
type values []string

func (v values) Len() int64 { return int64(len(v)) }

func (v values) From(_ context.Context, n int64) (func() ([]byte, error), error) {
	return func() ([]byte, error) {
		if n >= int64(len(v)) {
			return nil, io.EOF
		}
		n++
		if v[n-1] == "" {
			return nil, nil
		}
		return []byte(v[n-1]), nil
	}, nil
}

// TestAnInventoryIsPlannedAsTheBucketIs has two files, of which the second cannot be opened at first.
func TestAnInventoryIsPlannedAsTheBucketIs(t *testing.T) {
	list, err := inventory.Parse([]byte(`{"sourceBucket":"box","destinationBucket":"arn:aws:s3:::lists","fileFormat":"CSV","fileSchema":"Bucket, Key, Size, ETag","files":[{"key":"0","size":1},{"key":"1","size":1},{"key":"2","size":1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	all := keys(2500, "calls/%05d.flac")
	bodies := map[string][]byte{}
	for i, part := range [][]string{all[:1999], nil, all[1999:]} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		for k, key := range part {
			fmt.Fprintf(w, "box,%s,%d,tag\n", strings.ReplaceAll(key, "/", "%2F"), 1999*(i/2)+k)
		}
		if i == 2 {
			fmt.Fprintln(w, "box,%zz,1,tag")
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		bodies[fmt.Sprint(i)], list.Files[i].Size = b.Bytes(), int64(b.Len())
	}
	var fails atomic.Bool
	fails.Store(true)
	v := &Inventory{List: list, AtOnce: 2, Selection: Selection{Include: []string{"*[0-8].flac"}, Modality: []schemas.Modality{schemas.Audio}}}
	v.Open = func(_ context.Context, f inventory.File) (io.ReaderAt, error) {
		if f.Key == "2" && fails.CompareAndSwap(true, false) {
			return nil, errors.New("cut off")
		}
		return bytes.NewReader(bodies[f.Key]), nil
	}
	at, o := place(t), MakeOptions{Sample: 20, Seed: 4}
	w, _, err := plan.NewWriter(t.Context(), at, plan.Title{Name: "x", Source: "source"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Make(t.Context(), w, nil, v, o); err == nil {
		t.Fatal("a file that cannot be opened is passed over")
	}
	d, err := draft(t, at, v, o)
	if err != nil {
		t.Fatal(err)
	}
	b := &Bucket{Pager: &shelf{keys: all}, Name: "box", Workers: 1, Selection: v.Selection}
	listed := place(t)
	want, err := draft(t, listed, b, o)
	if err != nil {
		t.Fatal(err)
	}
	got := refs(t, at)
	if fault := got[len(got)-1]; !strings.Contains(fault, "row 501 of the inventory's file 2: its key") || d.Planned != want.Planned+1 || !reflect.DeepEqual(d.Sample, want.Sample) {
		t.Errorf("%d planned, want %d and %q", d.Planned, want.Planned, fault)
	}
	if !slices.Equal(got[:len(got)-1], refs(t, listed)) {
		t.Error("the references are others")
	}
	for _, rows := range []int64{0, 7, 1500, 1999} { // from the middle of a file
		n := 0
		state, err := json.Marshal(inventoryState{File: 0, Rows: rows})
		if err != nil {
			t.Fatal(err)
		}
		last := inventoryState{}
		if err := v.Each(t.Context(), state, func(items []plan.Item, at any) error {
			n += len(items)
			last = at.(inventoryState)
			return nil
		}); err != nil || n != len(got)-kept(all[:rows]) || last != (inventoryState{Sum: list.Sum, File: 3}) {
			t.Errorf("from %d: %d references, %+v, %v", rows, n, last, err)
		}
	}
}

// inventoryOf has files of one key each, which are called as these are.
func inventoryOf(t *testing.T, names ...string) *Inventory {
	t.Helper()
	bodies, files := map[string][]byte{}, []inventory.File{}
	for _, name := range names {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		fmt.Fprintf(w, "box,%s,1,tag\n", name)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		bodies[name], files = b.Bytes(), append(files, inventory.File{Key: name, Size: int64(b.Len())})
	}
	about, err := json.Marshal(map[string]any{"sourceBucket": "box", "destinationBucket": "arn:aws:s3:::lists", "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size, ETag", "files": files})
	if err != nil {
		t.Fatal(err)
	}
	list, err := inventory.Parse(about)
	if err != nil {
		t.Fatal(err)
	}
	return &Inventory{List: list, AtOnce: 1, Selection: Selection{Modality: []schemas.Modality{schemas.Audio}}, Open: func(_ context.Context, f inventory.File) (io.ReaderAt, error) {
		return bytes.NewReader(bodies[f.Key]), nil
	}}
}

// TestAnInventoryThatWasReplacedIsNotGoneOnWith is cut off behind the first file. Builds before this one did not say of which inventory that was.
func TestAnInventoryThatWasReplacedIsNotGoneOnWith(t *testing.T) {
	var begun json.RawMessage
	cut := errors.New("cut off")
	if err := inventoryOf(t, "a", "b").Each(t.Context(), nil, func(_ []plan.Item, at any) (err error) {
		if begun == nil {
			begun, err = json.Marshal(at)
			return err
		}
		return cut
	}); !errors.Is(err, cut) {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		at   json.RawMessage
		now  []string
		want string // the ids, or the error
	}{
		{"the same", begun, []string{"a", "b"}, "[s3://box/b]"},
		{"another", begun, []string{"b", "a"}, "the inventory's manifest.json was replaced while it was planned; plan at another place"},
		{"the same, of an earlier build", json.RawMessage(`{"file":1,"rows":0}`), []string{"a", "b"}, "[s3://box/b]"},
	} {
		var ids []string
		err := inventoryOf(t, c.now...).Each(t.Context(), c.at, func(items []plan.Item, _ any) error {
			for i := range items {
				ids = append(ids, items[i].Ref.ID)
			}
			return nil
		})
		if got := fmt.Sprint(ids); err == nil && got != c.want || err != nil && err.Error() != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, got, err, c.want)
		}
	}
}

// kept is how many keys end in another digit than 9.
func kept(keys []string) (n int) {
	for _, k := range keys {
		if !strings.HasSuffix(k, "9.flac") {
			n++
		}
	}
	return n
}

func TestLinesThatAreNoReferencesStayInThePlan(t *testing.T) {
	at := place(t)
	good := `{"v":1,"id":"a","inline":"aGk="}`
	bad := "{garbage" + strings.Repeat(" of a long line", 1000)                     // of which nothing is lost
	table := string(schemas.NoRef{Why: "line 4: it has 1 fields", Row: "x"}.JSON()) // says its place itself
	d, err := draft(t, at, Lines{values{good, "", bad, table, `{"v":1,"id":"b","uri":"s3://box/b"}`}}, MakeOptions{Sample: 9})
	if err != nil {
		t.Fatal(err)
	}
	_, why := schemas.ParseRef([]byte(bad))
	garbage := string(schemas.NoRef{Why: "line 3: " + errors.Unwrap(why).Error(), Row: bad}.JSON())
	if got, want := refs(t, at), []string{good, garbage, table, `{"v":1,"id":"b","uri":"s3://box/b"}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !strings.Contains(garbage, bad) {
		t.Errorf("%d bytes of a line of %d", len(garbage), len(bad))
	}
	if d.Planned != 4 || d.Unreadable != 2 || len(d.Sample) != 2 {
		t.Errorf("%+v", d)
	}
}

// TestASampleIsDrawnInOneWay has plans that were begun with a sample, and by a run, which asks for none.
func TestASampleIsDrawnInOneWay(t *testing.T) {
	for _, c := range []struct {
		name  string
		begun *picking
		asked MakeOptions
		want  picking
		says  string
	}{
		{"a new plan", nil, MakeOptions{Sample: 20, Seed: 4}, picking{20, 4}, ""},
		{"a new plan of a run", nil, MakeOptions{}, picking{UsualSample, UsualSeed}, ""},
		{"as it was begun", &picking{20, 4}, MakeOptions{Sample: 20, Seed: 4}, picking{20, 4}, ""},
		{"a run goes on", &picking{20, 4}, MakeOptions{}, picking{20, 4}, ""},
		{"what a run began", &picking{UsualSample, UsualSeed}, MakeOptions{Sample: UsualSample, Seed: UsualSeed}, picking{UsualSample, UsualSeed}, ""},
		{"another number", &picking{UsualSample, UsualSeed}, MakeOptions{Sample: 20, Seed: UsualSeed}, picking{}, "begun with --sample 512 --seed 1"},
		{"another seed", &picking{20, 4}, MakeOptions{Sample: 20, Seed: 5}, picking{}, "begun with --sample 20 --seed 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := drafting{Picked: c.begun}
			switch err := d.draw(&c.asked); {
			case c.says != "":
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want %s", err, c.says)
				}
			case err != nil || *d.Picked != c.want:
				t.Errorf("%+v, %v, want %+v", d.Picked, err, c.want)
			}
		})
	}
}

// TestARunsPlanHasASample is cut off behind its listing, when all of it has been seen, and gone on with by who wants to know what it takes.
func TestARunsPlanHasASample(t *testing.T) {
	at, src := place(t), Lines{values{`{"v":1,"id":"a","inline_text":"hi"}`, `{"v":1,"id":"b","inline_text":"hi"}`}}
	for _, o := range []MakeOptions{{}, {Sample: UsualSample, Seed: UsualSeed}} { // none finishes it
		w, state, err := plan.NewWriter(t.Context(), at, plan.Title{Name: "x", Source: "source"})
		if err != nil {
			t.Fatal(err)
		}
		d, err := Make(t.Context(), w, state, src, o)
		if err != nil || d.Planned != 2 || len(d.Sample) != 2 {
			t.Errorf("%+v, %v", d, err)
		}
	}
}

func TestAPlanSaysHowManyReferencesDelete(t *testing.T) {
	at := place(t)
	if _, err := draft(t, at, Lines{values{`{"v":1,"id":"a","inline_text":"hi"}`, `{"v":1,"id":"a","deleted":true}`, "garbage"}}, MakeOptions{}); err != nil {
		t.Fatal(err)
	}
	if p, err := plan.Load(t.Context(), at); err != nil || p.Deletions != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestAListThatShrankIsNotGoneOnWith has a plan that was begun with more of it.
func TestAListThatShrankIsNotGoneOnWith(t *testing.T) {
	list := values{`{"v":1,"id":"a","inline":"aGk="}`, `{"v":1,"id":"b","inline":"aGk="}`}
	for read, want := range map[string]string{"1": "", "2": "", "3": "the list has 2 references, and 3 of it are in the plan that was begun: it shrank"} {
		given := 0
		err := Lines{list}.Each(t.Context(), json.RawMessage(read), func(items []plan.Item, _ any) error {
			given += len(items)
			return nil
		})
		if want == "" && (err != nil || fmt.Sprint(len(list)-given) != read) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s are read: %d given, %v, want %q", read, given, err, want)
		}
	}
}
