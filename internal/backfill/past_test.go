package backfill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// output is files in memory: for each its rows, ascending.
type output struct {
	bounds []Bound
	files  map[schemas.SourceID][]PastFile
	rows   map[string][]schemas.Lineage
	atOnce int
	reads  atomic.Int64
	fails  int64 // the reading of that number is cut off in its middle
}

var day = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// add writes a file of rows behind the others of a source; deletes are behind the row of that offset.
func (o *output) add(src schemas.SourceID, created int, deletes []schemas.Deletion, rows ...schemas.Lineage) {
	if o.files == nil {
		o.files, o.rows = map[schemas.SourceID][]PastFile{}, map[string][]schemas.Lineage{}
	}
	first := int64(0)
	if all := o.files[src]; len(all) > 0 {
		first = all[len(all)-1].Range.Next
	}
	name := fmt.Sprintf("%s/%d", src, first)
	for i := range rows {
		rows[i].Topic, rows[i].Partition = src.Topic, src.Partition
	}
	next := first + 1
	if len(rows) > 0 {
		next = rows[len(rows)-1].Offset + 1
	}
	o.rows[name] = rows
	o.files[src] = append(o.files[src], PastFile{name, schemas.Range{Source: src, Span: schemas.Span{First: first, Next: next}, Deletes: deletes}, day.Add(time.Duration(created) * time.Minute)})
}

func (o *output) source() *PastFiles {
	return &PastFiles{
		AtOnce: o.atOnce,
		Bounds: func(context.Context) ([]Bound, error) { return o.bounds, nil },
		List: func(_ context.Context, src schemas.SourceID) ([]PastFile, error) {
			return slices.Clone(o.files[src]), nil
		},
		Rows: func(_ context.Context, file string, each func(*schemas.Lineage) error) error {
			n, rows := o.reads.Add(1), o.rows[file]
			for i := len(rows) - 1; i >= 0; i-- {
				if n == o.fails && i == len(rows)/2 {
					return errors.New("cut off")
				}
				l := rows[i]
				if err := each(&l); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func row(offset int64, id, etag string) schemas.Lineage {
	return schemas.Lineage{RefID: id, URI: "s3://box/" + id, ETag: etag, Offset: offset}
}

// enumerated is what a source gives, as id and entity tag.
func enumerated(t *testing.T, src Source, state json.RawMessage, stop int) (ids []string, last json.RawMessage) {
	t.Helper()
	calls := 0
	err := src.Each(t.Context(), state, func(items []plan.Item, at any) error {
		if calls++; calls == stop {
			return errors.New("killed")
		}
		for _, it := range items {
			ids = append(ids, it.Ref.ID+" "+it.Ref.ETag+it.Raw)
		}
		var err error
		last, err = json.Marshal(at)
		return err
	})
	if err != nil && stop == 0 {
		t.Fatal(err)
	}
	return ids, last
}

func TestOfAnOutputTheLatestRowOfEachReferenceCounts(t *testing.T) {
	topic, other, list := schemas.SourceID{Pipeline: "p", Topic: "t"}, schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}, schemas.SourceID{Pipeline: "p", Topic: "manifest:m"}
	var o output
	o.add(list, 1, nil, row(0, "a", "1"), row(1, "b", "1"), row(1, "b", "1"), row(2, "gone", "1"), row(3, "late", "1"))
	o.add(topic, 2, []schemas.Deletion{{Offset: 1, RefID: "gone"}, {Offset: 3, RefID: "back"}}, row(0, "a", "2"), row(2, "back", "1"), row(4, "back", "2"))
	o.add(topic, 0, nil, row(5, "a", "3"), row(6, "c", "1")) // by a clock that is late
	o.add(other, 9, nil, row(0, "d", "1"), row(1, "late", "2"), row(2, "new", "1"))
	o.add(topic, 10, nil, row(7, "e", "1")) // written since
	o.bounds = []Bound{{list, 4, math.MaxInt64}, {topic, 7, 100}, {other, 3, 1}}
	ids, _ := enumerated(t, o.source(), nil, 0)
	if want := []string{"d 1", "c 1", "a 3", "back 2", "b 1"}; !slices.Equal(ids, want) { // late and new are the stream's
		t.Errorf("%q, want %q", ids, want)
	}
}

// TestAnEnumerationOfAnOutputIsGoneOnWithAnywhere stops behind each piece, while the output grows.
func TestAnEnumerationOfAnOutputIsGoneOnWithAnywhere(t *testing.T) {
	src, growing := schemas.SourceID{Pipeline: "p", Topic: "manifest:m"}, schemas.SourceID{Pipeline: "p", Topic: "t"}
	var o output
	for f := range 10 {
		var rows []schemas.Lineage
		for i := range 500 {
			rows = append(rows, row(int64(500*f+i), fmt.Sprint((500*f+i)%4000), fmt.Sprint(f)))
		}
		o.add(src, f, nil, rows...)
	}
	o.bounds = []Bound{{src, 5000, math.MaxInt64}}
	whole, _ := enumerated(t, o.source(), nil, 0)
	if len(whole) != 4000 {
		t.Fatalf("%d references", len(whole))
	}
	for stop := 2; stop <= 5; stop++ {
		o.atOnce = stop
		head, state := enumerated(t, o.source(), nil, stop)
		o.atOnce = 5 - stop
		o.add(growing, 20, nil, row(0, "x", "1"))
		o.add(src, 21+stop, nil, row(int64(5000+stop), "0", "later"))
		tail, _ := enumerated(t, o.source(), state, 0)
		if !reflect.DeepEqual(append(head, tail...), whole) {
			t.Errorf("stopped at piece %d: %d and %d references, or others", stop, len(head), len(tail))
		}
	}
}

// TestAPlanOfAnOutputIsTheSameThroughKills fails a plan of two parts in its files again and again.
func TestAPlanOfAnOutputIsTheSameThroughKills(t *testing.T) {
	src := schemas.SourceID{Pipeline: "p", Topic: "manifest:m"}
	const files, each = 5, 25_000
	var o output
	for f := range files {
		rows := make([]schemas.Lineage, each)
		for i := range rows {
			rows[i] = row(int64(each*f+i), fmt.Sprint(each*f+i), "1")
		}
		o.add(src, f, nil, rows...)
	}
	o.bounds = []Bound{{src, files * each, math.MaxInt64}}
	at := place(t)
	for _, fails := range []int64{2, 5} { // before anything is saved, behind the first part
		o.reads.Store(0)
		o.fails = fails
		if _, err := draft(t, at, o.source(), MakeOptions{}); err == nil {
			t.Fatal("it was not cut off")
		}
	}
	o.fails = 0
	d, err := draft(t, at, o.source(), MakeOptions{})
	if err != nil || d.Seen != files*each || d.Planned != files*each {
		t.Fatalf("%+v, %v", d, err)
	}
	for i, text := range refs(t, at) {
		if ref, err := schemas.ParseRef([]byte(text)); err != nil || ref.ID != fmt.Sprint(files*each-1-i) {
			t.Fatalf("reference %d is %s, %v", i, text, err)
		}
	}
}

func TestAReferenceIsWhatItsRowSays(t *testing.T) {
	long := schemas.Lineage{
		RefID: "r", URI: "s3://box/a b%20.tar#bytes=512-1023", ETag: "e", Version: "v", Modality: schemas.Text,
		Attributes: map[string]string{"speaker": "x", "vecmill.other": "y", "vecmill.charset": "utf-8"},
	}
	want := schemas.Ref{
		ID: "r", URI: "s3://box/a b%20.tar", ETag: "e", Version: "v", Modality: schemas.Text, Range: &schemas.ByteRange{Off: 512, N: 512},
		Attributes: map[string]string{"speaker": "x", "vecmill.other": "y"},
	}
	it := pastItem(&long)
	if !reflect.DeepEqual(it.Ref, want) || it.Ref.Place() != long.URI {
		t.Errorf("%+v", it)
	}
	paired := long
	paired.Attributes = map[string]string{schemas.CompanionNote: "text_pair"}
	if it := pastItem(&paired); it.Ref.ID != "" || !strings.Contains(it.Raw, "its text_pair came in the record itself") {
		t.Errorf("a pair: %+v", it)
	}
	if it := pastItem(&schemas.Lineage{RefID: "said", URI: "inline:"}); it.Ref.ID != "" || it.Raw == "" {
		t.Errorf("inline: %+v", it)
	} else if _, err := schemas.ParseRef([]byte(it.Raw)); err == nil {
		t.Errorf("inline is a reference: %v", err)
	}
}

// TestAPastItemThatIsNoReferenceIsNamedWithoutItsSignature, since its name is the message of a letter.
func TestAPastItemThatIsNoReferenceIsNamedWithoutItsSignature(t *testing.T) {
	const uri = "https://host/a.txt?X-Amz-Signature=5ec7e7"
	for name, l := range map[string]schemas.Lineage{
		"a pair":          {RefID: uri, URI: uri, Attributes: map[string]string{schemas.CompanionNote: "text_pair"}},
		"a pair's range":  {RefID: uri, URI: uri + "#bytes=0-9", Attributes: map[string]string{schemas.CompanionNote: "text_pair"}},
		"of no modality":  {RefID: uri, URI: uri, Modality: "smell"},
		"an unread range": {RefID: uri, URI: uri + "#bytes=9-0"},
	} {
		if it := pastItem(&l); it.Ref.ID != "" || !strings.Contains(it.Raw, "https://host/a.txt?...: ") || strings.Contains(it.Raw, "5ec7e7") {
			t.Errorf("%s: %+v", name, it)
		}
	}
}

// TestATableIsGoneOnWithBehindItsLastID pages through ids.
func TestATableIsGoneOnWithBehindItsLastID(t *testing.T) {
	var all []schemas.Lineage
	for i := range 3500 {
		l := row(int64(i), fmt.Sprintf("%05d", i), "1")
		l.Topic = "t"
		all = append(all, l)
	}
	table := &PastTable{
		Bounds: func(context.Context) ([]Bound, error) {
			return []Bound{{Source: schemas.SourceID{Pipeline: "p", Topic: "t"}, Next: 3500, Stream: 3400}}, nil
		},
		Page: func(_ context.Context, after string, n int) ([]schemas.Lineage, error) {
			from, _ := slices.BinarySearchFunc(all, after+"\x00", func(l schemas.Lineage, id string) int { return slices.Compare([]byte(l.RefID), []byte(id)) })
			return all[from:min(from+n, len(all))], nil
		},
	}
	whole, _ := enumerated(t, table, nil, 0)
	if len(whole) != 3400 {
		t.Fatalf("%d references", len(whole))
	}
	for stop := 2; stop <= 4; stop++ {
		head, state := enumerated(t, table, nil, stop)
		tail, _ := enumerated(t, table, state, 0)
		if !reflect.DeepEqual(append(head, tail...), whole) {
			t.Errorf("stopped at piece %d: %d and %d references, or others", stop, len(head), len(tail))
		}
	}
}
