package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"vecmill/embed"
	"vecmill/internal/backfill/ledger"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// pastResults are what a pipeline's output has of contents, which other names may have, too: where they are, in memory, and what they are, read when one comes again.
type pastResults struct {
	model  string // in the rows of this process
	kinds  []ledger.Kind
	index  *ledger.Contents
	from   pastRows
	log    *slog.Logger
	warned atomic.Bool
}

// pastRows is an output that rows are read back from.
type pastRows interface {
	// look tells r of what the output has.
	look(ctx context.Context, r *pastResults) error

	// object reads the rows of the object of which one is at a place that look has told of, and perhaps others' heads' rows of it. They are not to be changed. What an object has lost since is an error, or lacks its first window.
	object(ctx context.Context, at ledger.Spot, p embed.Priority) ([]schemas.Row, error)

	// place is what a person calls it.
	place(at ledger.Spot) string

	close()
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

// openPast reads where results of contents are, of what the pipeline's model, preprocessing and heads have made so far. close gives its memory back.
func openPast(ctx context.Context, p *config.Pipeline, m *loadedModel, s *stores, log *slog.Logger) (*pastResults, error) {
	out := p.PastOutput()
	from, err := openPastRows(ctx, p, out, s)
	if err != nil {
		return nil, err
	}
	r := newPastResults(from)
	r.model, r.kinds, r.log = m.name, kindsOf(p, m), log.With("pipeline", p.Name)
	r.log.Info("results of earlier runs are looked for", "output", out.Kind())
	if err := from.look(ctx, r); err != nil {
		r.close()
		return nil, fmt.Errorf("reading what output %s has already (reuse_outputs): %w", out.Kind(), err)
	}
	r.log.Info("results of earlier runs are known by content", "contents", r.index.Len())
	return r, nil
}

// openPastRows is the table of outputs that rows are read back from; config has the same.
func openPastRows(ctx context.Context, p *config.Pipeline, o *config.Output, s *stores) (pastRows, error) {
	if files, _ := o.Files(); files != nil {
		return openResultFiles(ctx, p, files, s)
	}
	if o.Iceberg != nil {
		return openResultIceberg(ctx, p, o.Iceberg, s)
	}
	return nil, fmt.Errorf("reuse_outputs: rows of output %s are not read back", o.Kind())
}

// newPastResults is without any.
func newPastResults(from pastRows) *pastResults {
	return &pastResults{index: ledger.NewContents(), from: from}
}

// add makes a row's content known, if it is of the pipeline's model and preprocessing: its heads' options are for the caller to look at.
func (r *pastResults) add(l *schemas.Lineage, at ledger.Spot) {
	if beside, ok := besideOf(l); ok && l.ContentHash != "" && r.made(l) {
		r.index.Add(l.ContentHash, beside, at)
	}
}

// sameHeads says whether heads had the options of today, all of them.
func (r *pastResults) sameHeads(options map[string]string) bool {
	return !slices.ContainsFunc(r.kinds, func(k ledger.Kind) bool { return options[k.Head] != k.Options })
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
	object, err := r.from.object(ctx, at, j.Priority)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, context.Canceled) && !r.warned.Swap(true) {
			r.log.Warn("results of an earlier run cannot be read, and are computed again; of others nothing more is said", "at", r.from.place(at), "error", err)
		}
		return nil
	}
	return r.asComputed(object, j.Content, beside)
}

// asComputed is what an engine would make of a content, if rows are that: of this content, of every head, each window from the first on once, by window, then head. Rows of heads that the pipeline had are left out. Texts are copies: what is given is kept
// longer than the row group.
func (r *pastResults) asComputed(rows []schemas.Row, content, beside string) (all []schemas.Row) {
	type place struct{ head, window int }
	seen, windows, last := map[place]bool{}, make([]int, len(r.kinds)), make([]int, len(r.kinds))
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
		last[h] = max(last[h], l.Window)
		row := schemas.Row{Payload: rows[i].Payload, Lineage: schemas.Lineage{
			Modality: schemas.Modality(strings.Clone(string(l.Modality))), Model: r.model, ModelDigest: r.kinds[h].Model, PreprocessDigest: r.kinds[h].Preprocess,
			Head: r.kinds[h].Head, Task: schemas.Task(strings.Clone(string(l.Task))),
			Window: l.Window, WindowStart: l.WindowStart, WindowEnd: l.WindowEnd, Truncated: l.Truncated, Attributes: notesOf(l.Attributes),
		}}
		row.Own()
		all = append(all, row)
	}
	for h, n := range windows {
		if n == 0 || last[h] != n-1 {
			return nil
		}
	}
	head := func(row *schemas.Row) int {
		return slices.IndexFunc(r.kinds, func(k ledger.Kind) bool { return k.Head == row.Head })
	}
	slices.SortFunc(all, func(a, b schemas.Row) int {
		return cmp.Or(cmp.Compare(a.Window, b.Window), cmp.Compare(head(&a), head(&b)))
	})
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

func (r *pastResults) close() {
	r.index.Close()
	r.from.close()
}
