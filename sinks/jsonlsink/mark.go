package jsonlsink

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// marked is how many of a file's last bytes are in its mark: some rows, which have the time at which they were made.
const marked = 4 << 10

// none is the mark of a file without lines.
const none = "0:"

// Mark tells a file of lines as it is from what may lie at its path later: its size, up to the last whole line, with a digest of what ends there. It is "" of one that is not there. That of a file without lines holds for any: nothing of it can be missing.
func Mark(path string) (string, error) { return markAt(path, -1) }

// Goes says whether the file at a path goes on behind what it had when it was marked: nothing was cut off since, and nothing else put in its place.
func Goes(path, mark string) (bool, error) {
	var size int64
	if _, err := fmt.Sscanf(mark, "%d:", &size); err != nil || size <= 0 {
		return mark == none, nil
	}
	now, err := markAt(path, size)
	return now == mark, err
}

// markAt is the mark of a file's first size bytes; -1 for all whole lines.
func markAt(path string, size int64) (mark string, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if size < 0 {
		if size, err = wholeLines(f, info.Size()); err != nil {
			return "", err
		}
	}
	if size == 0 {
		return none, nil
	}
	if size > info.Size() {
		return "", nil
	}
	last := make([]byte, min(size, marked))
	if _, err := f.ReadAt(last, size-int64(len(last))); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d:%x", size, sha256.Sum256(last)), nil
}
