package deliver

import (
	"cmp"
	"slices"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
)

// entry is one range handed to Write.
type entry struct {
	r       schemas.Range
	rows    []schemas.Row
	done    func(error)
	bytes   int64
	due     time.Time
	refused []sinks.RefusedOffset // found on the way; only touched by whoever delivers the entry
}

// items are the rows and deletions of an entry that the store is to see, in order. Rows of offsets in without are left out.
func (e *entry) items(without map[int64]bool) []Item {
	out := make([]Item, 0, len(e.rows)+len(e.r.Deletes))
	for i := range e.rows {
		if r := &e.rows[i]; !without[r.Offset] {
			out = append(out, Item{Offset: r.Offset, Row: r})
		}
	}
	for _, d := range e.r.Deletes {
		out = append(out, Item{Offset: d.Offset, Delete: d.RefID})
	}
	slices.SortStableFunc(out, func(a, b Item) int { return cmp.Compare(a.Offset, b.Offset) })
	return out
}

// size is the number of items.
func (e *entry) size() int { return len(e.rows) + len(e.r.Deletes) }

// verdict is what done is told of an entry that was delivered.
func (e *entry) verdict() error {
	if len(e.refused) == 0 {
		return nil
	}
	return &sinks.RefusedError{Offsets: sinks.RefusedOnce(e.refused)}
}

// split cuts a part into parts of at most rows items and bytes bytes. Offsets stay whole if whole is set, else only as far as they fit.
func (p *Part) split(rows int, bytes int64, whole bool) []Part {
	var out []Part
	first, begin, size := p.First, 0, int64(0)
	for i := range p.Items {
		n := itemBytes(&p.Items[i])
		boundary := i > begin && p.Items[i].Offset != p.Items[i-1].Offset
		if i > begin && (boundary || !whole) && (i-begin >= rows || size+n > bytes) {
			out = append(out, Part{p.Cut(first, upTo(p.Items[i-1:i+1])), p.Items[begin:i]})
			first, begin, size = p.Items[i].Offset, i, 0
		}
		size += n
	}
	return append(out, Part{p.Cut(first, p.Next), p.Items[begin:]})
}

// upTo is the end of a part whose last item, and the first after it, are given.
func upTo(two []Item) int64 { return max(two[0].Offset+1, two[1].Offset) }

func itemBytes(it *Item) int64 {
	if it.Row == nil {
		return 24 + int64(len(it.Delete))
	}
	return it.Row.Size()
}

// batches puts parts together, in order, up to rows and bytes; the part of a source that was cut goes into batches of its own, one after the other.
func batches(parts []Part, rows int, bytes int64, whole bool) []Batch {
	var out []Batch
	var now Batch
	count, size := 0, int64(0)
	for i := range parts {
		for _, p := range parts[i].split(rows, bytes, whole) {
			var n int64
			for j := range p.Items {
				n += itemBytes(&p.Items[j])
			}
			if len(now.Parts) > 0 && (count+len(p.Items) > rows || size+n > bytes || now.Parts[len(now.Parts)-1].Source == p.Source) {
				out, now, count, size = append(out, now), Batch{}, 0, 0
			}
			now.Parts = append(now.Parts, p)
			count, size = count+len(p.Items), size+n
		}
	}
	if len(now.Parts) > 0 {
		out = append(out, now)
	}
	return out
}

// halves cuts a part in two between offsets, as evenly as they let it; ok is false if all of its items are of one offset.
func (p *Part) halves() (one, two Part, ok bool) {
	at := 0
	for i := 1; i < len(p.Items); i++ {
		if p.Items[i].Offset != p.Items[i-1].Offset && (at == 0 || i <= len(p.Items)/2) {
			at = i
		}
	}
	if at == 0 {
		return Part{}, Part{}, false
	}
	end := upTo(p.Items[at-1 : at+1])
	return Part{p.Cut(p.First, end), p.Items[:at]}, Part{p.Cut(end, p.Next), p.Items[at:]}, true
}

// halves cuts a batch of several items in two, in order. Their spans say less than before, which no store without progress looks at.
func (b *Batch) halves() (Batch, Batch) {
	left := b.Len() / 2
	var one, two Batch
	for _, p := range b.Parts {
		n := min(left, len(p.Items))
		left -= n
		if n > 0 {
			one.Parts = append(one.Parts, Part{p.Range, p.Items[:n]})
		}
		if n < len(p.Items) {
			two.Parts = append(two.Parts, Part{p.Range, p.Items[n:]})
		}
	}
	return one, two
}
