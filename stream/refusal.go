package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"vecmill/schemas"
	"vecmill/sinks"
)

// Rereader is what a Committer may be besides: it reads one record of its assignment again. A record that is not in the log any more is
// ErrRecordGone.
type Rereader interface {
	Reread(ctx context.Context, p Position) (Record, error)
}

// ErrRecordGone says that a record cannot be read again: retention or compaction took it.
var ErrRecordGone = errors.New("the record is not in the log any more")

// check asks the sink whether it will take a record's rows, before they are settled: afterwards other sinks may have them.
func (p *Pipeline) check(rows []schemas.Row) error {
	c, ok := p.sink.(sinks.Checker)
	if !ok {
		return nil
	}
	for i := range rows {
		if err := c.Check(&rows[i]); err != nil {
			return schemas.Reject(schemas.ReasonSinkReject, err)
		}
	}
	return nil
}

// refused buries the records whose rows a store did not take, and only then reports the release durable (I1). It does not block: a sink's done may not.
func (ep *epoch) refused(r *Release, no *sinks.RefusedError) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.ctx.Err() != nil {
		return // the next owner hears it again
	}
	ep.mu.refusals++ // under the lock: the fence waits for what began before it
	go func() {
		defer ep.unburden()
		for _, o := range no.Offsets {
			if err := ep.buryRefused(&r.Range, o); err != nil {
				if ep.ctx.Err() == nil {
					ep.p.fail(err)
				}
				return
			}
		}
		ep.wrote(r)
		ep.tracker.Durable(r)
	}()
}

func (ep *epoch) unburden() {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.mu.refusals--
	if ep.mu.refusals == 0 && ep.mu.quiet != nil {
		close(ep.mu.quiet)
		ep.mu.quiet = nil
	}
}

// buried is closed when no refused record is on its way to the dead letters.
func (ep *epoch) buried() <-chan struct{} {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.mu.refusals == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if ep.mu.quiet == nil {
		ep.mu.quiet = make(chan struct{})
	}
	return ep.mu.quiet
}

// buryRefused writes the letter of a record that was settled with rows, and so is not in memory any more.
func (ep *epoch) buryRefused(r *schemas.Range, o sinks.RefusedOffset) error {
	src := r.Source
	p, at := ep.p, Position{Partition{src.Topic, src.Partition}, o.Offset}
	p.judge(true, o.Err)
	if p.dead == nil {
		return fmt.Errorf("%s offset %d was refused by a sink and no dead-letter store is configured: %w", at.Partition, o.Offset, o.Err)
	}
	letter := sinks.Letter{Source: src, Offset: o.Offset, Reason: schemas.ReasonSinkReject, Message: o.Err.Error(), Attempts: 1}
	if again, ok := ep.committer.(Rereader); ok {
		rec, err := again.Reread(ep.ctx, at)
		switch {
		case err == nil:
			letter.Key, letter.Value, letter.Headers = rec.Key, rec.Value, rec.Headers
			if !o.Deletion && slices.ContainsFunc(r.Deletes, func(d schemas.Deletion) bool { return d.Offset == o.Offset }) {
				letter.Headers = deletedAt(&letter)
			}
		case errors.Is(err, ErrRecordGone):
			letter.Message += "; the record itself is not in the log any more"
		default:
			return fmt.Errorf("reading the refused record of %s offset %d again: %w", at.Partition, o.Offset, err)
		}
	}
	if err := p.dead.Put(ep.ctx, letter); err != nil {
		return fmt.Errorf("writing the dead letter of %s offset %d: %w", at.Partition, o.Offset, err)
	}
	p.stats.buried(schemas.ReasonSinkReject)
	if p.cfg.Witness != nil {
		p.cfg.Witness.Buried(&letter)
	}
	p.cfg.Log.Debug("dead letter", "partition", at.String(), "offset", o.Offset, "reason", schemas.ReasonSinkReject, "err", o.Err)
	return nil
}

// tombstone is the id of the reference that a record without a value takes back: its key. "" if the key cannot be one.
func tombstone(key []byte) string {
	if len(key) == 0 || len(key) > schemas.MaxID || !utf8.Valid(key) {
		return ""
	}
	return string(key)
}
