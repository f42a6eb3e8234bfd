package wire

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"vecmill/internal/audit"
	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/dlq"
	"vecmill/internal/publish"
	"vecmill/schemas"
)

// divided is a recomputation with its two parts: the plan's, and the stream's as far as the old output had come with it.
type divided struct {
	plan   *plan.Plan
	state  *publish.State             // nil: the plan was not published
	bounds []backfill.Bound           // of the old output when the plan was begun; nil: an earlier build did not tell them
	want   map[schemas.SourceID]int64 // how far it had come with topics since, as the new pipeline's sources
}

// What a comparison holds at most, whatever the outputs have: what is told of so many offsets, and so many ids, some 100 bytes each.
const (
	comparedOffsets = 2 << 20
	comparedIDs     = 4 << 20
)

// comparison finds what an audit of the new output cannot see, since the old one alone tells it: objects of topics that the new pipeline passed over, lost or buried, and references that were deleted since the plan was begun, whose planned rows no tombstone takes away. Required outputs of
// a pipeline agree, so that one of each is looked at.
type comparison struct {
	*divided
	r        *Reembed
	old, now past
	offsets  int64
	ids      int
	sources  []schemas.SourceID // of topics, as the new pipeline's
	letters  func() (*letterOffsets, error)
	one      bool // a record is one reference at most

	untold         []string // of deletions
	passed, unsure int
	buried         int64
	first          []named // of those that were passed over
	deleted        int     // references that have rows all the same
	deletedFirst   []string
}

func (r *Reembed) compare(ctx context.Context, v *Verified, d *divided) error {
	if len(d.want) == 0 {
		return nil
	}
	old, err := pastOf(ctx, r.auditor.stores, r.Old)
	if err != nil {
		return err
	}
	defer old.close()
	now, err := pastOf(ctx, r.auditor.stores, r.New)
	if err != nil {
		return err
	}
	defer now.close()
	return r.comparison(ctx, d, old, now).run(ctx, v)
}

func (r *Reembed) comparison(ctx context.Context, d *divided, old, now past) *comparison {
	return &comparison{
		divided: d, r: r, old: old, now: now, offsets: comparedOffsets, ids: comparedIDs, one: oneReference(&r.New.Input),
		sources: slices.SortedFunc(maps.Keys(d.want), func(a, b schemas.SourceID) int {
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
		}),
		letters: sync.OnceValues(func() (*letterOffsets, error) { return r.auditor.letters(ctx, r.New) }),
	}
}

// run goes through the outputs once, and where more ids are to be held than it may, once for each class of ids.
func (c *comparison) run(ctx context.Context, v *Verified) error {
	for left := []class{{of: 1}}; len(left) > 0; {
		p := newLacks(left[len(left)-1], c.ids)
		untold := p.of == 1
		for i := range c.sources {
			if err := c.source(ctx, p, int32(i), untold); err != nil {
				return err
			}
		}
		if err := c.count(ctx, p); err != nil {
			return err
		}
		if err := c.countDeleted(ctx, p); err != nil {
			return err
		}
		left = append(left[:len(left)-1], p.left...)
	}
	v.Buried += c.buried
	v.Offences = append(v.Offences, c.untold...)
	if err := c.offendPassed(ctx, v); err != nil {
		return err
	}
	if c.deleted > 0 {
		v.offend("%d references were deleted in topics since the plan was begun, and %s has rows of them from the plan, which no tombstone takes away: %s; give the command again with --plan at another place, which plans what the old output has by then, and delete these rows in the new outputs",
			c.deleted, c.r.New.Name, manyOf(c.deletedFirst, c.deleted))
	}
	return nil
}

// was is a source as the old pipeline's.
func (c *comparison) was(i int32) schemas.SourceID {
	src := c.sources[i]
	src.Pipeline = c.r.Old.Name
	return src
}

// source looks at one source, a stretch of offsets after the other. untold says that it is done for the first time.
func (c *comparison) source(ctx context.Context, p *lacks, i int32, untold bool) error {
	src, was := c.sources[i], c.was(i)
	begin, planned, err := c.part(ctx, c.now, src, was)
	if err != nil {
		return err
	}
	next := c.want[src]
	var mute stretches
	for first := begin; first < next; first += c.offsets {
		in := schemas.Span{First: first, Next: min(first+c.offsets, next)}
		before, err := toldBy(ctx, c.old, was, in)
		if err != nil {
			return err
		}
		after, err := toldBy(ctx, c.now, src, in)
		if err != nil {
			return err
		}
		if err := after.ask(ctx, c.now, src, c.one, c.letters); err != nil {
			return err
		}
		if untold && c.plan.Items > 0 {
			some, err := c.mute(ctx, was, planned, before, after)
			if err != nil {
				return err
			}
			if len(some) > 0 { // the ends are told
				mute = stretches{append(mute, some...).hull()}
			}
		}
		if err := c.lacking(ctx, p, i, before, after); err != nil {
			return err
		}
		for _, t := range []*told{before, after} {
			for _, x := range t.deletes {
				if id := shortHashOf(x.RefID); x.Offset >= planned && p.has(id) {
					p.delete(id)
				}
			}
		}
	}
	if len(mute) > 0 {
		c.offendUntold(src, mute[0])
	}
	return c.cameAgain(ctx, p, i)
}

// part is where the stream's part of a source begins, and up to where the plan saw deletions. A partition that the old output had nothing of is the new pipeline's as a whole.
func (d *divided) part(ctx context.Context, now past, src, was schemas.SourceID) (begin, planned int64, err error) {
	if d.bounds == nil {
		span, known, err := now.span(ctx, src)
		if !known {
			span.First = math.MaxInt64
		}
		return max(0, span.First), math.MaxInt64, err
	}
	if i := slices.IndexFunc(d.bounds, func(b backfill.Bound) bool { return b.Source == was }); i >= 0 {
		return d.bounds[i].Stream, d.bounds[i].Next, nil
	}
	return 0, 0, nil
}

// lacking adds the references of a source that have their latest row in the old output at an offset where the new one has none, or does not say. What the old one does not tell, its rows do.
func (c *comparison) lacking(ctx context.Context, p *lacks, i int32, before, after *told) error {
	at := stretchesOf(after.in, slices.Concat(after.none, after.untold)...).minus(before.none)
	if len(at) > 0 {
		if err := c.old.rows(ctx, c.was(i), at.hull(), func(l *schemas.Lineage) error {
			if id := shortHashOf(l.RefID); p.has(id) && at.has(l.Offset) {
				p.add(id, l.ContentHash, i, l.Offset, after.fate(l.Offset))
			}
			return nil
		}); err != nil {
			return err
		}
	}
	for _, x := range before.deletes {
		p.again(shortHashOf(x.RefID), i, x.Offset)
	}
	return nil
}

// fate is what became of an offset without rows.
func (t *told) fate(offset int64) fate {
	switch {
	case t.dead.has(offset):
		return buried
	case t.unread && t.untold.has(offset):
		return unsure
	}
	return passed
}

// cameAgain has the old rows behind the first lack of a source say which references came again.
func (c *comparison) cameAgain(ctx context.Context, p *lacks, i int32) error {
	first, ok := p.first(i)
	if !ok {
		return nil
	}
	return c.old.rows(ctx, c.was(i), schemas.Span{First: first, Next: c.want[c.sources[i]]}, func(l *schemas.Lineage) error {
		p.again(shortHashOf(l.RefID), i, l.Offset)
		return nil
	})
}

// count has the new output say which lacks are none: what was passed over may have come again, as a replay for each pipeline does.
func (c *comparison) count(ctx context.Context, p *lacks) error {
	if !p.some() {
		return nil
	}
	sources, err := c.now.sources(ctx, c.r.New.Name)
	if err != nil {
		return err
	}
	for _, src := range sources {
		i := int32(slices.Index(c.sources, src))
		if err := c.now.rows(ctx, src, audit.Whole, func(l *schemas.Lineage) error {
			p.find(l, i)
			return nil
		}); err != nil {
			return err
		}
	}
	p.each(func(id shortHash, at *lack) {
		if at.fate == buried {
			c.buried++
			return
		}
		c.passed++
		if at.fate == unsure {
			c.unsure++
		}
		if c.first = append(c.first, named{at.source, at.offset, id}); len(c.first) > 50*mostNamed {
			c.leastNamed()
		}
	})
	c.leastNamed()
	return nil
}

// named is a lack that is told of by name.
type named struct {
	source int32
	offset int64
	id     shortHash
}

// leastNamed keeps the first few by their places.
func (c *comparison) leastNamed() {
	slices.SortFunc(c.first, func(a, b named) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.offset, b.offset), slices.Compare(a.id[:], b.id[:]))
	})
	c.first = c.first[:min(len(c.first), mostNamed)]
}

// offendPassed tells of objects that the new output has nowhere.
func (c *comparison) offendPassed(ctx context.Context, v *Verified) error {
	if c.passed == 0 {
		return nil
	}
	names, err := c.names(ctx)
	if err != nil {
		return err
	}
	perhaps := ""
	if c.unsure > 0 {
		perhaps = fmt.Sprintf(", or are dead letters, as %d of them may be: its output does not tell any more what became of these, and not all of its letters are there to be read", c.unsure)
	}
	v.offend("%d references that %s has from topics were passed over by %s, or lost to the log's retention%s: %s; it takes no record with %[2]s as its route, and no replay of that one's dead letters: send these references again, without a route, and give the command again",
		c.passed, c.r.Old.Name, c.r.New.Name, perhaps, manyOf(names, c.passed))
	return nil
}

// names are the references of the first lacks, which the rows of the old output tell: so many ids are not held.
func (c *comparison) names(ctx context.Context) (names []string, err error) {
	for _, at := range c.first {
		name, was := "", c.was(at.source)
		if err := c.old.rows(ctx, was, schemas.Span{First: at.offset, Next: at.offset + 1}, func(l *schemas.Lineage) error {
			if shortHashOf(l.RefID) == at.id {
				name = fmt.Sprintf("%.200q ", l.RefID)
			}
			return nil
		}); err != nil {
			return nil, err
		}
		names = append(names, fmt.Sprintf("%s(offset %d of %s/%d)", name, at.offset, was.Topic, was.Partition))
	}
	return names, nil
}

// mute are offsets behind those that were planned of which neither output says what they deleted. What has a row in either deletes nothing where a record is one reference.
func (c *comparison) mute(ctx context.Context, was schemas.SourceID, planned int64, before, after *told) (stretches, error) {
	both := stretchesOf(schemas.Span{First: planned, Next: math.MaxInt64}, before.mute.minus(before.mute.minus(after.mute))...)
	if !c.one {
		return both, nil
	}
	return withoutRows(ctx, c.old, was, both)
}

func (c *comparison) offendUntold(src schemas.SourceID, mute schemas.Span) {
	c.untold = append(c.untold, fmt.Sprintf("deletions of offsets %d to %d of %s/%d are not told any more by either output, as snapshots are expired or had too many of them, so that references may have rows of the plan that were deleted there: delete those in the new outputs which the old one has no rows of, and give the command again with --plan at another place",
		mute.First, mute.Next-1, src.Topic, src.Partition))
}

// countDeleted finds references that were deleted since the plan was begun, and have rows of the plan.
func (c *comparison) countDeleted(ctx context.Context, p *lacks) error {
	if len(p.deleted) == 0 {
		return nil
	}
	of, err := c.planned(ctx)
	if err != nil {
		return err
	}
	for src, in := range of {
		if err := c.now.rows(ctx, src, in, func(l *schemas.Lineage) error {
			id := shortHashOf(l.RefID)
			if told, ok := p.deleted[id]; ok && !told {
				p.deleted[id] = true
				c.deleted++
				if c.deletedFirst = append(c.deletedFirst, fmt.Sprintf("%.200q", l.RefID)); len(c.deletedFirst) > 50*mostNamed {
					c.leastDeleted()
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	c.leastDeleted()
	return nil
}

// leastDeleted keeps the first few names.
func (c *comparison) leastDeleted() {
	slices.SortFunc(c.deletedFirst, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) // ids that count up come as they do
	c.deletedFirst = c.deletedFirst[:min(len(c.deletedFirst), mostNamed)]
}

// planned are the offsets of each source of the new pipeline that are the plan's.
func (c *comparison) planned(ctx context.Context) (map[schemas.SourceID]schemas.Span, error) {
	of := map[schemas.SourceID]schemas.Span{}
	if c.state != nil {
		for i, end := range c.state.Ends {
			of[schemas.SourceID{Pipeline: c.r.New.Name, Topic: c.r.topic, Partition: i}] = schemas.Span{First: c.state.Begins[i], Next: end}
		}
		return of, nil
	}
	sources, err := c.now.sources(ctx, c.r.New.Name)
	for _, src := range sources {
		if src.Topic == dlq.ManifestTopic+c.plan.Name {
			of[src] = audit.Whole
		}
	}
	return of, err
}

// mostNamed is how many of many are named.
const mostNamed = 20

// manyOf are the first few of so many.
func manyOf(first []string, n int) string {
	all := strings.Join(first, ", ")
	if more := n - len(first); more > 0 {
		all += fmt.Sprintf(" and %d more", more)
	}
	return all
}
