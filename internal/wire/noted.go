package wire

import (
	"strings"
	"sync"

	"vecmill/internal/backfill/ledger"
	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
)

// noted is what files say of themselves, and of references that were deleted: their rows are there still, and count no more. 48 bytes of memory for each in each source.
type noted struct {
	mu      sync.Mutex // of note
	last    ledger.Latest
	sources map[schemas.SourceID]int32
	heads   map[string]string
	any     bool // was deleted
}

// notedFile is what is kept of a file until its rows are read: there may be very many, and all that they say is much.
type notedFile struct {
	source int32
	rows   uint32
	made   int64
	heads  string // one text for all files that say the same; "" for a file whose rows are not read
}

// note takes a file's deletions. It is safe for concurrent use; when all files are noted, took may be asked, likewise.
func (d *noted) note(info *parquetsink.FileInfo) notedFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sources == nil {
		d.sources, d.heads = map[schemas.SourceID]int32{}, map[string]string{}
	}
	n, ok := d.sources[info.Range.Source]
	if !ok {
		n = int32(len(d.sources))
		d.sources[info.Range.Source] = n
	}
	f := notedFile{source: n, rows: uint32(info.Rows), made: info.Created.UnixNano()}
	for _, x := range info.Range.Deletes {
		d.any = true
		d.last.Note(x.RefID, f.row(x.Offset))
	}
	if heads := info.Metadata[headsKey]; info.Rows > 0 && heads != "" {
		if _, ok := d.heads[heads]; !ok {
			heads = strings.Clone(heads)
			d.heads[heads] = heads
		}
		f.heads = d.heads[heads]
	}
	return f
}

// took says whether a row's reference was deleted behind it: in its source by the offsets, from another one in a file that was written later.
func (d *noted) took(f notedFile, l *schemas.Lineage) bool {
	return d.any && d.last.Behind(l.RefID, f.row(l.Offset))
}

func (f notedFile) row(offset int64) ledger.Row {
	return ledger.Row{Source: f.source, Offset: offset, Made: f.made}
}
