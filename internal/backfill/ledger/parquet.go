package ledger

import (
	"context"
	"fmt"

	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
)

// words are the columns that are read of a file: a few bytes a row, beside vectors of kilobytes that are not.
var words = []string{"uri", "etag", "model_digest", "preprocess_digest", "head"}

// Scan calls each for the work of every row of a Parquet file, without its Options. It reads no other columns. Work is valid during the call.
func Scan(ctx context.Context, st objectstore.Store, name string, each func(*Work) error) error {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	var w Work
	if err := parquetfile.Scan(objectstore.ReaderAt(ctx, st, o), o.Size, words, func(row []parquetfile.Value) error {
		w = Work{URI: row[0].Text, ETag: row[1].Text, Model: row[2].Text, Preprocess: row[3].Text, Head: row[4].Text}
		return each(&w)
	}); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}
