package audit

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
)

// Parquet is a place for files of parquetsink, of either format and in either layout: one chain per source, each file named by where it begins. It implements Output. Every file is looked at by itself, so that
// a chain that its own writer would refuse is examined to the end.
type Parquet struct {
	Store  objectstore.Store
	Prefix string
	Layout parquetsink.Layout // "" is Plain
}

func (q Parquet) layout() parquetsink.Layout { return cmp.Or(q.Layout, parquetsink.Plain) }

// Sources implements Output. It fails if the pipeline has files in another layout, too: they would be left out of the account.
func (q Parquet) Sources(ctx context.Context, pipeline string) ([]schemas.SourceID, error) {
	for _, y := range parquetsink.Layouts() {
		if y == q.layout() {
			continue
		}
		others, err := q.sources(ctx, y, pipeline)
		if err != nil {
			return nil, err
		}
		if len(others) > 0 {
			return nil, fmt.Errorf("%s has files of layout %s, beside or instead of the configuration's layout %s: audit them by a configuration with that layout, and move one of the two", y.Root(q.Prefix, pipeline), y, q.layout())
		}
	}
	return q.sources(ctx, q.layout(), pipeline)
}

func (q Parquet) sources(ctx context.Context, y parquetsink.Layout, pipeline string) ([]schemas.SourceID, error) {
	root := y.Root(q.Prefix, pipeline)
	names, err := q.Store.List(ctx, root, "")
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", root, err)
	}
	seen := map[schemas.SourceID]bool{}
	var out []schemas.SourceID
	for _, n := range names {
		if src, ok := y.Source(q.Prefix, pipeline, n); ok && !seen[src] {
			seen[src] = true
			out = append(out, src)
		}
	}
	slices.SortFunc(out, func(a, b schemas.SourceID) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return a.Partition - b.Partition
	})
	return out, nil
}

// Partitions implements Output, in the configuration's layout alone.
func (q Parquet) Partitions(ctx context.Context, pipeline, topic string) (parts []int, err error) {
	dir := path.Dir(q.layout().Dir(q.Prefix, schemas.SourceID{Pipeline: pipeline, Topic: topic})) + "/"
	names, err := q.Store.List(ctx, dir, "")
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", dir, err)
	}
	for _, n := range names {
		if src, ok := q.layout().Source(q.Prefix, pipeline, n); ok {
			parts = append(parts, src.Partition)
		}
	}
	slices.Sort(parts)
	return slices.Compact(parts), nil
}

// Names are the files of a pipeline, source by source, in the order of their offsets.
func (q Parquet) Names(ctx context.Context, pipeline string) (all []string, err error) {
	sources, err := q.Sources(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	for _, src := range sources {
		names, err := q.NamesOf(ctx, src)
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	return all, nil
}

// NamesOf are the files of a source, in the order of their offsets.
func (q Parquet) NamesOf(ctx context.Context, src schemas.SourceID) ([]string, error) {
	dir := q.layout().Dir(q.Prefix, src) + "/"
	names, err := q.Store.List(ctx, dir, "")
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", dir, err)
	}
	return slices.DeleteFunc(names, func(n string) bool { return !q.isFile(n, dir) }), nil
}

// isFile says whether a name in a source's directory is one of its chain's.
func (q Parquet) isFile(name, dir string) bool {
	_, ok := parquetsink.FormatOf(name)
	return ok && (q.layout() != parquetsink.Plain || !strings.Contains(name[len(dir):], "/"))
}

// Parts implements Output.
func (q Parquet) Parts(ctx context.Context, src schemas.SourceID, each func(Part) error) error {
	dir := q.layout().Dir(q.Prefix, src) + "/"
	names, err := q.Store.List(ctx, dir, "")
	if err != nil {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	var before parquetsink.FileInfo
	for _, n := range names {
		if !q.isFile(n, dir) {
			continue
		}
		p, info := q.part(ctx, n, src)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if p.Err == nil && before.Name != "" && info.Range.First == before.Range.Next && info.Day != before.NextDay {
			p.Err = fmt.Errorf("is behind %s, which says that the next file is of day %s: somebody removed a file between them", before.Name, before.NextDay)
		}
		before = info
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

func (q Parquet) part(ctx context.Context, name string, src schemas.SourceID) (Part, parquetsink.FileInfo) {
	p := Part{Name: name}
	info, err := parquetsink.Stat(ctx, q.Store, name)
	if err != nil {
		p.Err = fmt.Errorf("cannot be read: %w", err)
		return p, info
	}
	p.Range = info.Range
	named := info
	named.Range.Source = src
	switch {
	case name != q.layout().Name(q.Prefix, &named):
		p.Err = fmt.Errorf("says that it begins at offset %d%s: somebody renamed or copied it", info.Range.First, ofDay(info.Day))
		return p, info
	case info.Range.Source != src:
		p.Err = fmt.Errorf("says that it is of %s: somebody moved it", info.Range.Source)
		return p, info
	}
	err = parquetsink.ScanLineage(ctx, q.Store, name, func(l *schemas.Lineage) error {
		if int64(len(p.Rows)) == info.Rows {
			return fmt.Errorf("has more than the %d rows that it says", info.Rows)
		}
		p.Rows = append(p.Rows, Row{Source: schemas.SourceID{Topic: l.Topic, Partition: l.Partition}, Offset: l.Offset, ID: l.RowID, Model: l.ModelDigest})
		return nil
	})
	switch {
	case err != nil:
		p.Err, p.Rows = fmt.Errorf("cannot be read: %w", err), nil
	case int64(len(p.Rows)) != info.Rows:
		p.Err = fmt.Errorf("says that it has %d rows, and has %d", info.Rows, len(p.Rows))
	}
	return p, info
}

func ofDay(day string) string {
	if day == "" {
		return ""
	}
	return " of day " + day
}
