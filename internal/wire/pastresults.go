package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"vecmill/embed"
	"vecmill/internal/audit"
	"vecmill/internal/backfill/ledger"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
)

// pastLanes is how many files are read at once at a start: each takes up to 26 MiB (measured, of rows with little else than their lineage), together less than heapSlack, and memory_budget is free then.
const pastLanes = 8

// pastResults are what a pipeline's files have of contents, which other names may have, too: where they are, in memory, and what they are, read when one comes again. Row group by row group: copies mostly come in the
// order of what they are copies of, of several files at once.
type pastResults struct {
	store  objectstore.Store // at the start
	names  []string          // of the files
	ends   [][]int64         // by file: behind which row each row group ends
	model  string            // in the rows of this process
	kinds  []ledger.Kind
	index  *ledger.Contents
	groups *groups
	log    *slog.Logger
	warned atomic.Bool
}

// warnOfHeads says that outputs cannot say which options their heads had.
func warnOfHeads(log *slog.Logger, pipeline string, heads int, all []headOptions) {
	if len(all) < heads {
		log.Warn("the options of a head have no digest, as an infinite number has none: plans compute everything again, and reuse_outputs finds nothing; take a finite one", "pipeline", pipeline)
	}
	if len(all) > 0 && formatHeads(all) == "" {
		log.Warn("the names of heads take too much room for outputs to say which options heads had: plans compute everything again, and reuse_outputs finds nothing; name them shorter", "pipeline", pipeline, "heads", len(all), "most_bytes", mostHeadsText)
	}
}

// openPast reads where results of contents are, of what the pipeline's model, preprocessing and heads have made so far. Close gives its memory back.
func openPast(ctx context.Context, p *config.Pipeline, m *loadedModel, s *stores, log *slog.Logger) (*pastResults, error) {
	out := p.PastFiles()
	store, prefix, err := s.openPatient(ctx, out.URL)
	if err != nil {
		return nil, err
	}
	hasty, _, err := s.open(ctx, out.URL) // what does not come at once is computed: fetchers wait for it
	if err != nil {
		return nil, err
	}
	r := newPastResults(store, hasty, pastBytes(p))
	r.model, r.kinds, r.log = m.name, kindsOf(p, m), log.With("pipeline", p.Name)
	q := audit.Parquet{Store: store, Prefix: prefix, Layout: parquetsink.Layout(out.Layout)}
	names, err := q.Names(ctx, p.Name)
	if err == nil {
		r.log.Info("results of earlier runs are looked for", "url", out.URL, "files", len(names))
		err = r.look(ctx, names)
	}
	if err != nil {
		r.index.Close()
		return nil, fmt.Errorf("reading what %s has already (reuse_outputs): %w", out.URL, err)
	}
	r.log.Info("results of earlier runs are known by content", "contents", r.index.Len(), "files", len(r.names))
	return r, nil
}

// newPastResults is without any. Row groups are read of hasty.
func newPastResults(store, hasty objectstore.Store, bytes int64) *pastResults {
	r := &pastResults{store: store, index: ledger.NewContents()}
	r.groups = newGroups(bytes, func(ctx context.Context, at groupAt) ([]schemas.Row, error) {
		_, rows, err := parquetsink.Group(ctx, hasty, r.names[at.file], r.firstOf(at))
		return rows, err
	})
	return r
}

// look looks for results in files.
func (r *pastResults) look(ctx context.Context, names []string) error {
	r.names, r.ends = names, make([][]int64, len(names))
	files := outputFiles{store: r.store, names: names, lanes: pastLanes, told: r.told(time.Now)}
	return files.read(ctx, r.note)
}

// note says where a file has results. One whose heads had other options, or are not all there, has none; neither has a stream, of which no part can be read by itself. What of it cannot be read is computed again.
func (r *pastResults) note(ctx context.Context, n int, f notedFile, all *noted) error {
	options := parseHeads(f.heads)
	for _, k := range r.kinds {
		if options[k.Head] != k.Options {
			return nil
		}
	}
	if format, _ := parquetsink.FormatOf(r.names[n]); format != parquetsink.Parquet {
		return nil
	}
	row := uint32(0)
	var err error
	r.ends[n], err = parquetsink.Lineages(ctx, r.store, r.names[n], func(l *schemas.Lineage) error {
		if beside, ok := besideOf(l); ok && l.ContentHash != "" && r.made(l) && !all.took(f, l) {
			r.index.Add(l.ContentHash, beside, ledger.Spot{File: uint32(n), Row: row}) // the first row of an object stays
		}
		row++
		return nil
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, objectstore.ErrNotFound) {
		r.log.Warn("a file of an earlier run cannot be read, and what it has is computed again if it comes", "file", r.names[n], "rows_read", row, "error", err)
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

// made says whether a row is of the pipeline's model and preprocessing as they are.
func (r *pastResults) made(l *schemas.Lineage) bool {
	return l.ModelDigest == r.kinds[0].Model && l.PreprocessDigest == r.kinds[0].Preprocess
}

// give implements embed.Past. What cannot be read is computed.
func (r *pastResults) give(ctx context.Context, j *embed.Job) []schemas.Row {
	beside := j.Ref.CompanionHash()
	if beside == "" && j.Ref.Companion() != "" {
		return nil // an empty text, of which rows say nothing
	}
	at, ok := r.index.Find(j.Content, beside)
	if !ok {
		return nil
	}
	object, err := r.object(ctx, at, j.Priority)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, context.Canceled) && !r.warned.Swap(true) {
			r.log.Warn("results of an earlier run cannot be read, and are computed again; of others nothing more is said", "file", r.names[at.File], "error", err)
		}
		return nil
	}
	return r.asComputed(object, j.Content, beside)
}

// firstOf is the first row of a row group.
func (r *pastResults) firstOf(at groupAt) int64 {
	if at.group == 0 {
		return 0
	}
	return r.ends[at.file][at.group-1]
}

// object reads the rows of the object whose first row is at a place: they lie one after another, over as many row groups as it takes.
func (r *pastResults) object(ctx context.Context, at ledger.Spot, p embed.Priority) (all []schemas.Row, err error) {
	ends := r.ends[at.File]
	n := int64(at.Row)
	for g, _ := slices.BinarySearch(ends, n+1); g < len(ends); g++ {
		of := groupAt{at.File, g}
		rows, err := r.groups.get(ctx, of, p)
		if err != nil {
			return nil, err
		}
		first := r.firstOf(of)
		if int64(len(rows)) != ends[g]-first {
			return nil, fmt.Errorf("row group %d: %w: %d rows, and it had %d", g, objectstore.ErrChanged, len(rows), ends[g]-first)
		}
		for ; n < ends[g]; n++ {
			row := &rows[n-first]
			if len(all) > 0 && (row.Offset != all[0].Offset || row.RefID != all[0].RefID) {
				return all, nil
			}
			all = append(all, *row)
		}
	}
	return all, nil
}

// asComputed is what an engine would make of a content, if rows are that: of this content, of every head, each window once. Rows of heads that the pipeline had are left out. Texts are copies: what is given is kept
// longer than the row group.
func (r *pastResults) asComputed(rows []schemas.Row, content, beside string) (all []schemas.Row) {
	type place struct{ head, window int }
	seen, windows := map[place]bool{}, make([]int, len(r.kinds))
	for i := range rows {
		l := &rows[i].Lineage
		h := slices.IndexFunc(r.kinds, func(k ledger.Kind) bool { return k.Head == l.Head })
		if h < 0 {
			continue
		}
		at := place{h, l.Window}
		if with, ok := besideOf(l); !ok || with != beside || l.ContentHash != content || !r.made(l) || seen[at] {
			return nil
		}
		seen[at] = true
		windows[h]++
		row := schemas.Row{Payload: rows[i].Payload, Lineage: schemas.Lineage{
			Modality: schemas.Modality(strings.Clone(string(l.Modality))), Model: r.model, ModelDigest: r.kinds[h].Model, PreprocessDigest: r.kinds[h].Preprocess,
			Head: r.kinds[h].Head, Task: schemas.Task(strings.Clone(string(l.Task))),
			Window: l.Window, WindowStart: l.WindowStart, WindowEnd: l.WindowEnd, Truncated: l.Truncated, Attributes: notesOf(l.Attributes),
		}}
		row.Own()
		all = append(all, row)
	}
	if slices.Contains(windows, 0) {
		return nil
	}
	return all
}

// notesOf are the attributes of a row that preprocessing found out; the others were its reference's own.
func notesOf(attributes map[string]string) (notes map[string]string) {
	for name, v := range attributes {
		if schemas.IsNote(name) {
			if notes == nil {
				notes = map[string]string{}
			}
			notes[strings.Clone(name)] = strings.Clone(v)
		}
	}
	return notes
}

func (r *pastResults) close() { r.index.Close() }
