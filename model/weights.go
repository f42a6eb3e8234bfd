package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// weights are the files that a model is made of, as Open found them.
type weights struct {
	files []weightFile
	known struct {
		sync.Mutex
		sums []string // of each file's contents, once they have been read
	}
}

// weightFile is one of them.
type weightFile struct {
	name string // in the checkpoint's directory
	path string // where symbolic links lead
	stamp
}

// stamp tells a file from another, and from itself before it was written to, without reading it. What a program can set (a time) or a
// file system can use again (an inode) may lie; see [weights.sums] for the proof.
type stamp struct {
	Bytes    int64
	Modified int64  // ns since 1970
	Device   uint64 // 0 where the system has none
	Inode    uint64
}

// findWeights notes the files.
func findWeights(paths []string) (*weights, error) {
	w := &weights{files: make([]weightFile, len(paths))}
	for i, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil, fmt.Errorf("opening the model: %w", err)
		}
		st, err := os.Stat(real)
		if err != nil {
			return nil, fmt.Errorf("opening the model: %w", err)
		}
		w.files[i] = weightFile{filepath.Base(path), real, stampOf(st)}
	}
	return w, nil
}

// bytes is the size of all files.
func (w *weights) bytes() (n int64) {
	if w == nil { // a Spec that Open did not make has no files
		return 0
	}
	for i := range w.files {
		n += w.files[i].Bytes
	}
	return n
}

// unchanged fails if a file is not the one any more that Open found.
func (w *weights) unchanged() error {
	if w == nil {
		return nil
	}
	for _, f := range w.files {
		st, err := os.Stat(f.path)
		if err != nil {
			return fmt.Errorf("reading the model's files again: %w", err)
		}
		if stampOf(st) != f.stamp {
			return fmt.Errorf("%s has changed since the model was opened: open it again", f.path)
		}
	}
	return nil
}

// sums are the digests of the files' contents. They are read whole, by all processors, the first time.
func (w *weights) sums(ctx context.Context) ([]string, error) {
	if w == nil { // a Spec that Open did not make has no files
		return nil, nil
	}
	w.known.Lock()
	sums := w.known.sums
	w.known.Unlock()
	if sums != nil {
		return sums, nil
	}
	for _, f := range w.files {
		sum, err := treeHash(ctx, f.path, f.Bytes)
		if err != nil {
			return nil, fmt.Errorf("hashing the model's files: %w", err)
		}
		sums = append(sums, sum)
	}
	if err := w.unchanged(); err != nil { // what was hashed is what was found
		return nil, err
	}
	w.known.Lock()
	w.known.sums = sums // two callers at once find the same
	w.known.Unlock()
	return sums, nil
}

// Files are files that decide what becomes of a model's outputs, such as a vocabulary or a language model, as FindFiles found them.
type Files struct{ found *weights }

// FindFiles notes files without reading them.
func FindFiles(paths []string) (*Files, error) {
	found, err := findWeights(paths)
	if err != nil {
		return nil, err
	}
	return &Files{found}, nil
}

// Digests say what is in the files, in order: sha256 in hex. The first call reads them, on all processors, so call it beside other work; it fails if they have changed since FindFiles.
func (f *Files) Digests(ctx context.Context) ([]string, error) { return f.found.sums(ctx) }

// leaf is the part of a file that is hashed in one go, in bytes. It is part of what a digest means.
const leaf = 4 << 20

// treeHash is the sha256, in hex, of the sha256s of a file's leaves: several processors can work on one file.
func treeHash(ctx context.Context, path string, size int64) (_ string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	leaves := make([][sha256.Size]byte, (size+leaf-1)/leaf)
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(leaves)) {
		g.Go(func() error {
			buf := make([]byte, 256<<10) // stays in the processor's cache
			h := sha256.New()
			for i := next.Add(1) - 1; i < int64(len(leaves)); i = next.Add(1) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				h.Reset()
				want := min(leaf, size-i*leaf)
				n, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{io.NewSectionReader(f, i*leaf, want)}, buf)
				if err != nil {
					return err
				}
				if n < want {
					return fmt.Errorf("%s has become shorter", path)
				}
				h.Sum(leaves[i][:0])
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return "", err
	}
	h := sha256.New()
	for i := range leaves {
		h.Write(leaves[i][:])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Samples of a file: so many, of so many bytes, spread evenly.
const (
	samples     = 64
	sampleBytes = 4 << 10
)

// sample is the sha256, in hex, of the file's begin, which has the names of safetensors, its end and pieces between: trained again, every
// weight differs, so these tell models apart even if their stamps agree.
func (f *weightFile) sample() (_ string, err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	h := sha256.New()
	buf := make([]byte, sampleBytes)
	for i := range int64(samples) {
		at := max(0, f.Bytes-sampleBytes) * i / (samples - 1)
		n, err := file.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		h.Write(buf[:n])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// link gives a file a second name beside a graph. It cannot across file systems, on those without links, and for files of another owner.
func (f *weightFile) link(path string) bool {
	if os.Link(f.path, path) != nil {
		return false
	}
	st, err := os.Stat(path)
	if err == nil && stampOf(st) == f.stamp {
		return true
	}
	os.Remove(path)
	return false
}
