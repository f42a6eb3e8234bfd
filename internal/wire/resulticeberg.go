//go:build iceberg

package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vecmill/embed"
	"vecmill/internal/backfill/ledger"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/icebergcatalog"
	"vecmill/sinks/icebergsink"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
)

// resultIceberg are the data files of a table. Rows of one object may be in several of them: a table's partitions are files of their own, and others compact what was written. So it is noted which offsets each row group has. It implements pastRows.
type resultIceberg struct {
	pipeline string
	open     func(ctx context.Context) (*icebergcatalog.Reader, error) // nil: there is no table yet
	start    filesOf                                                   // where files are read at the start
	hasty    filesOf                                                   // and then: what does not come at once is computed, fetchers wait for it
	keeps    bool                                                      // rows that tombstones have named
	files    []tableFile
	groups   *groups
	mu       struct {
		sync.Mutex
		sources map[lineageSource][]offsetsAt // in no order
	}
}

// filesOf opens the store of an URL, as icebergsink.Config has it.
type filesOf func(ctx context.Context, url string) (icebergsink.Store, string, error)

// lineageSource is a source as rows tell it.
type lineageSource struct {
	topic     string
	partition int
}

// offsetsAt are the offsets, from first to last, that a row group has rows of.
type offsetsAt struct {
	groupAt
	first, last int64
}

// tableFile is a data file.
type tableFile struct {
	icebergcatalog.DataFile
	ends []int64        // behind which row each row group ends
	runs []pipelineRun  // ascending
	gone map[int64]bool // positions of rows that are deleted
	err  error          // why it is not read
}

// pipelineRun is rows one after the other that are of the pipeline, or are not.
type pipelineRun struct {
	next int64
	ours bool
}

func openResultIceberg(_ context.Context, p *config.Pipeline, c *config.Iceberg, s *stores) (pastRows, error) {
	at, err := s.icebergAt(&c.Catalog, c.Table)
	if err != nil {
		return nil, err
	}
	t := &resultIceberg{pipeline: p.Name, start: filesOf(at.Files), hasty: s.file, keeps: c.Tombstones == "keep"}
	t.mu.sources = map[lineageSource][]offsetsAt{}
	t.open = func(ctx context.Context) (*icebergcatalog.Reader, error) { return s.icebergReader(ctx, c) }
	t.groups = newGroups(pastBytes(p), t.group)
	return t, nil
}

func (t *resultIceberg) close() {}

func (t *resultIceberg) place(at ledger.Spot) string { return t.files[at.File].URL }

// look implements pastRows.
func (t *resultIceberg) look(ctx context.Context, r *pastResults) error {
	reader, err := t.open(ctx)
	if err != nil || reader == nil {
		return err
	}
	defer func() { _ = reader.Close() }() // only read
	if t.keeps && reader.Tombstones(t.pipeline) {
		r.log.Warn("the table keeps rows whose references tombstones have named (tombstones: keep), and does not say which: nothing of it is reused")
		return nil
	}
	all, err := reader.DataFiles(ctx, t.pipeline)
	if err != nil {
		return err
	}
	t.files = make([]tableFile, len(all))
	told := r.told(time.Now)
	var read int
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(pastLanes)
	for n := range all {
		g.Go(func() error {
			f := &t.files[n]
			f.DataFile = all[n]
			if err := t.note(ctx, r, reader, uint32(n)); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				f.err = err
				r.log.Warn("a file of an earlier run cannot be read, and what it has is computed again if it comes", "file", f.URL, "error", err)
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			read++
			told(read, len(all))
			return nil
		})
	}
	return g.Wait()
}

var errForeign = errors.New("it is no Parquet file, or rows of it are deleted otherwise than by position")

// note says where a file has results, and which offsets its row groups have.
func (t *resultIceberg) note(ctx context.Context, r *pastResults, reader *icebergcatalog.Reader, n uint32) error {
	f := &t.files[n]
	if f.Foreign {
		return errForeign
	}
	var err error
	if f.gone, err = reader.Deleted(ctx, &f.DataFile); err != nil {
		return err
	}
	body, size, err := t.start.body(ctx, f.URL)
	if err != nil {
		return err
	}
	if f.ends, err = parquetfile.GroupEnds(body, size); err != nil {
		return err
	}
	if f.runs, err = pipelineRuns(body, size, t.pipeline); err != nil {
		return err
	}
	w := groupWalk{t: t, n: n, at: map[lineageSource]offsetsAt{}}
	sound := map[string]bool{} // heads' options, few, each of many rows
	_, err = parquetfile.Lineages(ctx, body, size, func(l *schemas.Lineage) error {
		row := w.next()
		if !f.ours(row) {
			return nil
		}
		if w.note(l); f.gone[row] { // noted before: who looks for the object's rows has to see that some are deleted
			return nil
		}
		heads := reader.Heads(schemas.SourceID{Pipeline: t.pipeline, Topic: l.Topic, Partition: l.Partition}, l.Offset)
		same, known := sound[heads]
		if !known {
			same = r.sameHeads(parseHeads(heads))
			sound[heads] = same
		}
		if same {
			r.add(l, ledger.Spot{File: n, Row: uint32(row)})
		}
		return nil
	})
	w.end()
	return err
}

// groupWalk goes through the rows of a file, and notes what offsets each of its row groups has.
type groupWalk struct {
	t     *resultIceberg
	n     uint32
	row   int64
	group int
	at    map[lineageSource]offsetsAt
}

// next is the position of the next row.
func (w *groupWalk) next() (row int64) {
	row = w.row
	for ends := w.t.files[w.n].ends; w.group < len(ends) && row >= ends[w.group]; w.group++ {
		w.end()
	}
	w.row++
	return row
}

func (w *groupWalk) note(l *schemas.Lineage) {
	src := lineageSource{l.Topic, l.Partition}
	o, ok := w.at[src]
	if !ok {
		o = offsetsAt{groupAt{w.n, w.group}, l.Offset, l.Offset}
	}
	o.first, o.last = min(o.first, l.Offset), max(o.last, l.Offset)
	w.at[src] = o
}

// end ends a row group.
func (w *groupWalk) end() {
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	for src, o := range w.at {
		w.t.mu.sources[src] = append(w.t.mu.sources[src], o)
	}
	clear(w.at)
}

// ours says whether a row is of the pipeline.
func (f *tableFile) ours(row int64) bool {
	i := sort.Search(len(f.runs), func(i int) bool { return f.runs[i].next > row })
	return i < len(f.runs) && f.runs[i].ours
}

// pipelineRuns reads which rows are of a pipeline: those of one lie beside each other, as they were written.
func pipelineRuns(body io.ReaderAt, size int64, pipeline string) (runs []pipelineRun, err error) {
	row := int64(0)
	err = parquetfile.Scan(body, size, []string{icebergsink.PipelineColumn}, func(v []parquetfile.Value) error {
		row++
		ours := v[0].Text == pipeline
		if n := len(runs); n > 0 && runs[n-1].ours == ours {
			runs[n-1].next = row
			return nil
		}
		runs = append(runs, pipelineRun{row, ours})
		return nil
	})
	return runs, err
}

// body is a data file.
func (open filesOf) body(ctx context.Context, url string) (io.ReaderAt, int64, error) {
	store, name, err := open(ctx, url)
	if err != nil {
		return nil, 0, err
	}
	o, err := store.Stat(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	return objectstore.ReaderAt(ctx, store, o), o.Size, nil
}

// group reads a row group.
func (t *resultIceberg) group(ctx context.Context, at groupAt) ([]schemas.Row, error) {
	body, size, err := t.hasty.body(ctx, t.files[at.file].URL)
	if err != nil {
		return nil, err
	}
	first, next := t.span(at)
	_, rows, err := parquetfile.Group(ctx, body, size, first)
	if err == nil && int64(len(rows)) != next-first {
		err = fmt.Errorf("row group %d: %w: %d rows, and it had %d", at.group, objectstore.ErrChanged, len(rows), next-first)
	}
	return rows, err
}

// span is which rows of its file a row group has.
func (t *resultIceberg) span(at groupAt) (first, next int64) {
	ends := t.files[at.file].ends
	if at.group > 0 {
		first = ends[at.group-1]
	}
	return first, ends[at.group]
}

// mostGroups is how many row groups are read for one object: they are kept as long as there is room for six or so. A table in another order than that of offsets has each object's rows in any of its groups; computing is faster then.
const mostGroups = 4

// object implements pastRows. It looks into every row group that may have rows of the object's offset.
func (t *resultIceberg) object(ctx context.Context, at ledger.Spot, p embed.Priority) (all []schemas.Row, err error) {
	ends := t.files[at.File].ends
	own := groupAt{at.File, sort.Search(len(ends), func(g int) bool { return ends[g] > int64(at.Row) })}
	rows, err := t.groups.get(ctx, own, p)
	if err != nil {
		return nil, err
	}
	first, _ := t.span(own)
	of := rows[int64(at.Row)-first].Lineage
	for n := range t.files {
		if err := t.files[n].err; err != nil {
			return nil, fmt.Errorf("%s may have rows of the object: %w", t.files[n].URL, err)
		}
	}
	var groups []offsetsAt
	for _, o := range t.mu.sources[lineageSource{of.Topic, of.Partition}] { // nobody writes any more
		if of.Offset >= o.first && of.Offset <= o.last {
			groups = append(groups, o)
		}
	}
	if len(groups) > mostGroups {
		return nil, nil
	}
	for _, o := range groups {
		if rows, err = t.groups.get(ctx, o.groupAt, p); err != nil {
			return nil, err
		}
		f := &t.files[o.file]
		first, _ := t.span(o.groupAt)
		for i := range rows {
			row := &rows[i]
			if row.Offset != of.Offset || row.RefID != of.RefID || row.Topic != of.Topic || row.Partition != of.Partition || !f.ours(first+int64(i)) {
				continue
			}
			if f.gone[first+int64(i)] {
				return nil, nil // some of them are deleted
			}
			all = append(all, *row)
		}
	}
	return all, nil
}
