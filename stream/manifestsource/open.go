package manifestsource

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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

// OpenSame is OpenFile of a file whose content still has a sum, as Sum gave it; "" is any. Numbers of a list that is another one by now would be those of other references.
func OpenSame(ctx context.Context, path, sum string, c Columns) (List, error) {
	list, err := OpenFile(ctx, path, c)
	if err != nil || sum == "" {
		return list, err
	}
	now, err := Sum(ctx, path)
	if err == nil && now != sum {
		err = errors.New("it was changed since it was looked through first; give the command again")
	}
	if err != nil {
		return nil, errors.Join(err, list.Close())
	}
	return list, nil
}

// Sum tells lists of one name apart: it is the beginning of the SHA-256 of a file's content, in 8 digits.
func Sum(ctx context.Context, path string) (string, error) {
	file, _, err := openRegular(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // only read
	h := sha256.New()
	if _, err := io.Copy(h, &cancellable{ctx, file}); err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)[:4]), nil
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
