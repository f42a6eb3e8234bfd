package audit

import (
	"context"
	"errors"
	"fmt"
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
	Written(ctx context.Context, src schemas.SourceID) (*Written, error)
}

// HowFar says how far an output has come with a source. Outputs that do not know are audited for it.
func HowFar(ctx context.Context, out Output, src schemas.SourceID) (*Written, error) {
	if w, ok := out.(writer); ok {
		return w.Written(ctx, src)
	}
	r, err := Of(ctx, out, src)
	if err != nil {
		return nil, err
	}
	w := &Written{Next: r.Next, Computed: r.Computed, Dead: r.Dead, Skipped: r.Skipped, Lost: r.Lost, Rows: r.Rows, Files: r.Files}
	for _, g := range r.Gaps {
		w.Missing += g.Next - g.First
	}
	return w, nil
}

// statsAtOnce is how many files are asked at once what they cover.
const statsAtOnce = 16

// Written asks every file of a source what it covers: no rows are read. It may be asked while files are written.
func (q Parquet) Written(ctx context.Context, src schemas.SourceID) (*Written, error) {
	dir := q.layout().Dir(q.Prefix, src) + "/"
	names, err := q.Store.List(ctx, dir, "")
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", dir, err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !q.isFile(n, dir) })
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
	return writtenBy(slices.DeleteFunc(files, func(f parquetsink.FileInfo) bool { return f.Created.IsZero() })), nil
}

// writtenBy adds files up.
func writtenBy(files []parquetsink.FileInfo) *Written {
	slices.SortFunc(files, func(a, b parquetsink.FileInfo) int { return int(min(1, max(-1, a.Range.First-b.Range.First))) })
	w := &Written{Files: len(files)}
	for i := range files {
		r := &files[i].Range
		w.Missing += max(0, r.First-w.Next)
		w.Next = max(w.Next, r.Next)
		dead, skipped, lost := length(r.Dead), length(r.Skipped), length(r.Lost)
		w.Dead, w.Skipped, w.Lost = w.Dead+dead, w.Skipped+skipped, w.Lost+lost
		w.Computed += r.Len() - dead - skipped - lost
		w.Rows += files[i].Rows
	}
	if len(files) == 0 {
		return w
	}
	last := files[len(files)-1].Created
	w.Last = &last
	first := slices.IndexFunc(files, func(f parquetsink.FileInfo) bool { return last.Sub(f.Created) <= recent })
	if took := last.Sub(files[first].Created).Seconds(); took > 0 {
		w.Rate = float64(w.Next-files[first].Range.Next) / took
	}
	return w
}

func length(spans []schemas.Span) (n int64) {
	for _, s := range spans {
		n += s.Len()
	}
	return n
}
