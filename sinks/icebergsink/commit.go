package icebergsink

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
)

// ErrRefused says that the catalog understood the request and will not do it (access denied, no such table): repeating it will not help.
var ErrRefused = errors.New("the catalog refuses")

// Table is one table of a catalog. It is safe for concurrent use.
type Table interface {
	// Load shows the table as it is now, never from a cache.
	Load(ctx context.Context) (View, error)

	// Append makes a snapshot on top of v's current one that registers the files and has the summary, if v's current one is still the table's; any error may
	// mean that it was made all the same, or will be yet.
	Append(ctx context.Context, v View, files []string, summary map[string]string) error
}

// Change is what a commit adds: the rows of one range, in files that are durable already.
type Change struct {
	Range schemas.Range
	Files []string // names of data files; none for a range without rows
	Nonce string   // unique to the change
}

// Outcome is where a commit left its source.
type Outcome struct {
	Next int64 // the first offset of the source that is not in the table
	Ours bool  // the change is in; otherwise another writer had covered offsets of it, and nothing of it is in
}

// Commit adds a change to a table, or finds that another writer has been there (C5). It fails with sinks.ErrFenced if the table ends before the range
// begins, and with the last error when the policy gives up; the change may then land yet, and the source is to be resumed.
func Commit(ctx context.Context, p retry.Policy, t Table, c *Change) (o Outcome, err error) {
	if c.Nonce == "" || c.Range.First < 0 || c.Range.First >= c.Range.Next {
		return o, fmt.Errorf("committing %s: no nonce, or the range [%d, %d) is empty or negative", c.Range.Source, c.Range.First, c.Range.Next)
	}
	unsettled := error(nil) // the last Append's error
	tries, err := retry.Do(ctx, p, permanent, func(ctx context.Context) error {
		v, err := t.Load(ctx)
		if err != nil {
			return errors.Join(err, unsettled)
		}
		done, summary, err := c.settle(&v)
		if err != nil {
			return err
		}
		if done != nil {
			o = *done
			return nil
		}
		if unsettled = t.Append(ctx, v, c.Files, summary); unsettled == nil {
			o = Outcome{Next: c.Range.Next, Ours: true}
		}
		return unsettled
	})
	return o, describe(err, c, tries)
}

func describe(err error, c *Change, tries int) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("committing offsets %d to %d of %s (try %d): %w", c.Range.First, c.Range.Next-1, c.Range.Source, tries, err)
}

func permanent(err error) bool {
	for _, e := range []error{ErrRefused, ErrProgressExpired, ErrBadSummary, sinks.ErrFenced} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// settle says what is to be done on a view of the table: nothing, since the change or another one is there, or an append with the summary.
func (c *Change) settle(v *View) (done *Outcome, summary map[string]string, err error) {
	progress, err := v.Progress()
	if err != nil {
		return nil, nil, err
	}
	src := c.Range.Source
	at, known := progress[src]
	switch {
	case known && (at.Nonce == c.Nonce || v.made(c)): // C2
		return &Outcome{Next: at.Next, Ours: true}, nil, nil
	case known && at.Next > c.Range.First:
		return &Outcome{Next: at.Next}, nil, nil
	case known && at.Next < c.Range.First:
		return nil, nil, fmt.Errorf("%w: the table ends at offset %d, and offset %d is the next one here", sinks.ErrFenced, at.Next, c.Range.First)
	}
	progress = maps.Clone(progress)
	progress[src] = Mark{c.Range.Next, c.Nonce}
	summary = map[string]string{}
	if summary[progressKey], err = progress.encode(); err != nil {
		return nil, nil, err
	}
	if summary[rangeKey], err = encodeRange(&c.Range); err != nil {
		return nil, nil, err
	}
	return nil, summary, nil
}

// made says whether a snapshot of the history is the change's: another owner may have gone on behind it before this one looked.
func (v *View) made(c *Change) bool {
	for i := range v.Ancestors {
		if s, ok := v.Ancestors[i].Summary[progressKey]; ok {
			if p, err := parseProgress(s); err == nil && p[c.Range.Source].Nonce == c.Nonce {
				return true
			}
		}
	}
	return false
}
