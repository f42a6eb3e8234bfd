package objectletters

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/objectstore"
)

const (
	letterSuffix = ".json"
	markSuffix   = ".replayed" // beside the letter that was replayed; its content does not matter
)

// maxLetter bounds the object of a letter: the largest record that a broker takes, as base64 and as text.
const maxLetter = 256 << 20

// ReadableStore is a store that letters can be read from and marked in.
type ReadableStore interface {
	objectstore.Store
	objectstore.Putter
}

// Reader implements sinks.LetterReader. Create it with NewReader.
type Reader struct {
	store  ReadableStore
	prefix string
	policy retry.Policy
}

// NewReader reads the letters below prefix ("" for none). It does no I/O.
func NewReader(store ReadableStore, prefix string, policy retry.Policy) *Reader {
	return &Reader{store: store, prefix: prefix, policy: policy}
}

// Letters implements sinks.LetterReader, in the order of names.
func (r *Reader) Letters(ctx context.Context, each func(sinks.StoredLetter) error) error {
	names, err := r.names(ctx)
	if err != nil {
		return err
	}
	for _, n := range names {
		if _, ok := r.origin(n, letterSuffix); !ok {
			continue
		}
		l, err := r.read(ctx, n)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := each(sinks.StoredLetter{Letter: l, Place: n, Err: err}); err != nil {
			return err
		}
	}
	return nil
}

// Replayed implements sinks.LetterReader.
func (r *Reader) Replayed(ctx context.Context) (map[schemas.Origin]bool, error) {
	names, err := r.names(ctx)
	if err != nil {
		return nil, err
	}
	marks := map[schemas.Origin]bool{}
	for _, n := range names {
		if o, ok := r.origin(n, markSuffix); ok {
			marks[o] = true
		}
	}
	return marks, nil
}

// MarkReplayed implements sinks.LetterReader.
func (r *Reader) MarkReplayed(ctx context.Context, of []schemas.Origin) error {
	for _, o := range of {
		name := strings.TrimSuffix(Name(r.prefix, o.Source, o.Offset), letterSuffix) + markSuffix
		if _, err := retry.Do(ctx, r.policy, refused, func(ctx context.Context) error {
			return r.store.Put(ctx, name, []byte("The letter beside this was put back into its topic by worker dlq replay.\n"), "text/plain")
		}); err != nil {
			return fmt.Errorf("marking %s as replayed: %w", o, err)
		}
	}
	return nil
}

func refused(err error) bool { return errors.Is(err, objectstore.ErrRefused) }

func (r *Reader) names(ctx context.Context) (names []string, err error) {
	under := ""
	if r.prefix != "" {
		under = r.prefix + "/"
	}
	if _, err = retry.Do(ctx, r.policy, refused, func(ctx context.Context) (err error) {
		names, err = r.store.List(ctx, under, "")
		return err
	}); err != nil {
		return nil, fmt.Errorf("listing the dead letters: %w", err)
	}
	return names, nil
}

func (r *Reader) read(ctx context.Context, name string) (sinks.Letter, error) {
	var body []byte
	if _, err := retry.Do(ctx, r.policy, refused, func(ctx context.Context) (err error) {
		body, err = r.store.Read(ctx, name, 0, maxLetter)
		return err
	}); err != nil {
		return sinks.Letter{}, err
	}
	l, err := Parse(body)
	if err != nil {
		return sinks.Letter{}, err
	}
	if Name(r.prefix, l.Source, l.Offset) != name {
		return sinks.Letter{}, fmt.Errorf("reading dead letter: it says that it is of %s: somebody moved it", l.Origin())
	}
	return l, nil
}

// origin reads the identity of a letter from its name; false for names of other things.
func (r *Reader) origin(name, suffix string) (schemas.Origin, bool) {
	rest, ours := strings.CutSuffix(name, suffix)
	if r.prefix != "" && ours {
		rest, ours = strings.CutPrefix(rest, r.prefix+"/")
	}
	parts := strings.Split(rest, "/")
	if !ours || len(parts) != 4 || len(parts[3]) != 20 {
		return schemas.Origin{}, false
	}
	pipeline, err1 := url.PathUnescape(parts[0])
	topic, err2 := url.PathUnescape(parts[1])
	partition, err3 := strconv.ParseUint(parts[2], 10, 31)
	offset, err4 := strconv.ParseUint(parts[3], 10, 63)
	if errors.Join(err1, err2, err3, err4) != nil {
		return schemas.Origin{}, false
	}
	o := schemas.Origin{Source: schemas.SourceID{Pipeline: pipeline, Topic: topic, Partition: int(partition)}, Offset: int64(offset)}
	return o, path.Dir(name) == objectstore.SourceDir(r.prefix, o.Source)
}
