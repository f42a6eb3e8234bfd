package backfill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"vecmill/internal/backfill/listing"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/backfill/shard"
	"vecmill/schemas"
)

// Shards enumerates the members of a bucket's tar files under a prefix, in the order of their keys. It implements Source. A member is a range of its file's bytes, with the id uri!member.
//
// Selection goes by the members' names; where nothing is to be included by its name, the endings of the pipelines' modalities decide. A file that cannot be read to its end is one
// reference that is none, and a dead letter of the run.
type Shards struct {
	Selection
	Pager  listing.Pager
	Name   string                                                            // of the bucket
	AtOnce int                                                               // files that are read at once
	Open   func(ctx context.Context, o *listing.Object) (io.ReaderAt, error) // gives a file of o's size
}

// ending of keys that are opened.
const tarEnding = ".tar"

// shardState is what was given: all before Key, and of it what lies before Off.
type shardState struct {
	Key  string `json:"key"`
	ETag string `json:"etag"`
	Off  int64  `json:"off"` // -1: all of it
}

// opened is a file that is left, from a place on.
type opened struct {
	o    listing.Object
	from int64
}

// Each implements Source.
func (s *Shards) Each(ctx context.Context, state json.RawMessage, give func(items []plan.Item, state any) error) error {
	var from shardState
	if state != nil {
		if err := json.Unmarshal(state, &from); err != nil {
			return fmt.Errorf("the shards' progress: %w", err)
		}
	}
	return ahead(ctx, s.AtOnce, func(ctx context.Context, begin func(reader[given]) error) error {
		return s.list(ctx, from, func(f opened) error {
			return begin(func(ctx context.Context, send func(given) error) error { return s.read(ctx, &f, send) })
		})
	}, func(g given) error { return give(g.items, g.state) })
}

// list calls each for every file that is left.
func (s *Shards) list(ctx context.Context, from shardState, each func(f opened) error) error {
	for after, more := "", true; more; {
		page, rest, err := s.Pager.Page(ctx, after)
		if err != nil {
			return err
		}
		more = rest && len(page) > 0
		for _, o := range page {
			after = o.Key
			f := opened{o: o}
			switch {
			case !strings.HasSuffix(o.Key, tarEnding) || o.Key < from.Key || o.Key == from.Key && from.Off < 0:
				continue
			case o.Key == from.Key && o.ETag != from.ETag:
				return fmt.Errorf("%s was replaced while it was planned; plan at another place", uriOf(s.Name, o.Key))
			case o.Key == from.Key:
				f.from = from.Off
			}
			if err := each(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// read cuts a file's members into pieces.
func (s *Shards) read(ctx context.Context, f *opened, send func(given) error) error {
	uri := uriOf(s.Name, f.o.Key)
	body, err := s.Open(ctx, &f.o)
	if err != nil {
		return fmt.Errorf("%s: %w", uri, err)
	}
	var items []plan.Item
	upTo := func(off int64) error {
		err := send(given{items, shardState{f.o.Key, f.o.ETag, off}})
		items = nil
		return err
	}
	err = shard.Members(body, f.o.Size, f.from, func(m *shard.Member, next int64) error {
		if it, ok := s.member(uri, f.o.ETag, m); ok {
			items = append(items, it)
		}
		if len(items) < linesAtOnce {
			return nil
		}
		return upTo(next)
	})
	switch {
	case errors.Is(err, shard.ErrDamaged):
		items = append(items, noRef(uri, err))
	case err != nil:
		return fmt.Errorf("%s: %w", uri, err)
	}
	return upTo(-1)
}

func (s *Shards) member(uri, etag string, m *shard.Member) (plan.Item, bool) {
	modality := s.modality(m.Name)
	if !s.included(m.Name) || len(s.Include) == 0 && modality == "" || len(s.Modality) > 1 && modality == "" {
		if s.Left != nil {
			s.Left(m.Name)
		}
		return plan.Item{}, false
	}
	if m.Size == 0 {
		return noRef(uri+"!"+m.Name, errors.New("it is empty")), true
	}
	ref := schemas.Ref{
		ID: schemas.IDOf(uri + "!" + m.Name), URI: uri, ETag: etag, Range: &schemas.ByteRange{Off: m.Off, N: m.Size},
		Attributes: map[string]string{"member": m.Name, "sample": m.Sample()},
	}
	if len(s.Modality) > 1 {
		ref.Modality = modality
	}
	return plan.Item{Ref: ref, Size: m.Size}, true
}

func noRef(place string, err error) plan.Item {
	return plan.Item{Raw: string(schemas.NoRef{Why: place + ": " + err.Error()}.JSON()), Size: -1}
}
