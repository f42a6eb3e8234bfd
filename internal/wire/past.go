package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"vecmill/internal/audit"
	"vecmill/internal/backfill"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/pgvectorsink"
)

// past is an output as a recomputation sees it: what it has of each source, and the references behind its rows. Close lets it go.
type past interface {
	// sources are those of a pipeline that the output has anything of.
	sources(ctx context.Context, pipeline string) ([]schemas.SourceID, error)

	// look has what follows see all that is written by now.
	look(ctx context.Context) error

	// span is where the output's part of a source begins, behind what was skipped to get there, and ends; known is false if it has none. It begins at -1 if that is not told any more.
	span(ctx context.Context, src schemas.SourceID) (s schemas.Span, known bool, err error)

	// ranges are what the output was given of a source in a span: by ascending offset, whole where they reach out of it, with the fate of each offset and with deletions, as far as these are told. What is not told any more is in none of them.
	ranges(ctx context.Context, src schemas.SourceID, in schemas.Span) ([]schemas.Range, error)

	// nameless are offsets of tombstones of a source, of which it is not told what they delete: in its ranges they are not.
	nameless(src schemas.SourceID) []schemas.Span

	// madeBy is what made late rows; the zero value without rows.
	madeBy(ctx context.Context, pipeline string) (maker, error)

	// heads are the options that heads had when the row of an offset was made, as formatHeads writes them; "" where they are not known.
	heads(ctx context.Context, src schemas.SourceID, offset int64) (string, error)

	// rows calls each for every row of a source whose offset lies in a span, with its reference's id, its place, the digests of its object and of what made it, and its attributes. The error of each ends it.
	rows(ctx context.Context, src schemas.SourceID, in schemas.Span, each func(l *schemas.Lineage) error) error

	// references enumerates what the rows of a pipeline came from; atOnce is how many files may be read at once.
	references(pipeline string, bounds func(ctx context.Context) ([]backfill.Bound, error), atOnce int) backfill.Source

	close()
}

// maker is what makes rows, as they tell it: the digests of model and preprocessing, and the heads' options as formatHeads writes them; "" where those are not known.
type maker struct{ model, preprocess, heads string }

func (m *loadedModel) maker() maker { return maker{m.digest, m.pre.Digest(), formatHeads(m.options)} }

// sorted is a maker whose heads are in an order of their own: which of them is configured first changes no row.
func (m maker) sorted() maker {
	m.heads = sortedHeads(m.heads)
	return m
}

// like says whether rows of two makers may be one list's. What they do not tell is not held against them.
func (m maker) like(o maker) bool {
	m, o = m.sorted(), o.sorted()
	unlike := func(a, b string) bool { return a != "" && b != "" && a != b }
	return !unlike(m.model, o.model) && !unlike(m.preprocess, o.preprocess) && !unlike(m.heads, o.heads)
}

// sortedHeads is what formatHeads writes, in an order of its own.
func sortedHeads(text string) string {
	words := strings.Split(text, ",")
	slices.Sort(words)
	return strings.Join(words, ",")
}

// pastOf is the first required output of a pipeline whose rows can be computed again, for required outputs agree.
func pastOf(ctx context.Context, s *stores, p *config.Pipeline) (past, error) {
	for i := range p.Outputs {
		if p.Outputs[i].BestEffort {
			continue
		}
		out, err := pastIn(ctx, s, &p.Outputs[i])
		if !errors.Is(err, errNoAccount) {
			return out, err
		}
	}
	return nil, fmt.Errorf("pipeline %s has no required output that says where its rows came from: parquet, arrow, postgres or iceberg", p.Name)
}

// pastsOf are all required outputs of a pipeline that keep account of what they have. One may be behind another for as long as it holds rows back. close lets them go.
func pastsOf(ctx context.Context, s *stores, p *config.Pipeline) (all []past, closeAll func(), err error) {
	closeAll = func() {
		for _, out := range all {
			out.close()
		}
	}
	for i := range p.Outputs {
		if p.Outputs[i].BestEffort {
			continue
		}
		out, err := pastIn(ctx, s, &p.Outputs[i])
		if errors.Is(err, errNoAccount) {
			continue
		}
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		all = append(all, out)
	}
	if len(all) == 0 {
		return nil, nil, errNoneTells
	}
	return all, closeAll, nil
}

// pastIn is the table of outputs whose rows can be computed again.
func pastIn(ctx context.Context, s *stores, o *config.Output) (past, error) {
	if files, _ := o.Files(); files != nil {
		store, prefix, err := s.openPatient(ctx, files.URL)
		return &pastFiles{store: store, prefix: prefix, layout: parquetsink.Layout(files.Layout), seen: map[schemas.SourceID]schemas.Span{}}, err
	}
	switch {
	case o.Postgres != nil:
		r, err := pgvectorsink.OpenReader(ctx, o.Postgres.URL.Reveal(), o.Postgres.Table)
		return &pastTable{r}, err
	case o.Iceberg != nil:
		return openPastIceberg(ctx, s, o.Iceberg)
	}
	return nil, errNoAccount
}

// pastFiles implements past. It is for one goroutine.
type pastFiles struct {
	store  objectstore.Store
	prefix string
	layout parquetsink.Layout
	seen   map[schemas.SourceID]schemas.Span // where chains begin, and how far they came when they were looked at last: files do not change, so that only what came since is looked at again
}

func (p *pastFiles) close() {}

func (p *pastFiles) look(context.Context) error { return nil }

func (p *pastFiles) audited() audit.Parquet {
	return audit.Parquet{Store: p.store, Prefix: p.prefix, Layout: p.layout}
}

func (p *pastFiles) sources(ctx context.Context, pipeline string) ([]schemas.SourceID, error) {
	return p.audited().Sources(ctx, pipeline)
}

func (p *pastFiles) span(ctx context.Context, src schemas.SourceID) (s schemas.Span, known bool, err error) {
	s, known = p.seen[src]
	files, err := p.layout.Chain(ctx, p.store, p.prefix, src, s.Next)
	if err != nil || len(files) == 0 {
		return schemas.Span{}, false, err
	}
	if !known {
		s.First = files[0].Origin
	}
	s.Next = files[len(files)-1].Range.Next
	p.seen[src] = s
	return s, true, nil
}

func (p *pastFiles) ranges(ctx context.Context, src schemas.SourceID, in schemas.Span) (all []schemas.Range, err error) {
	files, err := p.layout.ChainIn(ctx, p.store, p.prefix, src, in)
	for i := range files {
		if r := &files[i].Range; r.Next > in.First {
			all = append(all, *r)
		}
	}
	return all, err
}

// nameless implements past: files name all deletions.
func (p *pastFiles) nameless(schemas.SourceID) []schemas.Span { return nil }

// madeBy looks at the last files of each source, until one has rows.
func (p *pastFiles) madeBy(ctx context.Context, pipeline string) (by maker, err error) {
	sources, err := p.sources(ctx, pipeline)
	if err != nil {
		return by, err
	}
	late := make([]parquetsink.FileInfo, len(sources))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(madeByAtOnce)
	for i, src := range sources {
		group.Go(func() (err error) {
			late[i], err = p.lateRows(gctx, src)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return by, err
	}
	latest := slices.MaxFunc(append(late, parquetsink.FileInfo{}), func(a, b parquetsink.FileInfo) int { return a.Created.Compare(b.Created) })
	return maker{latest.Metadata["model-digest"], latest.Metadata["preprocess-digest"], latest.Metadata[headsKey]}, nil
}

// madeByAtOnce is how many sources are asked at once for their last file.
const madeByAtOnce = 16

// lateRows is the last file of a source that has rows; the zero value if there is none.
func (p *pastFiles) lateRows(ctx context.Context, src schemas.SourceID) (info parquetsink.FileInfo, err error) {
	names, err := p.audited().NamesOf(ctx, src)
	if err != nil {
		return info, err
	}
	for _, name := range slices.Backward(names) {
		if info, err = parquetsink.Stat(ctx, p.store, name); err != nil {
			return info, fmt.Errorf("reading %s: %w", name, err)
		}
		if info.Rows > 0 {
			return info, nil
		}
	}
	return parquetsink.FileInfo{}, nil
}

func (p *pastFiles) heads(ctx context.Context, src schemas.SourceID, offset int64) (string, error) {
	files, err := p.layout.ChainIn(ctx, p.store, p.prefix, src, schemas.Span{First: offset, Next: offset + 1})
	if err != nil || len(files) == 0 {
		return "", err
	}
	return files[len(files)-1].Metadata[headsKey], nil
}

// errBefore ends the reading of a file before the rows that are wanted.
var errBefore = errors.New("the rest lies before what is wanted")

func (p *pastFiles) rows(ctx context.Context, src schemas.SourceID, in schemas.Span, each func(l *schemas.Lineage) error) error {
	files, err := p.layout.ChainIn(ctx, p.store, p.prefix, src, in)
	if err != nil {
		return err
	}
	for i := range files {
		if files[i].Rows == 0 {
			continue
		}
		if err := parquetsink.Backwards(ctx, p.store, files[i].Name, func(l *schemas.Lineage) error {
			switch {
			case l.Offset < in.First:
				return errBefore
			case l.Offset >= in.Next:
				return nil
			}
			return each(l)
		}); err != nil && !errors.Is(err, errBefore) {
			return err
		}
	}
	return nil
}

func (p *pastFiles) references(_ string, bounds func(ctx context.Context) ([]backfill.Bound, error), atOnce int) backfill.Source {
	return &backfill.PastFiles{
		Bounds: bounds, AtOnce: atOnce,
		List: func(ctx context.Context, src schemas.SourceID) (all []backfill.PastFile, err error) {
			files, err := p.layout.Chain(ctx, p.store, p.prefix, src, 0)
			for i := range files {
				all = append(all, backfill.PastFile{Name: files[i].Name, Range: files[i].Range, Created: files[i].Created})
			}
			return all, err
		},
		Rows: func(ctx context.Context, file string, each func(l *schemas.Lineage) error) error {
			return parquetsink.Backwards(ctx, p.store, file, each)
		},
	}
}

// pastTable implements past.
type pastTable struct{ r *pgvectorsink.Reader }

func (p *pastTable) close() { p.r.Close() }

func (p *pastTable) look(context.Context) error { return nil }

func (p *pastTable) sources(ctx context.Context, pipeline string) ([]schemas.SourceID, error) {
	return p.r.Sources(ctx, pipeline)
}

func (p *pastTable) span(ctx context.Context, src schemas.SourceID) (s schemas.Span, known bool, err error) {
	if s.First, known, err = p.r.Begin(ctx, src); err != nil || !known {
		return s, false, err
	}
	s.Next, known, err = p.r.Next(ctx, src)
	return s, known, err
}

func (p *pastTable) ranges(ctx context.Context, src schemas.SourceID, in schemas.Span) ([]schemas.Range, error) {
	return p.r.Covered(ctx, src, in)
}

// nameless implements past: transactions name all deletions.
func (p *pastTable) nameless(schemas.SourceID) []schemas.Span { return nil }

func (p *pastTable) madeBy(ctx context.Context, pipeline string) (by maker, err error) {
	rows, err := p.r.Latest(ctx, pipeline, "", 1)
	if err != nil || len(rows) == 0 {
		return by, err
	}
	by.model, by.preprocess = rows[0].ModelDigest, rows[0].PreprocessDigest
	by.heads, err = p.r.Heads(ctx, schemas.SourceID{Pipeline: pipeline, Topic: rows[0].Topic, Partition: rows[0].Partition}, rows[0].Offset)
	return by, err
}

func (p *pastTable) heads(ctx context.Context, src schemas.SourceID, offset int64) (string, error) {
	return p.r.Heads(ctx, src, offset)
}

func (p *pastTable) rows(ctx context.Context, src schemas.SourceID, in schemas.Span, each func(l *schemas.Lineage) error) error {
	return p.r.Came(ctx, src, in, each)
}

func (p *pastTable) references(pipeline string, bounds func(ctx context.Context) ([]backfill.Bound, error), _ int) backfill.Source {
	return &backfill.PastTable{
		Bounds: bounds,
		Page: func(ctx context.Context, after string, n int) ([]schemas.Lineage, error) {
			return p.r.Latest(ctx, pipeline, after, n)
		},
	}
}
