package audit

import (
	"context"
	"errors"
	"testing"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
)

func TestTheRateIsThatOfTheLastHalfHour(t *testing.T) {
	began := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	file := func(first, next int64, minutes int) parquetsink.FileInfo {
		return parquetsink.FileInfo{Range: schemas.Range{Span: schemas.Span{First: first, Next: next}}, Created: began.Add(time.Duration(minutes) * time.Minute)}
	}
	for name, c := range map[string]struct {
		files []parquetsink.FileInfo
		want  float64
	}{
		"none":                {nil, 0},
		"one":                 {[]parquetsink.FileInfo{file(0, 100, 0)}, 0},
		"two, the last first": {[]parquetsink.FileInfo{file(100, 700, 10), file(0, 100, 0)}, 1},
		"one is long ago":     {[]parquetsink.FileInfo{file(0, 5000, 0), file(5000, 5100, 100), file(5100, 5700, 110), file(5700, 6300, 120)}, 1},
	} {
		if w := writtenBy(c.files, Whole); w.Rate != c.want {
			t.Errorf("%s: %v, want %v", name, w.Rate, c.want)
		}
	}
}

// parts is an output that does not know how far it is.
type parts []Part

func (parts) Sources(context.Context, string) ([]schemas.SourceID, error) { return nil, nil }

func (parts) Partitions(context.Context, string, string) ([]int, error) { return nil, nil }

func (p parts) Parts(_ context.Context, _ schemas.SourceID, each func(Part) error) error {
	for _, part := range p {
		if err := each(part); err != nil {
			return err
		}
	}
	return nil
}

// TestWhatIsWrittenOfASpanIsCounted has parts that reach into the span and out of it, for an output of files and for one that must be read.
func TestWhatIsWrittenOfASpanIsCounted(t *testing.T) {
	span := func(first, next int64) schemas.Span { return schemas.Span{First: first, Next: next} }
	ranges := []schemas.Range{
		{Span: span(0, 10), Skipped: []schemas.Span{span(0, 4), span(4, 5)}}, // the chain begins at 4
		{Span: span(10, 20), Dead: []schemas.Span{span(10, 12), span(18, 20)}, Lost: []schemas.Span{span(12, 13)}},
		{Span: span(25, 40), Dead: []schemas.Span{span(35, 37)}},
	}
	var files []parquetsink.FileInfo
	var read parts
	for _, r := range ranges {
		p := Part{Range: r}
		for o := r.First; o < r.Next; o++ {
			if length(append(append(r.Dead, r.Skipped...), r.Lost...), span(o, o+1)) == 0 {
				p.Rows = append(p.Rows, Row{Offset: o}, Row{Offset: o})
			}
		}
		files = append(files, parquetsink.FileInfo{Range: r, Rows: int64(len(p.Rows)), Created: time.Unix(0, 0)})
		files[0].Origin = 4
		read = append(read, p)
	}
	for _, c := range []struct {
		name   string
		within schemas.Span
		want   Written
		rows   int64 // of whole files
	}{
		{"all", Whole, Written{Next: 40, Computed: 5 + 5 + 13, Dead: 6, Skipped: 5, Passed: 4, Lost: 1, Missing: 5, Rows: 46, Files: 3}, 46},
		{"from the middle of a part", span(11, 100), Written{Next: 40, Computed: 5 + 13, Dead: 5, Lost: 1, Missing: 5, Rows: 36, Files: 2}, 36},
		{"to the middle of a part", span(3, 19), Written{Next: 19, Computed: 5 + 5, Dead: 3, Skipped: 2, Passed: 1, Lost: 1, Rows: 20, Files: 2}, 20},
		{"within one", span(26, 36), Written{Next: 36, Computed: 9, Dead: 1, Rows: 18, Files: 1}, 26},
		{"nothing yet", span(50, 60), Written{Next: 50}, 0},
	} {
		w, err := HowFar(t.Context(), read, schemas.SourceID{}, c.within)
		if err != nil || *w != c.want {
			t.Errorf("%s, read: %+v, want %+v, %v", c.name, w, c.want, err)
		}
		w = writtenBy(append([]parquetsink.FileInfo(nil), files...), c.within)
		w.Last, c.want.Rows = nil, c.rows
		if *w != c.want {
			t.Errorf("%s, of files: %+v, want %+v", c.name, w, c.want)
		}
	}
}

func TestPartitionsOfAListAreAddedUp(t *testing.T) {
	at := func(minutes int) *time.Time {
		when := time.Unix(0, 0).Add(time.Duration(minutes) * time.Minute)
		return &when
	}
	none := &Written{}
	old, busy := &Written{Next: 5, Rows: 1, Files: 1, Dead: 2, Passed: 3, Last: at(0), Rate: 7}, &Written{Next: 8, Computed: 3, Missing: 1, Passed: 1, Last: at(100), Rate: 2}
	if w := none.And(old).And(busy); w.Next != 13 || w.Dead != 2 || w.Missing != 1 || w.Passed != 4 || w.Rate != 2 || !w.Last.Equal(*at(100)) {
		t.Errorf("%+v", w)
	}
	if w := busy.And(&Written{Last: at(80), Rate: 3}); w.Rate != 5 || !w.Last.Equal(*at(100)) {
		t.Errorf("%+v", w)
	}
	if w := none.And(none); w.Last != nil || w.Rate != 0 {
		t.Errorf("%+v", w)
	}
}

// TestPartsThatAreReadSayWhenTheyWereWritten has one that does not, as of an expired snapshot.
func TestPartsThatAreReadSayWhenTheyWereWritten(t *testing.T) {
	began := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	part := func(first, next int64, minutes int) Part {
		return Part{Range: schemas.Range{Span: schemas.Span{First: first, Next: next}}, Written: began.Add(time.Duration(minutes) * time.Minute)}
	}
	untimed := part(0, 5000, 0)
	untimed.Written = time.Time{}
	all := parts{untimed, part(5000, 5100, 0), part(5100, 5200, 100), part(5200, 5800, 110), part(5800, 6400, 120)}
	for name, c := range map[string]struct {
		within schemas.Span
		last   int // minutes; -1: not known
		rate   float64
	}{
		"all": {Whole, 120, 1}, "to the middle of a part": {schemas.Span{Next: 5500}, 110, 0.5}, "what does not say": {schemas.Span{Next: 5000}, -1, 0}, "nothing": {schemas.Span{First: 7000, Next: 8000}, -1, 0},
	} {
		w, err := HowFar(t.Context(), all, schemas.SourceID{}, c.within)
		if err != nil || w.Rate != c.rate || (w.Last == nil) != (c.last < 0) || w.Last != nil && w.Last.Sub(began) != time.Duration(c.last)*time.Minute {
			t.Errorf("%s: %+v, %v", name, w, err)
		}
	}
}

// TestWhatCannotBeReadIsNotLeftOutOfTheSum: a part that is wrong is an audit's.
func TestWhatCannotBeReadIsNotLeftOutOfTheSum(t *testing.T) {
	fault := errors.New("a.parquet cannot be read: the store is busy")
	lost := Part{Range: schemas.Range{Span: schemas.Span{Next: 5}}, Err: errors.New("a row is lost")}
	if w, err := HowFar(t.Context(), parts{lost}, schemas.SourceID{}, Whole); err != nil || w.Next != 5 {
		t.Errorf("%+v, %v", w, err)
	}
	if w, err := HowFar(t.Context(), parts{lost, {Err: fault, Unread: true}}, schemas.SourceID{}, Whole); !errors.Is(err, fault) {
		t.Errorf("%+v, %v, want an error", w, err)
	}
}
