package parquetsink

import (
	"vecmill/schemas"
)

// draft is the content of a file before it is encoded.
type draft struct {
	info    FileInfo
	rows    []*schemas.Row
	bytes   int64 // estimated
	entries int   // that it makes durable
	reason  Reason
}

// draft makes the file that comes at a place: the entries', or in the hive layout the end of a day that is over.
func (s *Sink) draft(src schemas.SourceID, at place, entries []entry, why Reason) draft {
	if s.cfg.Layout == Hive {
		if day := today(at); day > at.day {
			return newTurn(src, at, entries[0].r.First, day)
		}
	}
	d := newDraft(src, at, entries)
	d.reason = why
	return d
}

// newTurn makes a file without rows that says that the chain goes on at another day. It covers nothing, or, as the first file of a chain, what lies before origin.
func newTurn(src schemas.SourceID, at place, origin int64, day string) draft {
	d := draft{reason: RollDay}
	d.info.Schema, d.info.Day, d.info.NextDay = SchemaVersion, at.day, day
	d.info.Range.Source, d.info.Range.Span = src, schemas.Span{First: at.offset, Next: at.offset}
	if at.offset < 0 {
		d.info.begin(origin)
		d.info.Range.Next = origin
	}
	return d
}

// newDraft makes one range of the entries, without what lies before the chain's end.
func newDraft(src schemas.SourceID, at place, entries []entry) draft {
	d := draft{entries: len(entries)}
	d.info.Schema, d.info.Day, d.info.NextDay = SchemaVersion, at.day, at.day
	d.info.Range.Source, d.info.Range.Span = src, schemas.Span{First: at.offset, Next: entries[len(entries)-1].r.Next}
	if at.offset < 0 {
		d.info.begin(entries[0].r.First)
	}
	first, last := d.info.Range.First, d.info.Range.Next
	for _, e := range entries {
		d.bytes += e.bytes
		d.info.Range.Dead = join(d.info.Range.Dead, clip(e.r.Dead, first, last))
		d.info.Range.Skipped = join(d.info.Range.Skipped, clip(e.r.Skipped, first, last))
		d.info.Range.Lost = join(d.info.Range.Lost, clip(e.r.Lost, first, last))
		d.info.Range.Deletes = append(d.info.Range.Deletes, schemas.ClipDeletions(e.r.Deletes, first, last)...)
		for i := range e.rows {
			if e.rows[i].Offset >= first {
				d.rows = append(d.rows, &e.rows[i])
			}
		}
	}
	d.info.Rows = int64(len(d.rows))
	return d
}

// begin makes f the first file of a chain, which takes everything before origin as skipped (P2).
func (f *FileInfo) begin(origin int64) {
	f.Range.First, f.Origin = 0, origin
	if origin > 0 {
		f.Range.Skipped = []schemas.Span{{First: 0, Next: origin}}
	}
}
