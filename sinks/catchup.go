package sinks

import (
	"context"
	"errors"
	"fmt"
	"time"

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
func (t *Tee) catchUp(ctx context.Context, src schemas.SourceID, from int64, all []standing) error {
	ahead, able := -1, true
	for i := range all {
		if _, recalls := all[i].member.Sink.(Recaller); recalls && all[i].known && (ahead < 0 || all[i].next > all[ahead].next) {
			ahead = i
		}
	}
	if ahead < 0 {
		return nil
	}
	for i := range all {
		s := &all[i]
		if !s.known {
			s.next = from
		}
		if !able || s.next >= all[ahead].next {
			continue
		}
		next := all[ahead].next
		err := t.copyTo(ctx, all[ahead].member, s.member, src, schemas.Span{First: s.next, Next: next})
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

// Copy says how far a member is that is brought up from another one.
type Copy struct {
	To, From     string // members
	Source       schemas.SourceID
	schemas.Span       // what is copied
	At           int64 // what lies before it was handed over
	Done         bool  // all is durable
}

// copyTold is how often it is said how far a copy is.
const copyTold = 10 * time.Second

// pieceOffsets is how much of a copy is made durable, and kept, before more is handed over: that much is given again to a sink that does not know where it ends, if the copy is interrupted.
const pieceOffsets = 1000

// copier writes what one member has of a source to another one.
type copier struct {
	Copy
	to       *Member
	kept     int64        // what lies before it is durable, as far as that was waited for
	outcomes []chan error // of what was handed over since
	said     time.Time
	tell     func(Copy)
}

// copyTo writes what one member has of a source to another and waits until it is durable there. Its error may be a RefusedError.
func (t *Tee) copyTo(ctx context.Context, from, to *Member, src schemas.SourceID, what schemas.Span) error {
	c := &copier{Copy: Copy{To: to.Name, From: from.Name, Source: src, Span: what, At: what.First}, to: to, kept: what.First, tell: t.Copying}
	if c.tell == nil {
		c.tell = func(Copy) {}
	}
	c.say()
	err := from.Sink.(Recaller).Recall(ctx, src, what, func(r schemas.Range, rows []schemas.Row) error { return c.give(ctx, r, rows) })
	if err == nil {
		err = c.settle(ctx)
	}
	if c.Done = err == nil; c.Done {
		c.say()
	}
	return err
}

func (c *copier) say() {
	c.said = time.Now()
	c.tell(c.Copy)
}

// give hands over what the other member gives at once: in pieces, where somebody keeps how far this one is.
func (c *copier) give(ctx context.Context, r schemas.Range, rows []schemas.Row) error {
	if c.to.Keep == nil {
		return c.write(ctx, r, rows)
	}
	for r.First < r.Next {
		end := c.kept + pieceOffsets
		piece := r.Cut(r.First, end)
		if err := c.write(ctx, piece, rowsIn(rows, piece.Span)); err != nil {
			return err
		}
		if c.At == end {
			if err := c.settle(ctx); err != nil {
				return err
			}
		}
		r = r.Cut(piece.Next, r.Next)
	}
	return nil
}

func (c *copier) write(ctx context.Context, r schemas.Range, rows []schemas.Row) error {
	done := make(chan error, 1)
	if err := c.to.Sink.Write(ctx, r, rows, func(err error) { done <- err }); err != nil {
		return err
	}
	c.outcomes, c.At = append(c.outcomes, done), r.Next
	if time.Since(c.said) >= copyTold {
		c.say()
	}
	return nil
}

// settle waits until all that was handed over is durable, and has that kept.
func (c *copier) settle(ctx context.Context) (err error) {
	if err := c.to.Sink.Flush(ctx); err != nil {
		return err
	}
	for _, done := range c.outcomes {
		select {
		case e := <-done:
			err = worse(err, e)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err != nil || c.At == c.kept {
		return err
	}
	c.kept, c.outcomes = c.At, nil
	if c.to.Keep == nil {
		return nil
	}
	return c.to.Keep(ctx, c.Source, c.At)
}

// rowsIn are those rows, in a slice of their own, whose offsets lie in a span.
func rowsIn(rows []schemas.Row, in schemas.Span) (out []schemas.Row) {
	for i := range rows {
		if o := rows[i].Offset; o >= in.First && o < in.Next {
			out = append(out, rows[i])
		}
	}
	return out
}
