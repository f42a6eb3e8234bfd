//go:build iceberg

package wire

import (
	"context"
	"errors"
	"fmt"
	"path"

	"vecmill/internal/backfill"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/icebergcatalog"
	"vecmill/sinks/icebergsink"
	"vecmill/sinks/parquetfile"
	"vecmill/stream/manifestsource"
)

// icebergTable enumerates the rows of any table of a catalog. Columns are looked for in the snapshot that is read, whatever the table has now.
func icebergTable(c *config.IcebergCatalog, name string, s *stores, o *PlanOptions) (*backfill.Table, error) {
	at, err := s.icebergAt(c, name)
	if err != nil {
		return nil, err
	}
	open := func(ctx context.Context, id *int64) (backfill.Frozen, error) {
		snap, err := icebergcatalog.OpenSnapshot(ctx, at, id)
		if err != nil {
			if errors.Is(err, icebergcatalog.ErrExpired) {
				err = errExpired(err)
			}
			return nil, fmt.Errorf("%s: %w", o.Source, err)
		}
		rows, err := frozenOf(ctx, snap, o)
		if err = errors.Join(err, snap.Close()); err != nil { // what follows reads files
			return nil, fmt.Errorf("%s: %w", o.Source, err)
		}
		return rows, nil
	}
	return &backfill.Table{Open: open, AtOnce: o.Listers}, nil
}

// frozenRows implements backfill.Frozen.
type frozenRows struct {
	id    *int64
	scan  *icebergcatalog.Scan
	rows  func() (*manifestsource.Rows, error) // for one goroutine
	kinds []parquetfile.Kind                   // of the columns that are read
}

func frozenOf(ctx context.Context, snap *icebergcatalog.Snapshot, o *PlanOptions) (*frozenRows, error) {
	columns, err := snap.Columns()
	if err != nil {
		return nil, err
	}
	f, names, of := &frozenRows{id: snap.ID()}, []string(nil), map[string]icebergcatalog.Column{}
	for _, c := range columns {
		names, of[c.Name] = append(names, c.Name), c
	}
	f.rows = func() (*manifestsource.Rows, error) { return manifestsource.NewRows(o.Source, names, o.Columns) }
	rows, err := f.rows()
	if err != nil {
		return nil, err
	}
	for _, name := range rows.Columns {
		c := of[name]
		if !c.Readable {
			return nil, fmt.Errorf("its column %s is of type %s, neither text nor a whole number", name, c.Type)
		}
		f.kinds = append(f.kinds, c.Kind)
	}
	if !rows.Named() {
		return nil, errors.New("its rows have no names, and a table's rows have no numbers either; --column id=NAME says which column tells them apart")
	}
	f.scan, err = snap.Scan(ctx, "", rows.Columns...)
	return f, err
}

// Snapshot implements backfill.Frozen.
func (f *frozenRows) Snapshot() *int64 { return f.id }

// Files implements backfill.Frozen.
func (f *frozenRows) Files() []string { return f.scan.Files }

// Values implements backfill.Frozen.
func (f *frozenRows) Values(ctx context.Context, file string, behind int64, each func(value []byte) error) error {
	rows, err := f.rows()
	if err != nil {
		return err
	}
	n := int64(0)
	return f.scan.Rows(ctx, file, func(row []parquetfile.Value) error {
		if n++; n <= behind {
			return nil
		}
		place := fmt.Sprintf("row %d of %s, deleted ones not counted", n-1, path.Base(file))
		return each(rows.Value(-1, place, row, func(i int) parquetfile.Kind { return f.kinds[i] }))
	})
}

// icebergAt is a table that is read: with patience, as all that is enumerated.
func (s *stores) icebergAt(c *config.IcebergCatalog, table string) (icebergcatalog.Config, error) {
	at, err := icebergCatalog(c, table, s)
	at.Files = func(ctx context.Context, url string) (icebergsink.Store, string, error) {
		store, name, err := s.file(ctx, url)
		if err != nil {
			return nil, "", err
		}
		return s.patient(store), name, nil
	}
	return at, err
}

// icebergReader opens a table that is an output; nil if there is none yet.
func (s *stores) icebergReader(ctx context.Context, c *config.Iceberg) (*icebergcatalog.Reader, error) {
	at, err := s.icebergAt(&c.Catalog, c.Table)
	if err != nil {
		return nil, err
	}
	r, err := icebergcatalog.OpenReader(ctx, at)
	if errors.Is(err, icebergcatalog.ErrNoTable) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("iceberg: %w", err)
	}
	return r, nil
}

// icebergWorks gives what the rows of a pipeline in a table are of.
func icebergWorks(ctx context.Context, c *config.Iceberg, s *stores, pipeline string, each func(l *schemas.Lineage, heads string) error) error {
	r, err := s.icebergReader(ctx, c)
	if err != nil || r == nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read
	if err := r.Works(ctx, pipeline, each); err != nil {
		return fmt.Errorf("reading what table %s has already: %w", c.Table, err)
	}
	return nil
}
