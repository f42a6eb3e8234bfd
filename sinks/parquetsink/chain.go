package parquetsink

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/apache/arrow/go/v17/parquet/file"
	"golang.org/x/sync/errgroup"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
)

// looksAtOnce is the number of files that are looked at together while a chain is followed.
const looksAtOnce = 16

// verifyLast bounds the files that Resume looks at when it has no good hint. The end of the chain needs only the last one; the rest is a check.
const verifyLast = 4096

// ErrBrokenChain says that the files of a source overlap or leave a gap: somebody removed, copied or renamed files.
var ErrBrokenChain = errors.New("the chain of files is broken")

// Chain follows a source's files from the one that covers the offset from to the last, and checks that each begins where the one before
// ended. No files is no error. It fails with ErrBrokenChain naming the two files that do not fit.
func Chain(ctx context.Context, st objectstore.Store, prefix string, src schemas.SourceID, from int64) ([]FileInfo, error) {
	dir := Dir(prefix, src)
	names, err := listFrom(ctx, st, dir, from)
	if err != nil {
		return nil, err
	}
	return follow(ctx, st, dir, names)
}

// listFrom gives the names of the chain's files that cover from or come later. Stores list forwards only, and the file that
// covers an offset begins somewhere before it: so it steps back in growing strides until it meets one.
func listFrom(ctx context.Context, st objectstore.Store, dir string, from int64) ([]string, error) {
	for stride := int64(1); stride < from; stride *= 64 {
		names, err := listChain(ctx, st, dir, fileName(dir, from-stride))
		if err != nil {
			return nil, err
		}
		if i := covering(dir, names, from); i >= 0 {
			return names[i:], nil
		}
	}
	names, err := listChain(ctx, st, dir, "")
	if err != nil {
		return nil, err
	}
	return names[max(covering(dir, names, from), 0):], nil
}

// covering is the index of the last file that begins at or before from, -1 if there is none.
func covering(dir string, names []string, from int64) int {
	return sort.SearchStrings(names, fileName(dir, from+1)) - 1
}

func listChain(ctx context.Context, st objectstore.Store, dir, after string) ([]string, error) {
	all, err := st.List(ctx, dir+"/", after)
	if err != nil {
		return nil, fmt.Errorf("listing the chain in %s: %w", dir, err)
	}
	names := all[:0]
	for _, n := range all {
		if _, ok := firstOffset(dir, n); ok {
			names = append(names, n)
		}
	}
	return names, nil
}

// follow looks at every named file and checks the joints.
func follow(ctx context.Context, st objectstore.Store, dir string, names []string) ([]FileInfo, error) {
	infos := make([]FileInfo, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(looksAtOnce)
	for i, n := range names {
		g.Go(func() (err error) {
			infos[i], err = Stat(gctx, st, n)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("following the chain in %s: %w", dir, err)
	}
	for i := range infos {
		if first, _ := firstOffset(dir, names[i]); infos[i].Range.First != first {
			return nil, fmt.Errorf("%w: %s says that it begins at offset %d", ErrBrokenChain, names[i], infos[i].Range.First)
		}
		if i == 0 {
			continue
		}
		end, begin := infos[i-1].Range.Next, infos[i].Range.First
		switch {
		case end < begin:
			return nil, fmt.Errorf("%w: no file covers offsets %d to %d, between %s and %s", ErrBrokenChain, end, begin-1, names[i-1], names[i])
		case end > begin:
			return nil, fmt.Errorf("%w: %s and %s both cover offsets %d to %d", ErrBrokenChain, names[i-1], names[i], begin, min(end, infos[i].Range.Next)-1)
		}
	}
	return infos, nil
}

// Stat reads what a file says of itself: from the object's metadata where that is complete, else from its footer.
func Stat(ctx context.Context, st objectstore.Store, name string) (FileInfo, error) {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return FileInfo{}, err
	}
	if complete(o.Meta) {
		return parseInfo(name, o.Meta)
	}
	footer, err := readFooter(ctx, st, o)
	if err != nil {
		return FileInfo{}, fmt.Errorf("reading the footer of %s: %w", name, err)
	}
	return parseInfo(name, footer)
}

// readFooter reads the key-value metadata at a file's end.
func readFooter(ctx context.Context, st objectstore.Store, o objectstore.Info) (map[string]string, error) {
	const guess = 64 << 10 // most footers are shorter, so one read does
	tail, err := readTail(ctx, st, o, guess)
	if err != nil {
		return nil, err
	}
	need := footerLength(tail)
	if need > int64(len(tail)) {
		if tail, err = readTail(ctx, st, o, need); err != nil {
			return nil, err
		}
	}
	r, err := file.NewParquetReader(bytes.NewReader(tail)) // the footer is found from the end, so the tail alone will do
	if err != nil {
		return nil, err
	}
	defer r.Close()
	kv := r.MetaData().KeyValueMetadata()
	m := make(map[string]string, kv.Len())
	for i, k := range kv.Keys() {
		m[k] = kv.Values()[i]
	}
	return m, nil
}

func readTail(ctx context.Context, st objectstore.Store, o objectstore.Info, n int64) ([]byte, error) {
	n = min(n, o.Size)
	tail, err := st.Read(ctx, o.Name, o.Size-n, n)
	if err == nil && int64(len(tail)) < n {
		err = io.ErrUnexpectedEOF
	}
	return tail, err
}

// footerLength is the number of bytes at a Parquet file's end that hold the footer, its length and the magic.
func footerLength(tail []byte) int64 {
	if len(tail) < 8 {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(tail[len(tail)-8:])) + 8
}
