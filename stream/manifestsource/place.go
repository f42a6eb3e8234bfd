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
	"time"
)

// Place is where a list lies: a file of this machine (Disk), or whatever else can be opened twice.
type Place struct {
	At    string // for errors
	Name  string // its ending says how it is read, and rows without ids have theirs from it
	Named bool   // what stands in the place of a row that is no reference names At, too

	Fixed bool // nobody appends to it: an object of a store is put whole

	// Open gives the list's bytes as they are now. Reading them ends with ctx.
	Open func(ctx context.Context) (File, error)
}

// File is the bytes of a list, the same for as long as it is open: where they are not, reading them is ErrChanged; of a file of this machine where it is opened by its sum (OpenSame). It is for one goroutine at a time.
type File interface {
	io.ReaderAt
	io.Closer

	Size() int64        // bytes
	Changed() time.Time // when the list was made

	// Sum tells lists of one name apart, by their contents, in 8 digits.
	Sum(ctx context.Context) (string, error)
}

// ErrChanged says that a list is another one than was looked through first.
var ErrChanged = errors.New("it was changed since it was looked through first")

// SumOf is a sum of 8 digits.
func SumOf(sha [sha256.Size]byte) string { return hex.EncodeToString(sha[:4]) }

// Sum is that of a place's file.
func Sum(ctx context.Context, at Place) (string, error) {
	f, err := at.Open(ctx)
	if err != nil {
		return "", err
	}
	sum, err := f.Sum(ctx)
	return sum, errors.Join(err, f.Close())
}

// row is the place of a row for people.
func (p *Place) row(kind string, n int64) string {
	if !p.Named {
		return fmt.Sprintf("%s %d", kind, n)
	}
	return fmt.Sprintf("%s %d of %s", kind, n, p.At)
}

// Disk is a file of this machine.
func Disk(path string) Place {
	return Place{At: path, Name: filepath.Base(path), Open: func(context.Context) (File, error) { return openRegular(path) }}
}

// regular is a file that can be read again. It implements File.
type regular struct {
	*os.File
	info os.FileInfo
}

func openRegular(path string) (File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file, and it is read twice")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &regular{file, info}, nil
}

// still is a regular file that nobody may edit while it is read: reading it is ErrChanged as soon as its length, or the time when it was written, is another one.
type still struct{ *regular }

// ReadAt implements io.ReaderAt. It looks behind the reading, so that what it gives was read of the file as it was.
func (s still) ReadAt(b []byte, off int64) (int, error) {
	n, err := s.File.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	now, gone := s.Stat()
	if gone != nil {
		return 0, gone
	}
	if now.Size() != s.info.Size() || !now.ModTime().Equal(s.info.ModTime()) {
		return 0, ErrChanged
	}
	return n, err
}

// Size implements File.
func (r *regular) Size() int64 { return r.info.Size() }

// Changed implements File.
func (r *regular) Changed() time.Time { return r.info.ModTime() }

// Sum implements File: it is the beginning of the content's SHA-256.
func (r *regular) Sum(ctx context.Context) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, &cancellable{ctx, io.NewSectionReader(r.File, 0, r.Size())}); err != nil {
		return "", fmt.Errorf("reading %s: %w", r.Name(), err)
	}
	return SumOf([sha256.Size]byte(h.Sum(nil))), nil
}
