package audit

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
)

// Parquet is the plain layout of Parquet files: one chain per source, each file named by its first offset. It implements Output. Every file is looked at by itself, so that
// a chain that its own writer would refuse is examined to the end.
type Parquet struct {
	Store  objectstore.Store
	Prefix string
}

// Sources implements Output.
func (q Parquet) Sources(ctx context.Context, pipeline string) ([]schemas.SourceID, error) {
	root := path.Dir(path.Dir(parquetsink.Dir(q.Prefix, schemas.SourceID{Pipeline: pipeline, Topic: "t"}))) + "/"
	names, err := q.Store.List(ctx, root, "")
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", root, err)
	}
	seen := map[schemas.SourceID]bool{}
	var out []schemas.SourceID
	for _, n := range names {
		parts := strings.Split(strings.TrimPrefix(n, root), "/")
		if len(parts) != 3 || !strings.HasSuffix(n, ".parquet") {
			continue
		}
		topic, err := url.PathUnescape(parts[0])
		number, perr := strconv.Atoi(parts[1])
		if err != nil || perr != nil {
			continue
		}
		if src := (schemas.SourceID{Pipeline: pipeline, Topic: topic, Partition: number}); !seen[src] {
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

// Parts implements Output.
func (q Parquet) Parts(ctx context.Context, src schemas.SourceID, each func(Part) error) error {
	dir := parquetsink.Dir(q.Prefix, src) + "/"
	names, err := q.Store.List(ctx, dir, "")
	if err != nil {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	for _, n := range names {
		if strings.Contains(n[len(dir):], "/") || !strings.HasSuffix(n, ".parquet") {
			continue
		}
		p := q.part(ctx, dir, n, src)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

func (q Parquet) part(ctx context.Context, dir, name string, src schemas.SourceID) Part {
	p := Part{Name: name}
	info, err := parquetsink.Stat(ctx, q.Store, name)
	if err != nil {
		p.Err = fmt.Errorf("cannot be read: %w", err)
		return p
	}
	p.Range = info.Range
	switch want := fmt.Sprintf("%s%020d.parquet", dir, info.Range.First); {
	case name != want:
		p.Err = fmt.Errorf("says that it begins at offset %d: somebody renamed or copied it", info.Range.First)
		return p
	case info.Range.Source != src:
		p.Err = fmt.Errorf("says that it is of %s: somebody moved it", info.Range.Source)
		return p
	}
	rows, err := parquetsink.ReadRows(ctx, q.Store, name)
	if err != nil {
		p.Err = fmt.Errorf("cannot be read: %w", err)
		return p
	}
	if int64(len(rows)) != info.Rows {
		p.Err = fmt.Errorf("says that it has %d rows, and has %d", info.Rows, len(rows))
	}
	for i := range rows {
		l := &rows[i].Lineage
		p.Rows = append(p.Rows, Row{Source: schemas.SourceID{Topic: l.Topic, Partition: l.Partition}, Offset: l.Offset, ID: l.RowID, Model: l.ModelDigest})
	}
	return p
}
