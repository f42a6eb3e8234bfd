package icebergcatalog

import (
	"context"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"vecmill/schemas"
)

// DataFile is a file of a table with rows of a pipeline, and perhaps of others.
type DataFile struct {
	URL     string
	Foreign bool // it is no Parquet file, or rows of it are deleted otherwise than by position

	task table.FileScanTask
}

// DataFiles are those that have rows of a pipeline, as the reader looked at the table last, by their URLs.
func (r *Reader) DataFiles(ctx context.Context, pipeline string) (all []DataFile, err error) {
	scan, err := r.Snapshot().Scan(ctx, pipeline, "offset")
	if err != nil {
		return nil, err
	}
	for _, url := range scan.Files {
		parts := scan.tasks[url]
		f := DataFile{URL: url, task: parts[0]}
		f.task.DeleteFiles = slices.Clone(f.task.DeleteFiles)
		for i := range parts {
			t := &parts[i]
			f.Foreign = f.Foreign || t.File.FileFormat() != iceberg.ParquetFile || len(t.EqualityDeleteFiles)+len(t.DeletionVectorFiles) > 0
			for _, d := range t.DeleteFiles {
				if !slices.ContainsFunc(f.task.DeleteFiles, func(o iceberg.DataFile) bool { return o.FilePath() == d.FilePath() }) {
					f.task.DeleteFiles = append(f.task.DeleteFiles, d)
				}
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// Deleted are the positions of a file's rows that are deleted.
func (r *Reader) Deleted(ctx context.Context, f *DataFile) (map[int64]bool, error) {
	return r.t.gone(ctx, f.task)
}

// Heads are the options that heads had when the row of an offset was computed; "" if they are not known.
func (r *Reader) Heads(src schemas.SourceID, offset int64) string { return r.eras.At(src, offset) }
