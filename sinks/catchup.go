package sinks

import (
	"context"
	"errors"
	"fmt"

	"vecmill/schemas"
)

// ErrNotRecalled says that what is durable cannot be given back, and never will be: whoever wants it computes it again.
var ErrNotRecalled = errors.New("the rows cannot be given back")

// Recaller is a sink that can give back what it has made durable.
type Recaller interface {
	// Recall hands what is durable of src in want to give: ranges in order, without gaps, clipped to want, each with its rows. It ends with give's
	// error, and fails if it does not have all of want, with ErrNotRecalled if it once had.
	Recall(ctx context.Context, src schemas.SourceID, want schemas.Span, give func(schemas.Range, []schemas.Row) error) error
}

// standing is where one required member stands in a source.
type standing struct {
	number int // of the member
	member *Member
	next   int64
	known  bool
}

// catchUp brings the members that are behind up to the one that is ahead of those that can recall, by copying from it: computed again, a record may end otherwise than it
// did (a fetch whose retries were used up then, and are not now), and the members would tell different stories. A crash between two members'
// files is the usual cause. Members that have nothing of the source, or do not know, begin at from. Nothing is copied, or nothing more, if none can, or what is wanted cannot be given back. A member that refuses
// records of the copy begins at the first of them: computed again, they get their dead letters.
func catchUp(ctx context.Context, src schemas.SourceID, from int64, all []standing) error {
	ahead, able := -1, true
	for i := range all {
		if _, recalls := all[i].member.Sink.(Recaller); recalls && all[i].known && (ahead < 0 || all[i].next > all[ahead].next) {
			ahead = i
		}
	}
	if ahead < 0 {
		return nil
	}
	leader := all[ahead].member.Sink.(Recaller)
	for i := range all {
		s := &all[i]
		if !s.known {
			s.next = from
		}
		if !able || s.next >= all[ahead].next {
			continue
		}
		next := all[ahead].next
		err := copyTo(ctx, leader, s.member.Sink, src, schemas.Span{First: s.next, Next: next})
		if errors.Is(err, ErrNotRecalled) {
			able = false
			if s.next, s.known, err = s.member.resume(ctx, src, from); !s.known { // it may have taken some
				s.next = from
			}
			next = s.next
		} else if no := AsRefused(err); no != nil {
			next = no.Offsets[0].Offset
			_, _, err = s.member.Sink.Resume(ctx, src, next) // it has taken ranges behind that, and takes them again
		}
		if err != nil {
			return fmt.Errorf("bringing sink %s up from sink %s: %w", s.member.Name, all[ahead].member.Name, err)
		}
		s.next, s.known = next, s.known || able
	}
	return nil
}

// copyTo writes what one sink has of a source to another and waits until it is durable there. Its error may be a RefusedError.
func copyTo(ctx context.Context, from Recaller, to Sink, src schemas.SourceID, what schemas.Span) error {
	var outcomes []chan error
	err := from.Recall(ctx, src, what, func(r schemas.Range, rows []schemas.Row) error {
		done := make(chan error, 1)
		outcomes = append(outcomes, done)
		return to.Write(ctx, r, rows, func(err error) { done <- err })
	})
	if err != nil {
		return err
	}
	if err := to.Flush(ctx); err != nil {
		return err
	}
	for _, done := range outcomes {
		select {
		case e := <-done:
			err = worse(err, e)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}
