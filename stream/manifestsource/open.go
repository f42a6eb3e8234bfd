package manifestsource

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"vecmill/schemas"
)

// OpenFile opens a list of references by the ending of its name: .parquet, .csv and .tsv are tables, whose columns c names where they are not called as a reference's fields; anything
// else has a reference as JSON on each line.
func OpenFile(ctx context.Context, path string, c Columns) (List, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".parquet":
		return openParquet(path, c)
	case ".csv":
		return openCSV(ctx, path, ',', c)
	case ".tsv":
		return openCSV(ctx, path, '\t', c)
	}
	if len(c) > 0 {
		return nil, errors.New("its lines are references as JSON, without columns; files with columns end in .csv, .tsv or .parquet")
	}
	return openLines(ctx, path)
}

// openRegular opens a file that can be read again.
func openRegular(path string) (*os.File, os.FileInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file, and it is read twice")
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// noRef stands in the place of a row that is no reference.
func noRef(place string, err error, row string) []byte {
	return schemas.NoRef{Why: place + ": " + err.Error(), Row: row}.JSON()
}
