package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"vecmill/schemas"
)

// Output is a sink as an audit sees it. Safe for sequential use.
type Output interface {
	// Sources are the sources of a pipeline that the output holds.
	Sources(ctx context.Context, pipeline string) ([]schemas.SourceID, error)

	// Partitions are those of one topic that the output holds anything of for a pipeline, ascending. It looks at nothing else.
	Partitions(ctx context.Context, pipeline, topic string) ([]int, error)

	// Parts calls each for every part of a source, ascending by first offset. A part that cannot be read has Err. The error of each ends it.
	Parts(ctx context.Context, src schemas.SourceID, each func(Part) error) error
}

// Part is a piece of an output that was made durable at once: a file, a snapshot, a transaction.
type Part struct {
	Name  string // for people
	Range schemas.Range
	Rows  []Row
	Gone  []int64 // ascending offsets, some or all of whose rows a tombstone has taken away
	Err   error   // what is wrong with it; Range and Rows may be empty then

	Deleted bool // a tombstone has taken some of Rows away

	Written time.Time // zero: the output does not say

	Unread bool // Err is that something of the output cannot be read: it may have rows of other parts
	Untold bool // what became of offsets without rows is not known any more
}

// Row is what an audit needs of a row.
type Row struct {
	Source schemas.SourceID // Pipeline is not looked at
	Offset int64
	ID     string // schemas.RowID
	Model  string // digest; "" if the output does not say
}

// Span is the offsets from First on and before Next.
type Span struct {
	First int64 `json:"first"`
	Next  int64 `json:"next"`
}

// Report is what was found of one source.
type Report struct {
	Topic     string   `json:"topic"`
	Partition int      `json:"partition"`
	Next      int64    `json:"next_offset"` // the output ends before this
	Files     int      `json:"files"`
	Rows      int64    `json:"rows"`
	Computed  int64    `json:"computed"` // offsets with rows
	Dead      int64    `json:"dead"`
	Skipped   int64    `json:"skipped"`
	Lost      int64    `json:"lost"`
	LostAt    []Span   `json:"lost_offsets,omitempty"` // merged
	Models    []string `json:"model_digests"`
	Covered   []Span   `json:"covered"`              // ranges of offsets, merged
	Gaps      []Span   `json:"gaps,omitempty"`       // between and before them
	Twice     []Span   `json:"duplicates,omitempty"` // offsets that more than one part covers
	Log       *Log     `json:"log,omitempty"`        // nil: Kafka was not asked
	Letters   *Letters `json:"letters,omitempty"`    // nil: the dead-letter store was not asked
	Notes     []string `json:"notes,omitempty"`      // no faults
	Offences  []string `json:"offences,omitempty"`   // the first few, each naming its offset
	Faults    int64    `json:"faults"`               // number of offences

	Untold  int64 `json:"-"` // covered offsets without a row, of which nobody knows any more what became of them
	Deleted bool  `json:"-"` // tombstones have taken rows away

	dead []schemas.Span
	gone int64 // offsets whose rows tombstones have taken away
}

// OK says that nothing is missing and nothing is there twice.
func (r *Report) OK() bool { return r.Faults == 0 }

// Source is the source that the report is about.
func (r *Report) Source(pipeline string) schemas.SourceID {
	return schemas.SourceID{Pipeline: pipeline, Topic: r.Topic, Partition: r.Partition}
}

// mostOffences is how many are listed: enough to see a pattern.
const mostOffences = 20

func (r *Report) offend(format string, args ...any) {
	if r.Faults++; r.Faults <= mostOffences {
		r.Offences = append(r.Offences, fmt.Sprintf(format, args...))
	}
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// All audits every source of a pipeline.
func All(ctx context.Context, out Output, pipeline string) ([]Report, error) {
	sources, err := out.Sources(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	var reports []Report
	for _, src := range sources {
		r, err := Of(ctx, out, src)
		if err != nil {
			return nil, err
		}
		reports = append(reports, *r)
	}
	return reports, nil
}

// Of audits one source. One part's rows are held at a time: a row that lies outside of its part's range is a fault by itself, and ranges that overlap
// are too, so no row can be twice in two parts unseen.
func Of(ctx context.Context, out Output, src schemas.SourceID) (*Report, error) {
	r := &Report{Topic: src.Topic, Partition: src.Partition}
	before := "the beginning"
	err := out.Parts(ctx, src, func(p Part) error {
		r.Files++
		if p.Err != nil {
			r.offend("%s: %v", p.Name, p.Err)
		}
		if p.Range.Len() <= 0 {
			return nil // nothing can be said of it: what it covered will be a gap
		}
		r.join(&p, before)
		if p.Err == nil {
			r.part(&p)
		}
		before = p.Name
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("auditing %s: %w", src, err)
	}
	if r.gone > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("tombstones have taken away all rows of %d offsets", r.gone))
	}
	return r, nil
}

// join puts a part behind those before it.
func (r *Report) join(p *Part, before string) {
	first, next := p.Range.First, p.Range.Next
	switch {
	case first > r.Next:
		r.offend("no file covers offsets %d to %d, between %s and %s", r.Next, first-1, before, p.Name)
		r.Gaps = append(r.Gaps, Span{First: r.Next, Next: first})
	case first < r.Next:
		end := min(r.Next, next)
		r.offend("offsets %d to %d are covered twice, by %s and %s", first, end-1, before, p.Name)
		r.Twice = append(r.Twice, Span{First: first, Next: end})
	}
	r.Covered = merged(r.Covered, Span(p.Range.Span))
	r.Next = max(r.Next, next)
}

// merged is all with another span, which does not begin before the last of them.
func merged(all []Span, s Span) []Span {
	if n := len(all); n > 0 && all[n-1].Next >= s.First {
		all[n-1].Next = max(all[n-1].Next, s.Next)
		return all
	}
	return append(all, s)
}

// rowKey tells rows of one source apart: a reference that was sent twice has the same row ids at two offsets, and that is no fault.
type rowKey struct {
	offset int64
	id     string
}

// fate is what became of a span of offsets.
type fate struct {
	schemas.Span
	what string
}

// part accounts for one part: every offset of its range has one fate, and no row is there twice. Spans stay spans: the first file of a pipeline that began
// at a log's end has skipped more offsets than any memory holds.
func (r *Report) part(p *Part) {
	var fates []fate
	ids := make(map[rowKey]bool, len(p.Rows))
	offsets := make(map[int64]bool, len(p.Rows))
	for i := range p.Rows {
		row := &p.Rows[i]
		key := rowKey{row.Offset, row.ID}
		if ids[key] {
			r.offend("offset %d: row %s is there twice", row.Offset, row.ID)
		}
		ids[key] = true
		if row.Source.Topic != r.Topic || row.Source.Partition != r.Partition {
			r.offend("offset %d: row %s says that it is of %s/%d", row.Offset, row.ID, row.Source.Topic, row.Source.Partition)
		}
		if row.Model != "" && !slices.Contains(r.Models, row.Model) {
			r.Models = append(r.Models, row.Model)
		}
		if !offsets[row.Offset] {
			offsets[row.Offset] = true
			fates = append(fates, fate{schemas.Span{First: row.Offset, Next: row.Offset + 1}, "a row"})
		}
	}
	for _, o := range p.Gone {
		if !offsets[o] {
			offsets[o] = true
			r.gone++
			fates = append(fates, fate{schemas.Span{First: o, Next: o + 1}, "a row that is deleted"})
		}
	}
	r.Deleted = r.Deleted || p.Deleted || len(p.Gone) > 0
	r.Rows += int64(len(p.Rows))
	r.Computed += int64(len(offsets))
	for _, k := range []struct {
		spans []schemas.Span
		what  string
		n     *int64
	}{{p.Range.Dead, "dead", &r.Dead}, {p.Range.Skipped, "skipped", &r.Skipped}, {p.Range.Lost, "lost", &r.Lost}} {
		for _, s := range k.spans {
			*k.n += s.Len()
			fates = append(fates, fate{s, k.what})
		}
	}
	r.dead = append(r.dead, p.Range.Dead...)
	for _, s := range p.Range.Lost {
		r.LostAt = merged(r.LostAt, Span(s))
	}
	if p.Untold {
		if left := p.Range.Len() - int64(len(offsets)); left > 0 {
			r.Untold += left
			r.Notes = append(r.Notes, fmt.Sprintf("%s: %d offsets have no row, and what became of them is not known any more", p.Name, left))
		}
		return
	}
	slices.SortStableFunc(fates, func(a, b fate) int { return cmp.Compare(a.First, b.First) })
	r.walk(p.Range.Span, fates)
}

// walk goes through the fates of a part in order, and finds offsets with none and with two.
func (r *Report) walk(rg schemas.Span, fates []fate) {
	at := fate{schemas.Span{Next: rg.First}, ""} // up to Next, offsets have a fate; the last of them is what
	for _, f := range fates {
		if f.First < rg.First || f.Next > rg.Next {
			outside := f.First
			if outside >= rg.First {
				outside = max(f.First, rg.Next)
			}
			r.offend("offset %d (%s) is outside of its file's range [%d, %d)", outside, f.what, rg.First, rg.Next)
		}
		switch {
		case f.First > at.Next:
			r.without(at.Next, min(f.First, rg.Next))
		case f.First < at.Next && at.what != "":
			r.offend("offset %d is %s and %s", f.First, at.what, f.what)
		}
		if f.Next > at.Next {
			at.Next, at.what = f.Next, f.what
		}
	}
	r.without(at.Next, rg.Next)
}

// without names offsets that have no fate.
func (r *Report) without(first, next int64) {
	const why = "no row, no dead letter and was not skipped"
	switch {
	case next == first+1:
		r.offend("offset %d has %s", first, why)
	case next > first:
		r.offend("offset %d and those up to %d: each has %s", first, next-1, why)
	}
}
