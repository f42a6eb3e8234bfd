package wire

import (
	"cmp"
	"context"
	"crypto/sha256"
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

// shortHash stands for a text of which very many are held.
type shortHash [16]byte

func shortHashOf(text string) shortHash {
	sum := sha256.Sum256([]byte(text))
	return shortHash(sum[:16])
}

// refContent is what a reference's rows are of: its id, and the hash of its content. The same object gives the same rows, whichever record it came in.
type refContent struct{ id, content shortHash }

func refContentOf(l *schemas.Lineage) refContent {
	return refContent{shortHashOf(l.RefID), shortHashOf(l.ContentHash)}
}

// lack is where an object came that one output has rows of, and the other has not.
type lack struct {
	src    *schemas.SourceID // one for all of a source: there may be very many
	offset int64
	dead   bool // it has a dead letter
}

// compare finds what an audit of the new output cannot see, since the old one alone tells it: objects of topics that the new pipeline passed over, lost or buried, and references that were deleted since the plan was begun, whose planned rows no tombstone takes away. Required outputs of
// a pipeline agree, so that one of each is looked at.
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
	return r.compareWith(ctx, v, d, old, now)
}

func (r *Reembed) compareWith(ctx context.Context, v *Verified, d *divided, old, now past) error {
	letters := sync.OnceValues(func() (map[schemas.SourceID]map[int64]bool, error) {
		offsets, _, err := r.auditor.letters(ctx, r.New)
		return offsets, err
	})
	lacks, deleted := map[refContent]lack{}, map[string]bool{}
	for src, next := range d.want {
		was := src
		was.Pipeline = r.Old.Name
		begin, planned, err := d.part(ctx, now, src, was)
		if err != nil {
			return err
		}
		in := schemas.Span{First: begin, Next: next}
		if in.Len() <= 0 {
			continue
		}
		before, err := toldBy(ctx, old, was, in)
		if err != nil {
			return err
		}
		after, err := toldBy(ctx, now, src, in)
		if err != nil {
			return err
		}
		if d.plan.Items > 0 {
			offendUntold(v, src, planned, before, after)
		}
		if err := after.ask(ctx, now, src, letters); err != nil {
			return err
		}
		if err := lacking(ctx, old, was, before, after, lacks); err != nil {
			return err
		}
		for _, t := range []*told{before, after} {
			for id, offset := range t.deletes {
				deleted[id] = deleted[id] || offset >= planned
			}
		}
	}
	if err := r.offendLacks(ctx, v, old, now, lacks); err != nil {
		return err
	}
	return r.offendDeleted(ctx, v, now, d, deleted)
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

// told is what an output says of the offsets of a span.
type told struct {
	in      schemas.Span
	none    stretches        // those without rows
	untold  stretches        // those of which it says nothing
	dead    stretches        // of those without rows, those with a dead letter
	deletes map[string]int64 // the ids of references whose objects are gone, with the last offset that says so
	mute    stretches        // those that may be deletions, of which it does not say what they delete
}

func toldBy(ctx context.Context, out past, src schemas.SourceID, in schemas.Span) (*told, error) {
	ranges, err := out.ranges(ctx, src, in)
	if err != nil {
		return nil, err
	}
	t := &told{in: in, deletes: map[string]int64{}}
	var covered, dead, none []schemas.Span
	for i := range ranges {
		r := &ranges[i]
		covered, dead = append(covered, r.Span), append(dead, r.Dead...)
		none = append(append(append(none, r.Dead...), r.Skipped...), r.Lost...)
		for _, x := range schemas.ClipDeletions(r.Deletes, in.First, in.Next) {
			t.deletes[x.RefID] = max(t.deletes[x.RefID], x.Offset)
		}
	}
	t.untold, t.none, t.dead = stretches{in}.minus(stretchesOf(in, covered...)), stretchesOf(in, none...), stretchesOf(in, dead...)
	t.mute = stretchesOf(in, slices.Concat(t.untold, out.nameless(src))...)
	return t, nil
}

// ask has the rows and the letters of an output say what it does not tell any more itself.
func (t *told) ask(ctx context.Context, out past, src schemas.SourceID, letters func() (map[schemas.SourceID]map[int64]bool, error)) error {
	var left stretches
	for _, s := range t.untold {
		without, err := withoutRows(ctx, out, src, s)
		if err != nil {
			return err
		}
		left = append(left, without...)
	}
	if t.untold = left; len(left) == 0 {
		return nil
	}
	found, err := letters()
	if err != nil {
		return err
	}
	dead := slices.Clone(t.dead)
	for o := range found[src] {
		if left.has(o) {
			dead = append(dead, schemas.Span{First: o, Next: o + 1})
		}
	}
	t.dead = stretchesOf(t.in, dead...)
	return nil
}

// withoutRows are the offsets of a span of which an output has no row. A bit is held for each of those that have one.
func withoutRows(ctx context.Context, out past, src schemas.SourceID, in schemas.Span) (left stretches, err error) {
	have := map[int64]uint64{} // by offset/64
	if err := out.rows(ctx, src, in, func(l *schemas.Lineage) error {
		have[l.Offset/64] |= 1 << (l.Offset % 64)
		return nil
	}); err != nil {
		return nil, err
	}
	for o := in.First; o < in.Next; o++ {
		if have[o/64]&(1<<(o%64)) == 0 {
			left = schemas.AppendOffset(left, o)
		}
	}
	return left, nil
}

// lacking adds the objects of a source whose references have their latest row in the old output at an offset where the new one has none, or does not say. What the old one does not tell, its rows do.
func lacking(ctx context.Context, old past, was schemas.SourceID, before, after *told, lacks map[refContent]lack) error {
	at := stretchesOf(after.in, slices.Concat(after.none, after.untold)...).minus(before.none)
	if len(at) == 0 {
		return nil
	}
	type row struct {
		offset  int64
		content shortHash
	}
	latest := map[shortHash]row{} // by the reference's id
	if err := old.rows(ctx, was, schemas.Span{First: at[0].First, Next: at[len(at)-1].Next}, func(l *schemas.Lineage) error {
		if !at.has(l.Offset) || before.deletes[l.RefID] > l.Offset {
			return nil
		}
		if o := refContentOf(l); latest[o.id].offset <= l.Offset {
			latest[o.id] = row{l.Offset, o.content}
		}
		return nil
	}); err != nil || len(latest) == 0 {
		return err
	}
	err := old.rows(ctx, was, schemas.Span{First: at[0].First, Next: after.in.Next}, func(l *schemas.Lineage) error {
		id := shortHashOf(l.RefID)
		if have, ok := latest[id]; ok && l.Offset > have.offset { // it came again, for both: a compacted log has only that
			delete(latest, id)
		}
		return nil
	})
	for id, have := range latest {
		lacks[refContent{id, have.content}] = lack{&was, have.offset, after.dead.has(have.offset)}
	}
	return err
}

// offendLacks tells of objects that the new output has nowhere: one that was passed over may have come again, as a replay for each pipeline does, and one that was buried may have been replayed for the new one alone, when the object was another already.
func (r *Reembed) offendLacks(ctx context.Context, v *Verified, old, now past, lacks map[refContent]lack) error {
	if len(lacks) == 0 {
		return nil
	}
	buried := map[shortHash][]refContent{} // by the reference's id
	for o, at := range lacks {
		if at.dead {
			buried[o.id] = append(buried[o.id], o)
		}
	}
	sources, err := now.sources(ctx, r.New.Name)
	if err != nil {
		return err
	}
	for _, src := range sources {
		if err := now.rows(ctx, src, audit.Whole, func(l *schemas.Lineage) error {
			has := refContentOf(l)
			delete(lacks, has)
			for _, o := range buried[has.id] {
				if at, ok := lacks[o]; ok && at.src.Topic == src.Topic && at.src.Partition == src.Partition && l.Offset > at.offset {
					delete(lacks, o)
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	passed := 0
	for _, at := range lacks {
		if at.dead {
			v.Buried++
		} else {
			passed++
		}
	}
	if passed == 0 {
		return nil
	}
	names, err := namesOf(ctx, old, firstLacks(lacks))
	if err != nil {
		return err
	}
	if more := passed - len(names); more > 0 {
		names[len(names)-1] += fmt.Sprintf(" and %d more", more)
	}
	v.offend("%d references that %s has from topics were passed over by %s, or lost to the log's retention: %s; it takes no record with %[2]s as its route, and no replay of that one's dead letters: send these references again, without a route, and give the command again",
		passed, r.Old.Name, r.New.Name, strings.Join(names, ", "))
	return nil
}

// named is a lack that is told of by name.
type named struct {
	lack
	id shortHash
}

// firstLacks are the first few by their places of those that are no dead letters.
func firstLacks(lacks map[refContent]lack) (first []named) {
	least := func() {
		slices.SortFunc(first, func(a, b named) int {
			return cmp.Or(cmp.Compare(a.src.Topic, b.src.Topic), cmp.Compare(a.src.Partition, b.src.Partition), cmp.Compare(a.offset, b.offset), slices.Compare(a.id[:], b.id[:]))
		})
		first = first[:min(len(first), mostNamed)]
	}
	for o, at := range lacks {
		if at.dead {
			continue
		}
		if first = append(first, named{at, o.id}); len(first) > 50*mostNamed {
			least()
		}
	}
	least()
	return first
}

// namesOf are the references of lacks, which the rows of the old output tell: so many ids are not held.
func namesOf(ctx context.Context, old past, all []named) (names []string, err error) {
	for _, at := range all {
		name := ""
		if err := old.rows(ctx, *at.src, schemas.Span{First: at.offset, Next: at.offset + 1}, func(l *schemas.Lineage) error {
			if shortHashOf(l.RefID) == at.id {
				name = fmt.Sprintf("%.200q ", l.RefID)
			}
			return nil
		}); err != nil {
			return nil, err
		}
		names = append(names, fmt.Sprintf("%s(offset %d of %s/%d)", name, at.offset, at.src.Topic, at.src.Partition))
	}
	return names, nil
}

// offendUntold tells of offsets behind those that were planned of which neither output says what they deleted.
func offendUntold(v *Verified, src schemas.SourceID, planned int64, before, after *told) {
	mute := stretchesOf(schemas.Span{First: planned, Next: math.MaxInt64}, before.mute.minus(before.mute.minus(after.mute))...)
	if len(mute) == 0 {
		return
	}
	v.offend("deletions of offsets %d to %d of %s/%d are not told any more by either output, as snapshots are expired or had too many of them, so that references may have rows of the plan that were deleted there: delete those in the new outputs which the old one has no rows of, and give the command again with --plan at another place",
		mute[0].First, mute[len(mute)-1].Next-1, src.Topic, src.Partition)
}

// offendDeleted tells of references that were deleted since the plan was begun, and have rows of the plan.
func (r *Reembed) offendDeleted(ctx context.Context, v *Verified, now past, d *divided, deleted map[string]bool) error {
	maps.DeleteFunc(deleted, func(_ string, since bool) bool { return !since })
	if len(deleted) == 0 {
		return nil
	}
	of, err := r.planned(ctx, now, d)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for src, in := range of {
		if err := now.rows(ctx, src, in, func(l *schemas.Lineage) error {
			if deleted[l.RefID] {
				found[fmt.Sprintf("%.200q", l.RefID)] = true
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		v.offend("%d references were deleted in topics since the plan was begun, and %s has rows of them from the plan, which no tombstone takes away: %s; give the command again with --plan at another place, which plans what the old output has by then, and delete these rows in the new outputs",
			len(found), r.New.Name, firstOf(slices.Collect(maps.Keys(found))))
	}
	return nil
}

// planned are the offsets of each source of the new pipeline that are the plan's.
func (r *Reembed) planned(ctx context.Context, now past, d *divided) (map[schemas.SourceID]schemas.Span, error) {
	of := map[schemas.SourceID]schemas.Span{}
	if d.state != nil {
		for i, end := range d.state.Ends {
			of[schemas.SourceID{Pipeline: r.New.Name, Topic: r.topic, Partition: i}] = schemas.Span{First: d.state.Begins[i], Next: end}
		}
		return of, nil
	}
	sources, err := now.sources(ctx, r.New.Name)
	for _, src := range sources {
		if src.Topic == dlq.ManifestTopic+d.plan.Name {
			of[src] = audit.Whole
		}
	}
	return of, err
}

// mostNamed is how many of many are named.
const mostNamed = 20

// firstOf are the first few of some, in order.
func firstOf(all []string) string {
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) // ids that count up come as they do
	if n := len(all) - mostNamed; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:mostNamed], ", "), n)
	}
	return strings.Join(all, ", ")
}
