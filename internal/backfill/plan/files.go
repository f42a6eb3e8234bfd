package plan

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// File is one of the files that a plan's references are read from, as it was when the plan was begun.
type File struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes
	ETag string `json:"etag"` // what tells it from another of that name
}

// Files are all of them.
type Files struct {
	Columns string `json:"columns"` // what is read of each
	Files   []File `json:"files"`   // ascending by name
}

// filesName is the object with a list of files, of a number.
func filesName(number int64) string { return fmt.Sprintf("files-%016x.json", number) }

// KeepFiles puts a list of files beside a plan. Its number says its content, so that several planners of a place do not disturb each other.
func KeepFiles(ctx context.Context, at Place, files Files) (number int64, err error) {
	body, err := json.MarshalIndent(files, "", " ")
	if err == nil {
		number = filesNumber(body)
		err = at.Store.Put(ctx, at.name(filesName(number)), body, "application/json")
	}
	if err != nil {
		return 0, err
	}
	return number, nil
}

// KeptFiles is the list of files of a number.
func KeptFiles(ctx context.Context, at Place, number int64) (files Files, err error) {
	body, err := at.read(ctx, filesName(number))
	switch {
	case err != nil:
	case filesNumber(body) != number:
		err = fmt.Errorf("its content is not what was kept: it was changed or damaged; plan at another place")
	default:
		err = json.Unmarshal(body, &files)
	}
	if err != nil {
		return Files{}, fmt.Errorf("reading %s: %w", at.shown(filesName(number)), err)
	}
	return files, nil
}

// filesNumber is the beginning of a SHA-256, without a sign.
func filesNumber(body []byte) int64 {
	sum := sha256.Sum256(body)
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1) //nolint:gosec // 63 bits
}
