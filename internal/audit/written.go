package audit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
)

// Written is how far an output has come with a source, by its parts' own word: an audit says whether it is true.
type Written struct {
	Next     int64      `json:"written"` // every offset before it has its fate, but for those in gaps
	Computed int64      `json:"computed"`
	Dead     int64      `json:"dead"`
	Skipped  int64      `json:"skipped"`
	Passed   int64      `json:"passed_over"` // of those skipped: the output begins behind them
	Lost     int64      `json:"lost"`
	Missing  int64      `json:"missing"` // in gaps: there should be none
	Rows     int64      `json:"rows"`
	Files    int        `json:"files"`        // or transactions, or snapshots
	Last     *time.Time `json:"last_written"` // when the last of them was; null: the output does not say
	Rate     float64    `json:"rate"`         // references a second, over the half hour before Last; 0: not known
}

// recent is the time before the last file over which the rate is taken: a few files also of a slow pipeline.
const recent = 30 * time.Minute

// writer is an Output that knows how far it has come without being read.
type writer interface {
	Written(ctx context.Context, src schemas.SourceID, within schemas.Span) (*Written, error)
}

// Whole is every offset of a source.
var Whole = schemas.Span{Next: math.MaxInt64}

// HowFar says how far an output has come with the offsets of a source that lie within a span. Of outputs that do not know, the parts are read for it. These do not say where they begin, either: all that is skipped at
// the beginning of the source passes for passed over there, also what is for another pipeline.
func HowFar(ctx context.Context, out Output, src schemas.SourceID, within schemas.Span) (*Written, error) {
	if w, ok := out.(writer); ok {
		return w.Written(ctx, src, within)
	}
	w := &Written{Next: within.First}
	var times []moment
	if err := out.Parts(ctx, src, func(p Part) error {
		if p.Unread { // its rows would not be counted
			return p.Err
		}
		if !w.cover(&p.Range, within) {
			return nil
		}
		if !p.Written.IsZero() {
			times = append(times, moment{p.Written, w.Next})
		}
		if s := p.Range.Skipped; len(s) > 0 && s[0].First == 0 {
			w.Passed += length(s[:1], within)
		}
		offsets := map[int64]bool{}
		for i := range p.Rows {
			if o := p.Rows[i].Offset; o >= within.First && o < within.Next {
				offsets[o] = true
				w.Rows++
			}
		}
		w.Computed += int64(len(offsets))
		return nil
	}); err != nil {
		return nil, fmt.Errorf("reading what there is of %s: %w", src, err)
	}
	w.when(times)
	return w, nil
}

// moment is when an output had got how far.
type moment struct {
	at   time.Time
	next int64
}

// when says when the last part was written, and how fast it went before that.
func (w *Written) when(parts []moment) {
	if len(parts) == 0 {
		return
	}
	last := parts[len(parts)-1]
	w.Last = &last.at
	first := parts[slices.IndexFunc(parts, func(m moment) bool { return last.at.Sub(m.at) <= recent })]
	if took := last.at.Sub(first.at).Seconds(); took > 0 {
		w.Rate = float64(last.next-first.next) / took
	}
}

// cover takes a part of an output into account, but for its rows, and says whether anything of it lies within a span.
func (w *Written) cover(r *schemas.Range, within schemas.Span) bool {
	if !touches(r.Span, within) {
		return false
	}
	at := clip(r.Span, within)
	w.Files++
	w.Missing += max(0, at.First-w.Next)
	w.Next = max(w.Next, at.Next)
	w.Dead, w.Skipped, w.Lost = w.Dead+length(r.Dead, within), w.Skipped+length(r.Skipped, within), w.Lost+length(r.Lost, within)
	return true
}

// And is what two sources of one list have together: the list's partitions of a topic, whose offsets are counted from where each began.
func (w *Written) And(o *Written) *Written {
	sum := &Written{
		Next: w.Next + o.Next, Computed: w.Computed + o.Computed, Dead: w.Dead + o.Dead, Skipped: w.Skipped + o.Skipped, Passed: w.Passed + o.Passed,
		Lost: w.Lost + o.Lost, Missing: w.Missing + o.Missing, Rows: w.Rows + o.Rows, Files: w.Files + o.Files, Last: w.Last,
	}
	if w.Last == nil || o.Last != nil && o.Last.After(*w.Last) {
		sum.Last = o.Last
	}
	for _, x := range []*Written{w, o} { // one that has nothing to do any more does not count
		if x.Last != nil && sum.Last.Sub(*x.Last) <= recent {
			sum.Rate += x.Rate
		}
	}
	return sum
}

// statsAtOnce is how many files are asked at once what they cover.
const statsAtOnce = 16

// Written asks every file of a source what it covers: no rows are read. It may be asked while files are written.
func (q Parquet) Written(ctx context.Context, src schemas.SourceID, within schemas.Span) (*Written, error) {
	names, err := q.NamesOf(ctx, src)
	if err != nil {
		return nil, err
	}
	files := make([]parquetsink.FileInfo, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(statsAtOnce)
	for i, n := range names {
		group.Go(func() error {
			info, err := parquetsink.Stat(ctx, q.Store, n)
			if errors.Is(err, objectstore.ErrNotFound) { // an orphan that its chain's owner has taken away meanwhile
				return nil
			}
			if err != nil {
				return fmt.Errorf("reading %s: %w", n, err)
			}
			files[i] = info
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return writtenBy(slices.DeleteFunc(files, func(f parquetsink.FileInfo) bool { return f.Created.IsZero() }), within), nil
}

// writtenBy adds up what files have within a span. Of a file that reaches out of it, all rows are counted.
func writtenBy(files []parquetsink.FileInfo, within schemas.Span) *Written {
	files = slices.DeleteFunc(files, func(f parquetsink.FileInfo) bool { return !touches(f.Range.Span, within) })
	slices.SortFunc(files, func(a, b parquetsink.FileInfo) int { return int(min(1, max(-1, a.Range.First-b.Range.First))) })
	w := &Written{Next: within.First}
	times := make([]moment, len(files))
	for i := range files {
		r := &files[i].Range
		w.cover(r, within)
		w.Passed += length([]schemas.Span{{Next: files[i].Origin}}, within)
		w.Computed += clip(r.Span, within).Len() - length(r.Dead, within) - length(r.Skipped, within) - length(r.Lost, within)
		w.Rows += files[i].Rows
		times[i] = moment{files[i].Created, w.Next}
	}
	w.when(times)
	return w
}

// length of the parts of spans that lie within another.
func length(spans []schemas.Span, within schemas.Span) (n int64) {
	for _, s := range spans {
		n += max(0, clip(s, within).Len())
	}
	return n
}

// touches says whether s has offsets of another span, or none at all at a place of it, as the end of a day.
func touches(s, within schemas.Span) bool {
	return s.First < within.Next && (s.Next > within.First || s.Len() == 0 && s.First == within.First)
}

// clip is the part of s that lies within another span; its length is not positive if there is none.
func clip(s, within schemas.Span) schemas.Span {
	return schemas.Span{First: max(s.First, within.First), Next: min(s.Next, within.Next)}
}
