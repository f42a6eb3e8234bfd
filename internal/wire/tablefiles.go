package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/s3store"
	"vecmill/stream/manifestsource"
)

// filesTable enumerates the rows of a table that is several files: a directory of this machine, or a prefix of a bucket. The list of files is kept beside the plan when it is begun, and each is read as it was then.
func filesTable(s *stores, o *PlanOptions) (*backfill.Table, error) {
	from, err := s.tableAt(o.Source)
	if err != nil {
		return nil, err
	}
	open := func(ctx context.Context, number *int64) (_ backfill.Frozen, err error) {
		t := &tableFiles{from: from, columns: o.Columns}
		if number == nil {
			err = t.list(ctx, o)
		} else {
			t.number = *number
			t.kept, err = plan.KeptFiles(ctx, o.place, t.number)
		}
		return t, err
	}
	return &backfill.Table{Open: open, AtOnce: o.Listers}, nil
}

// tableAt is where the files of a table lie.
type tableAt interface {
	// list names those that readers of a table read, with what tells each from another of its name.
	list(ctx context.Context) ([]plan.File, error)

	// file is where one of them lies, which is read if it has the sum still; "" is any.
	file(f *plan.File) (at manifestsource.Place, sum string)
}

func (s *stores) tableAt(source string) (tableAt, error) {
	if !strings.HasPrefix(source, "s3://") {
		return tableDir(filepath.Clean(source)), nil
	}
	at, err := config.ParsePlace(source)
	if err != nil {
		return nil, err
	}
	bucket, err := s.bucket(at.Bucket)
	if err != nil {
		return nil, err
	}
	prefix := strings.Trim(at.Prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &tablePrefix{stores: s, bucket: bucket, name: at.Bucket, prefix: prefix}, nil
}

// tableFiles implements backfill.Frozen.
type tableFiles struct {
	from    tableAt
	columns manifestsource.Columns
	number  int64 // of kept
	kept    plan.Files
}

// list lists the files, and keeps the list beside the plan.
func (t *tableFiles) list(ctx context.Context, o *PlanOptions) (err error) {
	if t.kept.Files, err = t.from.list(ctx); err == nil && len(t.kept.Files) == 0 {
		err = errors.New("it has no file that ends in .parquet, .csv or .tsv")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.Source, err)
	}
	slices.SortFunc(t.kept.Files, func(a, b plan.File) int { return strings.Compare(a.Name, b.Name) })
	first, _, err := t.open(ctx, &t.kept.Files[0])
	if err != nil {
		return err
	}
	t.kept.Columns = first.Fields()
	if err := first.Close(); err != nil {
		return err
	}
	t.number, err = plan.KeepFiles(ctx, o.place, t.kept)
	return err
}

// open opens a file as it was when the plan was begun. One that is not there any more has changed, too.
func (t *tableFiles) open(ctx context.Context, f *plan.File) (_ manifestsource.Table, at string, err error) {
	place, sum := t.from.file(f)
	list, err := manifestsource.OpenSame(ctx, place, sum, t.columns)
	if errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", manifestsource.ErrChanged, err)
	}
	if err != nil {
		return nil, place.At, fmt.Errorf("%s: %w", place.At, err)
	}
	table, ok := list.(manifestsource.Table)
	if !ok {
		return nil, place.At, errors.Join(fmt.Errorf("%s: it has no columns", place.At), list.Close())
	}
	return table, place.At, nil
}

// Snapshot implements backfill.Frozen: it is the number of the list of files.
func (t *tableFiles) Snapshot() *int64 { return &t.number }

// Files implements backfill.Frozen.
func (t *tableFiles) Files() (names []string) {
	for i := range t.kept.Files {
		names = append(names, t.kept.Files[i].Name)
	}
	return names
}

// Values implements backfill.Frozen.
func (t *tableFiles) Values(ctx context.Context, file string, behind int64, each func(value []byte) error) error {
	i, _ := slices.BinarySearchFunc(t.kept.Files, file, func(f plan.File, name string) int { return strings.Compare(f.Name, name) })
	table, at, err := t.open(ctx, &t.kept.Files[i])
	if err != nil {
		return err
	}
	defer func() { _ = table.Close() }() // only read
	if fields := table.Fields(); fields != t.kept.Columns {
		return fmt.Errorf("%s: it has the columns %s, and %s has %s: the files of a table have the same columns of those that are read", at, fields, t.kept.Files[0].Name, t.kept.Columns)
	}
	next, err := table.From(ctx, behind)
	for err == nil {
		var value []byte
		if value, err = next(); err != nil {
			break
		}
		if err := each(value); err != nil {
			return err
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("%s: %w", at, err)
}

// tablePart says whether a file beneath a table is one of its files: it ends as a table does, and no part of its name is hidden. A table that keeps a log of which files count is not read by its files alone.
func tablePart(rel string) (bool, error) {
	parts := strings.Split(rel, "/")
	last := parts[len(parts)-1]
	switch {
	case parts[0] == "_delta_log", parts[0] == ".hoodie":
		return false, fmt.Errorf("it has %s, which says which of its files count: give a copy of those", parts[0])
	case parts[0] == "metadata" && strings.HasSuffix(last, ".metadata.json"):
		return false, fmt.Errorf("it is a table of Iceberg, whose metadata says which of its files count: --source %snamespace.table", backfill.TableScheme)
	case !manifestsource.IsTable(last) || slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, "_") || strings.HasPrefix(p, ".") }):
		return false, nil
	case backfill.IsPackedList(last):
		return false, fmt.Errorf("%s is packed, and lists are read as they are: unpack it", rel)
	}
	return true, nil
}

// tableDir is a directory with a table's files. It implements tableAt.
type tableDir string

// list implements tableAt: what tells a file from another is the sum of its content.
func (d tableDir) list(ctx context.Context) (files []plan.File, err error) {
	root, err := filepath.EvalSymlinks(string(d))
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f := plan.File{Name: filepath.ToSlash(rel)}
		if ok, err := tablePart(f.Name); err != nil || !ok {
			return err
		}
		at, _ := d.file(&f)
		body, err := at.Open(ctx)
		if err != nil {
			return err
		}
		f.Size = body.Size()
		f.ETag, err = body.Sum(ctx)
		files = append(files, f)
		return errors.Join(err, body.Close())
	})
	return files, err
}

// file implements tableAt.
func (d tableDir) file(f *plan.File) (manifestsource.Place, string) {
	at := manifestsource.Disk(filepath.Join(string(d), filepath.FromSlash(f.Name)))
	at.Name, at.Named = path.Join(filepath.Base(string(d)), f.Name), true
	return at, f.ETag
}

// tablePrefix is a prefix of a bucket with a table's files. It implements tableAt.
type tablePrefix struct {
	*stores
	bucket *s3store.Store
	name   string // of the bucket
	prefix string // with a slash at its end; "" is all of it
}

// list implements tableAt.
func (p *tablePrefix) list(ctx context.Context) (files []plan.File, err error) {
	pages := &bucketPages{store: p.bucket, prefix: p.prefix, patience: patience{p.told}}
	for after, more := "", true; more; {
		page, rest, err := pages.Page(ctx, after)
		if err != nil {
			return nil, err
		}
		more = rest && len(page) > 0
		for i := range page {
			o := &page[i]
			after = o.Key
			f := plan.File{Name: strings.TrimPrefix(o.Key, p.prefix), Size: o.Size, ETag: o.ETag}
			ok, err := tablePart(f.Name)
			if err != nil {
				return nil, err
			}
			if ok {
				files = append(files, f)
			}
		}
	}
	return files, nil
}

// file implements tableAt. Requests for it ask for its entity tag.
func (p *tablePrefix) file(f *plan.File) (manifestsource.Place, string) {
	pin := s3store.Pinned{Name: p.prefix + f.Name, ETag: f.ETag, Size: f.Size}
	return p.object(p.bucket, "s3://"+p.name+"/"+pin.Name, path.Join(path.Base("/"+p.name+"/"+p.prefix), f.Name), func(context.Context, patience) (s3store.Pinned, error) {
		return pin, nil
	}), ""
}
