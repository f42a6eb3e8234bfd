package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/inventory"
	"vecmill/internal/backfill/listing"
	"vecmill/internal/config"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/s3store"
	"vecmill/stream/manifestsource"
)

// planSource is the table of what can be enumerated.
func planSource(ctx context.Context, s *stores, models []*loadedModel, o *PlanOptions) (src backfill.Source, done func(), err error) {
	if o.open != nil {
		return o.open(ctx, s, models, o)
	}
	if name, ok := strings.CutPrefix(o.Source, backfill.TableScheme); ok {
		c, err := sourceCatalog(s.cfg)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", o.Source, err)
		}
		src, err := icebergTable(c, name, s, o)
		return src, func() {}, err
	}
	switch {
	case o.isTable():
		src, err := filesTable(s, o)
		return src, func() {}, err
	case o.isList():
		return listSource(ctx, s, o)
	}
	at, err := config.ParsePlace(o.Source) // of a bucket: all else is a list or a table
	if err != nil {
		return nil, nil, err
	}
	pick := backfill.Selection{Include: o.Include}
	for _, m := range models {
		if !slices.Contains(pick.Modality, m.spec.Modality) {
			pick.Modality = append(pick.Modality, m.spec.Modality)
		}
	}
	if err := pick.Validate(); err != nil {
		return nil, nil, err
	}
	if path.Base(at.Prefix) == inventory.ManifestName {
		src, err := inventorySource(ctx, s, o.Source, at.Bucket, pick, o.Listers)
		return src, func() {}, err
	}
	bucket, err := s.bucket(at.Bucket)
	if err != nil {
		return nil, nil, err
	}
	pages := BucketPages(bucket, strings.TrimPrefix(at.Prefix, "/"), o.Trying)
	if o.Tar {
		src, err := shardsSource(ctx, s, at.Bucket, pick, pages, o.Listers)
		return src, func() {}, err
	}
	return &backfill.Bucket{Selection: pick, Pager: pages, Name: at.Bucket, Workers: o.Listers}, func() {}, nil
}

// isTable says whether a source is a table of several files: a directory of this machine, or a prefix of a bucket of which columns are read.
func (o *PlanOptions) isTable() bool {
	if strings.HasPrefix(o.Source, "s3://") {
		return o.open == nil && len(o.Columns) > 0 && !backfill.IsList(o.Source)
	}
	info, err := os.Stat(o.Source)
	return o.open == nil && err == nil && info.IsDir()
}

// isList says whether a source is one list: a file of this machine, or an object whose key ends as lists do, unless it is said that it is a prefix of keys.
func (o *PlanOptions) isList() bool {
	switch {
	case o.open != nil, o.isTable(), strings.HasPrefix(o.Source, backfill.TableScheme):
		return false
	case strings.HasPrefix(o.Source, "s3://"):
		return backfill.IsList(o.Source) && len(o.Include) == 0 && !o.Tar
	}
	return true
}

// listSource opens one list.
func listSource(ctx context.Context, s *stores, o *PlanOptions) (src backfill.Source, done func(), err error) {
	at, err := s.list(o.Source)
	if err != nil {
		return nil, nil, err
	}
	list, err := manifestsource.OpenSame(ctx, at, o.sum, o.Columns)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", o.Source, err)
	}
	return backfill.Lines{Values: list}, func() { _ = list.Close() }, nil // only read
}

// sourceCatalog is the Iceberg catalog of tables that are sources.
func sourceCatalog(c *config.Config) (*config.IcebergCatalog, error) {
	if c.Catalog != (config.IcebergCatalog{}) {
		return &c.Catalog, nil
	}
	for i := range c.Pipelines {
		for j := range c.Pipelines[i].Outputs {
			if o := c.Pipelines[i].Outputs[j].Iceberg; o != nil {
				return &o.Catalog, nil
			}
		}
	}
	return nil, errors.New("the configuration has no catalog, and no output that is a table of one")
}

// shardsSource opens the tar files of a bucket.
func shardsSource(ctx context.Context, s *stores, bucket string, pick backfill.Selection, pages listing.Pager, atOnce int) (*backfill.Shards, error) {
	store, _, err := s.openPatient(ctx, "s3://"+bucket)
	if err != nil {
		return nil, err
	}
	return &backfill.Shards{
		Selection: pick, Pager: pages, Name: bucket, AtOnce: atOnce,
		Open: func(ctx context.Context, o *listing.Object) (io.ReaderAt, error) {
			return objectstore.ReaderAt(ctx, store, objectstore.Info{Name: o.Key, Size: o.Size}), nil
		},
	}, nil
}

// BucketPages lists the keys of a bucket under a prefix. told hears of requests that fail again and again; it may be nil.
func BucketPages(bucket *s3store.Store, prefix string, told func(tries int, err error)) listing.Pager {
	return &bucketPages{store: bucket, prefix: prefix, patience: patience{seldom(told)}}
}

// bucketPages implements listing.Pager.
type bucketPages struct {
	store  *s3store.Store
	prefix string
	patience
}

// Page implements listing.Pager. A page is asked for again while the store is busy.
func (b *bucketPages) Page(ctx context.Context, after string) (out []listing.Object, more bool, err error) {
	err = b.again(ctx, func(ctx context.Context) error {
		page, rest, err := b.store.Page(ctx, b.prefix, after)
		out, more = out[:0], rest
		for _, o := range page {
			out = append(out, listing.Object(o))
		}
		return err
	})
	return out, more, err
}

// inventorySource reads the manifest.json of an inventory. Its files lie in the bucket that it names.
func inventorySource(ctx context.Context, s *stores, at, bucket string, pick backfill.Selection, atOnce int) (*backfill.Inventory, error) {
	store, name, err := s.openPatient(ctx, at)
	if err != nil {
		return nil, err
	}
	about, err := store.Stat(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", at, err)
	}
	body, err := store.Read(ctx, name, 0, about.Size)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", at, err)
	}
	list, err := inventory.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", at, err)
	}
	if list.At != bucket {
		if _, _, err = s.open(ctx, "s3://"+list.At); err != nil {
			return nil, fmt.Errorf("the inventory's files: %w", err)
		}
	}
	files, err := s.bucket(list.At)
	if err != nil {
		return nil, err
	}
	open := func(ctx context.Context, f inventory.File) (io.ReaderAt, error) {
		o := &pinnedObject{ctx: ctx, store: files, patience: patience{s.told}}
		err := o.again(ctx, func(ctx context.Context) (err error) {
			o.pin, err = files.Pin(ctx, f.Key)
			return err
		})
		switch {
		case err != nil:
		case o.pin.Size != f.Size:
			err = fmt.Errorf("it has %d bytes, and %s says %d: it was changed or damaged", o.pin.Size, at, f.Size)
		case o.pin.MD5 != "" && f.MD5 != "" && !strings.EqualFold(o.pin.MD5, f.MD5): // of Parquet nobody reads all
			err = fmt.Errorf("its MD5 is %s, and %s says %s: it was changed or damaged", o.pin.MD5, at, f.MD5)
		}
		if err != nil {
			return nil, fmt.Errorf("the inventory's file %s: %w", f.Key, err)
		}
		return o, nil
	}
	return &backfill.Inventory{Selection: pick, List: list, AtOnce: atOnce, Open: open}, nil
}
