package wire

import (
	"vecmill/internal/backfill/ledger"
	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
)

// deleted is what files say of references that were deleted: their rows are there still, and count no more. 46 bytes of memory for each.
type deleted struct {
	last    ledger.Latest // deletion of each
	sources map[schemas.SourceID]int32
	any     bool
}

// note takes a file's deletions. When all files are noted, took may be asked by several goroutines.
func (d *deleted) note(info *parquetsink.FileInfo) {
	d.row(info, 0) // its source has a number from now on
	for _, x := range info.Range.Deletes {
		d.any = true
		d.last.Note(x.RefID, d.row(info, x.Offset))
	}
}

// took says whether a row's reference was deleted behind it: in its source by the offsets, from another one in a file that was written later.
func (d *deleted) took(info *parquetsink.FileInfo, l *schemas.Lineage) bool {
	return d.any && d.last.Behind(l.RefID, d.row(info, l.Offset))
}

func (d *deleted) row(info *parquetsink.FileInfo, offset int64) ledger.Row {
	n, ok := d.sources[info.Range.Source]
	if !ok {
		if d.sources == nil {
			d.sources = map[schemas.SourceID]int32{}
		}
		n = int32(len(d.sources))
		d.sources[info.Range.Source] = n
	}
	return ledger.Row{Source: n, Offset: offset, Made: info.Created.UnixNano()}
}
