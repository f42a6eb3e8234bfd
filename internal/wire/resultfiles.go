package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"vecmill/embed"
	"vecmill/internal/audit"
	"vecmill/internal/backfill/ledger"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
)

// How many files are read at once at a start, when memory_budget is free: a Parquet file takes up to 26 MiB (measured, of rows with little else than their lineage), of a stream a record batch is held as it lies there and unpacked. Together
// they take less than heapSlack.
const (
	pastLanes   = 8
	streamLanes = 2
)

// resultFiles are a pipeline's files, Parquet or Arrow streams, of which parts are read by themselves: copies mostly come in the order of what they are copies of, of several files at once. It implements pastRows.
type resultFiles struct {
	store  objectstore.Store // at the start
	lanes  int
	names  []string             // of the files
	parts  [][]parquetsink.Part // by file
	cut    []error              // by file: why what lies behind its parts is not known; nil: nothing does
	groups *groups
	list   func(ctx context.Context) (names []string, err error)
}

func openResultFiles(ctx context.Context, p *config.Pipeline, out *config.Parquet, s *stores) (*resultFiles, error) {
	store, prefix, err := s.openPatient(ctx, out.URL)
	if err != nil {
		return nil, err
	}
	hasty, _, err := s.open(ctx, out.URL) // what does not come at once is computed: fetchers wait for it
	if err != nil {
		return nil, err
	}
	f := newResultFiles(store, hasty, pastBytes(p))
	f.list = func(ctx context.Context) ([]string, error) {
		return audit.Parquet{Store: store, Prefix: prefix, Layout: parquetsink.Layout(out.Layout)}.Names(ctx, p.Name)
	}
	return f, nil
}

// newResultFiles is without any. Parts are read of hasty.
func newResultFiles(store, hasty objectstore.Store, bytes int64) *resultFiles {
	f := &resultFiles{store: store}
	f.groups = newGroups(bytes, func(ctx context.Context, at groupAt) ([]schemas.Row, error) {
		p := f.parts[at.file][at.group]
		rows, err := parquetsink.ReadPart(ctx, hasty, f.names[at.file], p)
		if err == nil && int64(len(rows)) != p.Next-p.First {
			err = fmt.Errorf("row group %d: %w: %d rows, and it had %d", at.group, objectstore.ErrChanged, len(rows), p.Next-p.First)
		}
		return rows, err
	})
	return f
}

func (f *resultFiles) close() {}

func (f *resultFiles) place(at ledger.Spot) string { return f.names[at.File] }

// look implements pastRows.
func (f *resultFiles) look(ctx context.Context, r *pastResults) (err error) {
	if f.names, err = f.list(ctx); err != nil {
		return err
	}
	f.parts, f.cut, f.lanes = make([][]parquetsink.Part, len(f.names)), make([]error, len(f.names)), pastLanes
	if slices.ContainsFunc(f.names, isStream) {
		f.lanes = streamLanes
	}
	files := outputFiles{store: f.store, names: f.names, lanes: f.lanes, told: r.told(time.Now)}
	return files.read(ctx, func(ctx context.Context, n int, file notedFile, all *noted) error {
		return f.note(ctx, r, n, file, all)
	})
}

func isStream(name string) bool {
	format, _ := parquetsink.FormatOf(name)
	return format == parquetsink.ArrowStream
}

// note says where a file has results. One whose heads had other options, or are not all there, has none. What of it cannot be read is computed again.
func (f *resultFiles) note(ctx context.Context, r *pastResults, n int, file notedFile, all *noted) error {
	if !r.sameHeads(parseHeads(file.heads)) {
		return nil
	}
	row := uint32(0)
	parts, err := parquetsink.Lineages(ctx, f.store, f.names[n], func(l *schemas.Lineage) error {
		if !all.took(file, l) {
			r.add(l, ledger.Spot{File: uint32(n), Row: row}) // the first row of an object stays
		}
		row++
		return nil
	})
	f.parts[n], f.cut[n] = parts, err
	if err != nil && ctx.Err() == nil && !errors.Is(err, objectstore.ErrNotFound) {
		r.log.Warn("a file of an earlier run cannot be read, and what it has is computed again if it comes", "file", f.names[n], "rows_read", row, "error", err)
		return nil
	}
	return err
}

// pastProgress is how often a start says how far it has come.
const pastProgress = 10 * time.Second

// told says now and then how many files were read.
func (r *pastResults) told(now func() time.Time) func(files, of int) {
	last := now()
	return func(files, of int) {
		if t := now(); t.Sub(last) >= pastProgress {
			last = t
			r.log.Info("results of earlier runs are looked for", "read", files, "files", of)
		}
	}
}

// object implements pastRows. An object's rows lie one after another, over as many parts as it takes.
func (f *resultFiles) object(ctx context.Context, at ledger.Spot, p embed.Priority) (all []schemas.Row, err error) {
	parts := f.parts[at.File]
	n := int64(at.Row)
	for g := sort.Search(len(parts), func(g int) bool { return parts[g].Next > n }); g < len(parts); g++ {
		rows, err := f.groups.get(ctx, groupAt{at.File, g}, p)
		if err != nil {
			return nil, err
		}
		for ; n < parts[g].Next; n++ {
			row := &rows[n-parts[g].First]
			if len(all) > 0 && (row.Offset != all[0].Offset || row.RefID != all[0].RefID) {
				return all, nil
			}
			all = append(all, *row)
		}
	}
	if err := f.cut[at.File]; err != nil {
		return nil, fmt.Errorf("the object may have rows behind the last that could be read: %w", err)
	}
	return all, nil
}
