package icebergsink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
)

// Change is ranges, one for each of several sources, that are to be in the table.
type Change interface {
	// Wanted are the ranges as they are wanted now: a source that is given up between two tries is not among them any more.
	Wanted() []schemas.Range

	// Delta makes the rows of exactly these ranges, and what their tombstones take away, durable in files. The ranges are Wanted's, or what is left of them.
	Delta(ctx context.Context, v *View, of []schemas.Range) (d Delta, gone Offsets, err error)
}

// Outcome is where a commit left the sources of a change.
type Outcome struct {
	Next   Progress           // of every wanted source that is not fenced: the first offset that is not in the table
	Fenced []schemas.SourceID // the table ends before the range begins: nothing of them is in
	Added  []schemas.Range    // by this commit; what other writers had covered before is not among them
	Taken  []schemas.Range    // the parts of the wanted ranges that other writers had covered
	Delta  Delta              // that the commit registered
	Tries  int
}

// Options are how a commit is tried.
type Options struct {
	Retry   retry.Policy
	Timeout time.Duration // for each question to the catalog
	Nonce   string        // unique to the change
	Writer  string        // for people
	Heads   string        // options of the heads that computed the change's rows
}

// Commit adds to a table what it lacks of a change, in one snapshot, or finds that there is nothing to add (C5). It fails with the last error when the policy
// gives up; the change may then land yet, and its sources are to be resumed.
func Commit(ctx context.Context, t Table, c Change, o Options) (out Outcome, err error) {
	unsettled := error(nil) // the last Append's error
	var tried Outcome       // what that Append was to add
	out.Tries, err = retry.Do(ctx, o.Retry, permanent, func(ctx context.Context) error {
		v, err := load(ctx, t, o.Timeout)
		if err != nil {
			return errors.Join(err, unsettled)
		}
		progress, err := v.Progress()
		if err != nil {
			return err
		}
		if unsettled != nil && v.made(o.Nonce) { // C2
			out.Added, out.Delta = tried.Added, tried.Delta
		}
		out.Next, out.Fenced, out.Taken, tried.Added = plan(progress, c.Wanted(), out.Added)
		if len(tried.Added) == 0 {
			return nil
		}
		var gone Offsets
		if tried.Delta, gone, err = c.Delta(ctx, &v, tried.Added); err != nil {
			return err
		}
		eras, err := v.Eras()
		if err != nil {
			return err
		}
		summary, err := summaryOf(progress, eras, tried.Added, gone, &o)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, o.Timeout)
		defer cancel()
		if unsettled = t.Append(ctx, v, tried.Delta, summary); unsettled != nil {
			return unsettled
		}
		out.Added = append(out.Added, tried.Added...)
		out.Delta.Data, out.Delta.Deletes = append(out.Delta.Data, tried.Delta.Data...), append(out.Delta.Deletes, tried.Delta.Deletes...)
		for i := range tried.Added {
			out.Next[tried.Added[i].Source] = tried.Added[i].Next
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("committing to the table (try %d): %w", out.Tries, err)
	}
	return out, err
}

func load(ctx context.Context, t Table, timeout time.Duration) (View, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return t.Load(ctx)
}

// plan says what is to be done on a table with some progress (C1): what to add, which ranges must not be, and what is there already. ours is what this change
// has added before.
func plan(p Progress, wanted, ours []schemas.Range) (next Progress, fenced []schemas.SourceID, taken, add []schemas.Range) {
	next = Progress{}
	for _, r := range wanted {
		at, known := p[r.Source]
		if known && at < r.First {
			fenced = append(fenced, r.Source)
			continue
		}
		next[r.Source] = at
		if !known { // what was before the first range that is ever written was not asked for
			if r.First > 0 {
				r.Skipped = append([]schemas.Span{{First: 0, Next: r.First}}, r.Skipped...)
				r.First = 0
			}
			add = append(add, r)
			continue
		}
		if there := r.Cut(r.First, at); there.Len() > 0 && !among(ours, there) {
			taken = append(taken, there)
		}
		if left := r.Cut(at, r.Next); left.Len() > 0 {
			add = append(add, left)
		}
	}
	return next, fenced, taken, add
}

// among says whether a range is part of one of the ranges.
func among(all []schemas.Range, r schemas.Range) bool {
	for i := range all {
		if a := &all[i]; a.Source == r.Source && a.First <= r.First && a.Next >= r.Next {
			return true
		}
	}
	return false
}

func summaryOf(p Progress, e Eras, add []schemas.Range, gone Offsets, o *Options) (map[string]string, error) {
	heads, err := e.with(p, add, o.Heads).encode()
	if err != nil {
		return nil, err
	}
	p = maps.Clone(p)
	for i := range add {
		p[add[i].Source] = add[i].Next
	}
	progress, err := p.encode()
	if err != nil {
		return nil, err
	}
	ranges, tombstones, err := encodeRanges(add)
	if err != nil {
		return nil, err
	}
	summary := map[string]string{progressKey: progress, erasKey: heads, rangesKey: ranges, commitKey: o.Nonce, writerKey: o.Writer}
	return summary, errors.Join(tombstones.tell(summary, tombstonesKey), gone.tell(summary, goneKey))
}

// made says whether a snapshot of the history is the change's: another owner may have gone on behind it before this one looked.
func (v *View) made(nonce string) bool {
	for i := range v.Ancestors {
		if v.Ancestors[i].Summary[commitKey] == nonce {
			return true
		}
	}
	return false
}

// errGap is why a lane ends when the table ends before its next range.
func errGap(src schemas.SourceID) error {
	return fmt.Errorf("%w: the table ends before the next offset of %s here", sinks.ErrFenced, src)
}
