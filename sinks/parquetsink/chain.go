package parquetsink

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"
	"time"

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

// ErrOtherLayout says that a source has files of another layout under the same prefix: a reader of both would see two chains.
var ErrOtherLayout = errors.New("files of another layout")

// Chain is Layout.Chain of the plain layout.
func Chain(ctx context.Context, st objectstore.Store, prefix string, src schemas.SourceID, from int64) ([]FileInfo, error) {
	return Plain.Chain(ctx, st, prefix, src, from)
}

// Chain follows a source's files from the one that covers the offset from to the last, and checks that each begins where the one before
// ended. No files is no error. It fails with ErrBrokenChain naming the two files that do not fit.
func (y Layout) Chain(ctx context.Context, st objectstore.Store, prefix string, src schemas.SourceID, from int64) ([]FileInfo, error) {
	return y.ChainIn(ctx, st, prefix, src, schemas.Span{First: from, Next: math.MaxInt64})
}

// ChainIn is Chain of the files that cover offsets of a span: those behind are not looked at.
func (y Layout) ChainIn(ctx context.Context, st objectstore.Store, prefix string, src schemas.SourceID, in schemas.Span) ([]FileInfo, error) {
	l := lister{y, st, y.Dir(prefix, src)}
	names, err := l.from(ctx, in.First)
	if err != nil {
		return nil, err
	}
	behind := sort.Search(len(names), func(i int) bool {
		at, _ := y.place(l.dir, names[i])
		return at.offset >= in.Next
	})
	return l.follow(ctx, names[:behind])
}

// lister lists a chain.
type lister struct {
	layout Layout
	store  objectstore.Store
	dir    string
}

// from gives the names of the chain's files that cover the offset from or come later. Stores list forwards only, and the file that
// covers an offset begins somewhere before it: so it steps back in growing strides until it meets one.
func (l *lister) from(ctx context.Context, from int64) ([]string, error) {
	for _, after := range l.steps(from) {
		names, err := l.list(ctx, after)
		if err != nil {
			return nil, err
		}
		if i := l.covering(names, from); i >= 0 {
			return names[i:], nil
		}
	}
	names, err := l.list(ctx, "")
	if err != nil {
		return nil, err
	}
	return names[max(l.covering(names, from), 0):], nil
}

// steps are names to list behind, further and further back. They only save time: a chain's last file sorts last, so any of them that finds a file finds the end.
func (l *lister) steps(from int64) (after []string) {
	if l.layout == Hive && from > 0 {
		for _, days := range []int{1, 8, 64, 512} {
			after = append(after, l.dir+"/day="+time.Now().UTC().AddDate(0, 0, -days).Format(time.DateOnly))
		}
	}
	for stride := int64(1); l.layout == Plain && stride < from; stride *= 64 {
		after = append(after, l.layout.stem(l.dir, place{offset: from - stride}))
	}
	return after
}

// covering is the index of the last file that begins at or before from, or of the first of those that begin at the same offset; -1 if there is none.
func (l *lister) covering(names []string, from int64) int {
	begin := func(i int) int64 {
		at, _ := l.layout.place(l.dir, names[i])
		return at.offset
	}
	i := sort.Search(len(names), func(i int) bool { return begin(i) > from }) - 1
	for i > 0 && begin(i-1) == begin(i) {
		i--
	}
	return i
}

func (l *lister) list(ctx context.Context, after string) ([]string, error) {
	all, err := l.store.List(ctx, l.dir+"/", after)
	if err != nil {
		return nil, fmt.Errorf("listing the chain in %s: %w", l.dir, err)
	}
	names := all[:0]
	for _, n := range all {
		if _, ok := l.layout.place(l.dir, n); ok {
			names = append(names, n)
		}
	}
	return names, nil
}

// refuseOther says that a source that has no file in its layout has a chain in another one: it must not begin twice.
func (l *lister) refuseOther(ctx context.Context, prefix string, src schemas.SourceID) error {
	for _, y := range Layouts() {
		if y == l.layout {
			continue
		}
		other := lister{y, l.store, y.Dir(prefix, src)}
		names, err := other.list(ctx, "")
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return fmt.Errorf("%w: %s has %d of layout %s, and this output writes %s; keep that layout, or write to another prefix", ErrOtherLayout, other.dir, len(names), y, l.layout)
		}
	}
	return nil
}

// follow looks at every named file and checks the joints.
func (l *lister) follow(ctx context.Context, names []string) ([]FileInfo, error) {
	infos := make([]FileInfo, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(looksAtOnce)
	for i, n := range names {
		g.Go(func() (err error) {
			infos[i], err = Stat(gctx, l.store, n)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("following the chain in %s: %w", l.dir, err)
	}
	for i := range infos {
		at, _ := l.layout.place(l.dir, names[i])
		if err := infos[i].isAt(at); err != nil {
			return nil, err
		}
		if i == 0 {
			continue
		}
		end, begin := infos[i-1].Range.Next, infos[i].Range.First
		switch {
		case end < begin:
			return nil, fmt.Errorf("%w: no file covers offsets %d to %d, between %s and %s", ErrBrokenChain, end, begin-1, names[i-1], names[i])
		case end > begin:
			return nil, fmt.Errorf("%w: %s and %s both cover offsets %d to %d", ErrBrokenChain, names[i-1], names[i], begin, max(min(end, infos[i].Range.Next), begin+1)-1)
		case infos[i-1].NextDay != at.day:
			return nil, fmt.Errorf("%w: %s says that the file behind it is of day %s, and that is %s", ErrBrokenChain, names[i-1], infos[i-1].NextDay, names[i])
		}
	}
	return infos, nil
}

// isAt says whether the file says of itself what its name says.
func (f *FileInfo) isAt(at place) error {
	switch {
	case f.Range.First != at.offset:
		return fmt.Errorf("%w: %s says that it begins at offset %d", ErrBrokenChain, f.Name, f.Range.First)
	case f.Day != at.day:
		return fmt.Errorf("%w: %s says that it is of day %q", ErrBrokenChain, f.Name, f.Day)
	}
	return nil
}

// Stat reads what a file says of itself: from the object's metadata where that is complete, else from the file.
func Stat(ctx context.Context, st objectstore.Store, name string) (FileInfo, error) {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return FileInfo{}, err
	}
	if complete(o.Meta) {
		return parseInfo(name, o.Meta)
	}
	said, err := metadataOf(ctx, st, o)
	if err != nil {
		return FileInfo{}, fmt.Errorf("reading the metadata of %s: %w", name, err)
	}
	return parseInfo(name, said)
}
