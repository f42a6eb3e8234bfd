package icebergcatalog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"vecmill/internal/retry"
	"vecmill/sinks/icebergsink"
)

// newestFormat is the newest version of table formats that is written, and deletesFormat the first that knows of deleted rows.
const (
	newestFormat  = 2
	deletesFormat = 2
)

// Open connects to the catalog and makes the table fit, or says why it cannot.
func Open(ctx context.Context, c Config) (*Table, error) {
	t, err := connected(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := t.try(ctx, t.fit); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// connected is a table that was not looked at yet.
func connected(ctx context.Context, c Config) (*Table, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("iceberg: %w", err)
	}
	register()
	t := &Table{cfg: c, id: strings.Split(c.Table, "."), files: newShared(c.Files)}
	t.cfg.Files = t.files.file // the library keeps what it was given first
	err := t.try(ctx, func(ctx context.Context) (err error) {
		t.cat, t.stop, err = c.connect(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("opening the catalog of table %s: %w", c.Table, err)
	}
	return t, nil
}

func (t *Table) try(ctx context.Context, f func(context.Context) error) error {
	_, err := retry.Do(ctx, t.cfg.Retry, func(err error) bool { return errors.Is(err, icebergsink.ErrRefused) }, f)
	return err
}

// fit makes the table, or adds to it what it lacks. Another worker may do the same at the same time: whoever loses looks again.
func (t *Table) fit(ctx context.Context) error {
	ctx = withFiles(ctx, t.cfg.Files)
	tbl, err := t.load(ctx)
	if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
		if !t.cfg.Create {
			return fmt.Errorf("%w: there is no table %s in the catalog; create it, or let the worker do so with create: true", icebergsink.ErrRefused, t.cfg.Table)
		}
		if err = t.create(ctx); err == nil {
			tbl, err = t.load(ctx)
		}
	}
	if err != nil {
		return err
	}
	if v := tbl.Metadata().Version(); v > newestFormat {
		return fmt.Errorf("%w: table %s has format version %d, and this build writes up to %d", errMisfit, t.cfg.Table, v, newestFormat)
	} else if v < deletesFormat && t.cfg.Deletes {
		return fmt.Errorf("%w: table %s has format version %d, which cannot delete rows, as tombstones want it: upgrade it to %d, or set tombstones: keep", errMisfit, t.cfg.Table, v, deletesFormat)
	}
	if err := t.checkPartition(tbl); err != nil {
		return err
	}
	if err := t.amend(ctx, tbl); err != nil {
		return fmt.Errorf("changing table %s: %w", t.cfg.Table, explain(err))
	}
	_, err = t.Load(ctx)
	return err
}

func (t *Table) create(ctx context.Context) error {
	sc := wantedSchema(t.cfg.Tasks)
	spec, err := specOf(t.cfg.Partition, sc)
	if err != nil {
		return err
	}
	namespace := t.id[:len(t.id)-1]
	if there, err := t.cat.CheckNamespaceExists(ctx, namespace); err != nil || !there {
		if err = t.cat.CreateNamespace(ctx, namespace, nil); err != nil && !errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
			return fmt.Errorf("creating namespace %s: %w", strings.Join(namespace, "."), explain(err))
		}
	}
	_, err = t.cat.CreateTable(ctx, t.id, sc, catalog.WithPartitionSpec(spec), catalog.WithProperties(iceberg.Properties{
		"format-version": fmt.Sprint(newestFormat), digestProperty: t.cfg.ModelDigest,
		"write.parquet.compression-codec": "zstd", // of other writers
	}))
	if err != nil && !errors.Is(err, catalog.ErrTableAlreadyExists) {
		return fmt.Errorf("creating table %s: %w", t.cfg.Table, explain(err))
	}
	return nil
}

// checkPartition compares the table's partition fields with the configuration, if that names any.
func (t *Table) checkPartition(tbl *table.Table) error {
	if len(t.cfg.Partition) == 0 {
		return nil
	}
	want, err := specOf(t.cfg.Partition, tbl.Schema())
	if err != nil {
		return err
	}
	have := tbl.Spec()
	same := have.NumFields() == want.NumFields()
	for i := 0; same && i < want.NumFields(); i++ {
		a, b := have.Field(i), want.Field(i)
		same = a.SourceID() == b.SourceID() && a.Transform.Equals(b.Transform)
	}
	if !same {
		return fmt.Errorf("%w: table %s is partitioned by %s, and the configuration says %s", errMisfit, t.cfg.Table, &have, strings.Join(t.cfg.Partition, ", "))
	}
	return nil
}

// amend adds the columns and the property that the table lacks.
func (t *Table) amend(ctx context.Context, tbl *table.Table) error {
	missing, err := compare(tbl.Schema(), wantedSchema(t.cfg.Tasks))
	if err != nil {
		return err
	}
	txn := tbl.NewTransaction()
	if len(missing) > 0 {
		if !t.cfg.Create {
			return fmt.Errorf("%w: it lacks column %s; add it, or let the worker do so with create: true", errMisfit, missing[0].Name)
		}
		u := txn.UpdateSchema(true, false)
		for _, f := range missing {
			u.AddColumn([]string{f.Name}, f.Type, f.Doc, false, nil) // rows that are there have no value
		}
		if err := u.Commit(); err != nil {
			return err
		}
	}
	marked := tbl.Properties()[digestProperty] != ""
	if !marked {
		if err := txn.SetProperties(iceberg.Properties{digestProperty: t.cfg.ModelDigest}); err != nil {
			return err
		}
	}
	if marked && len(missing) == 0 {
		return nil
	}
	_, err = txn.Commit(ctx)
	return err
}
