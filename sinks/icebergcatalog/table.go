package icebergcatalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
)

// digestProperty is the table's property with the digest of the one model whose rows it takes.
const digestProperty = "vecmill.model-digest"

// errMisfit says that the table is not one for these rows. It comes with icebergsink.ErrRefused.
var errMisfit = schemas.OfPlace(schemas.PlaceLayout, fmt.Errorf("%w: the table does not fit", icebergsink.ErrRefused))

// Table implements icebergsink.Table.
type Table struct {
	cfg   Config
	cat   catalog.Catalog
	stop  func() error
	id    table.Identifier
	files *shared // cfg.Files is its
}

// Close lets the catalog go.
func (t *Table) Close() error { return t.stop() }

// load gets the table with our own files.
func (t *Table) load(ctx context.Context) (*table.Table, error) {
	got, err := t.cat.LoadTable(withFiles(ctx, t.cfg.Files), t.id)
	if err != nil {
		return nil, fmt.Errorf("loading table %s: %w", t.cfg.Table, explain(err))
	}
	fs := func(ctx context.Context) (icebergio.IO, error) { return files{ctx, t.cfg.Files}, nil }
	return table.New(got.Identifier(), got.Metadata(), got.MetadataLocation(), fs, bound{t.cat, t.cfg.Files}), nil
}

// bound is a catalog whose own calls find our files.
type bound struct {
	catalog.Catalog
	open OpenFile
}

// LoadTable implements table.CatalogIO.
func (b bound) LoadTable(ctx context.Context, id table.Identifier) (*table.Table, error) {
	return b.Catalog.LoadTable(withFiles(ctx, b.open), id)
}

// CommitTable implements table.CatalogIO.
func (b bound) CommitTable(ctx context.Context, id table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	return b.Catalog.CommitTable(withFiles(ctx, b.open), id, reqs, updates)
}

// Load implements icebergsink.Table.
func (t *Table) Load(ctx context.Context) (icebergsink.View, error) {
	tbl, err := t.load(ctx)
	if err != nil {
		return icebergsink.View{}, err
	}
	if err := t.checkDigest(tbl); err != nil {
		return icebergsink.View{}, err
	}
	return t.view(tbl)
}

func (t *Table) checkDigest(tbl *table.Table) error {
	switch got := tbl.Properties()[digestProperty]; got {
	case t.cfg.ModelDigest:
		return nil
	case "":
		return fmt.Errorf("%w: table %s has lost its property %s: set it to the digest of the model whose rows it has", errMisfit, t.cfg.Table, digestProperty)
	default:
		return schemas.OfPlace(schemas.PlaceModel, fmt.Errorf("%w: table %s has rows of model %s, and this pipeline's is %s; results of two models cannot be compared: give each a table of its own",
			errMisfit, t.cfg.Table, got, t.cfg.ModelDigest))
	}
}

func (t *Table) view(tbl *table.Table) (icebergsink.View, error) {
	meta := tbl.Metadata()
	ids, _ := paths(meta.CurrentSchema())
	v := icebergsink.View{
		ID: meta.TableUUID().String(), Handle: tbl,
		Dir:     strings.TrimRight(tbl.Properties().Get("write.data.path", strings.TrimRight(tbl.Location(), "/")+"/data"), "/"),
		FieldID: func(path string) (int, bool) { id, ok := ids[path]; return id, ok },
	}
	v.Ancestors, v.Truncated = ancestors(meta)
	var err error
	v.Partition, err = partitioner(meta.PartitionSpec(), meta.CurrentSchema())
	return v, err
}

// ancestors are the current snapshot and those before it.
func ancestors(meta table.Metadata) (all []icebergsink.Snapshot, truncated bool) {
	for s := meta.CurrentSnapshot(); s != nil; {
		one := icebergsink.Snapshot{ID: s.SnapshotID}
		if s.Summary != nil {
			one.Summary = s.Summary.Properties
		}
		all = append(all, one)
		if s.ParentSnapshotID == nil {
			return all, false
		}
		if s = meta.SnapshotByID(*s.ParentSnapshotID); s == nil {
			return all, true
		}
	}
	return all, false
}

// Append implements icebergsink.Table.
func (t *Table) Append(ctx context.Context, v icebergsink.View, d icebergsink.Delta, summary map[string]string) error {
	tbl, ok := v.Handle.(*table.Table)
	if !ok {
		return errors.New("the view is of another table")
	}
	txn := tbl.NewTransaction()
	if err := txn.AssertRefSnapshotID(table.MainBranch); err != nil { // C1: or the library may put the snapshot on another one than v's
		return fmt.Errorf("appending to table %s: %w", t.cfg.Table, err)
	}
	if err := stage(ctx, txn, tbl, d, summary); err != nil {
		return fmt.Errorf("appending to table %s: %w", t.cfg.Table, err)
	}
	if _, err := txn.Commit(ctx); err != nil {
		return fmt.Errorf("appending to table %s: %w", t.cfg.Table, explain(err))
	}
	return nil
}

func stage(ctx context.Context, txn *table.Transaction, tbl *table.Table, d icebergsink.Delta, summary map[string]string) error {
	if len(d.Data)+len(d.Deletes) == 0 { // the library makes a snapshot without files of a reader without records
		sc, err := table.SchemaToArrowSchema(tbl.Schema(), nil, true, false)
		if err != nil {
			return err
		}
		none, err := array.NewRecordReader(sc, nil)
		if err != nil {
			return err
		}
		defer none.Release()
		return txn.Append(ctx, none, summary)
	}
	data, err := fileEntries(iceberg.EntryContentData, d.Data)
	if err != nil {
		return err
	}
	if len(d.Deletes) == 0 {
		// The names are unique, so nothing is there twice; the files carry field ids, so no names need to be mapped.
		return txn.AddDataFiles(ctx, data, summary, table.WithoutDuplicateCheck(), table.WithoutAutoNameMapping())
	}
	deletes, err := fileEntries(iceberg.EntryContentPosDeletes, d.Deletes)
	if err != nil {
		return err
	}
	return txn.NewRowDelta(summary).AddRows(data...).AddDeletes(deletes...).Commit(ctx)
}

func fileEntries(content iceberg.ManifestEntryContent, of []icebergsink.File) ([]iceberg.DataFile, error) {
	all := make([]iceberg.DataFile, len(of))
	for i := range of {
		var err error
		if all[i], err = fileEntry(content, &of[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", of[i].URL, err)
		}
	}
	return all, nil
}

func fileEntry(content iceberg.ManifestEntryContent, f *icebergsink.File) (iceberg.DataFile, error) {
	spec := *iceberg.UnpartitionedSpec
	var values map[int]any
	var kinds map[int]string
	if t, ok := f.Tuple.Values.(tuple); ok {
		spec, values, kinds = t.spec, t.values, t.kinds
	}
	b, err := iceberg.NewDataFileBuilder(spec, content, f.URL, iceberg.ParquetFile, values, kinds, nil, f.Rows, f.Bytes)
	if err != nil {
		return nil, err
	}
	sizes, counts, nulls := map[int]int64{}, map[int]int64{}, map[int]int64{}
	lower, upper := map[int][]byte{}, map[int][]byte{}
	for id, c := range f.Columns {
		sizes[id] = c.Bytes
		if c.Values == 0 {
			continue
		}
		counts[id], nulls[id] = c.Values, c.Nulls
		if c.Lower != nil {
			lower[id], upper[id] = slices.Clone(c.Lower), slices.Clone(c.Upper)
		}
	}
	return b.ColumnSizes(sizes).ValueCounts(counts).NullValueCounts(nulls).LowerBoundValues(lower).UpperBoundValues(upper).Build(), nil
}
