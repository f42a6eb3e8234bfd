package objectletters

import (
	"context"
	"errors"
	"fmt"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/objectstore"
)

// Store implements sinks.DeadLetters. Create it with New.
type Store struct {
	objects objectstore.Putter
	prefix  string
	policy  retry.Policy
}

// New keeps letters below prefix ("" for none) and retries each by policy. It does no I/O.
func New(objects objectstore.Putter, prefix string, policy retry.Policy) *Store {
	return &Store{objects: objects, prefix: prefix, policy: policy}
}

// Name is the object that holds the letter of an offset.
func Name(prefix string, src schemas.SourceID, offset int64) string {
	return fmt.Sprintf("%s/%020d.json", objectstore.SourceDir(prefix, src), offset)
}

// Put stores a letter, replacing an earlier one of the same source and offset.
func (s *Store) Put(ctx context.Context, l sinks.Letter) error {
	body, err := format(&l)
	if err != nil {
		return fmt.Errorf("dead letter of %s offset %d: %w", l.Source, l.Offset, err)
	}
	name := Name(s.prefix, l.Source, l.Offset)
	permanent := func(err error) bool { return errors.Is(err, objectstore.ErrRefused) }
	tries, err := retry.Do(ctx, s.policy, permanent, func(ctx context.Context) error {
		return s.objects.Put(ctx, name, body, "application/json")
	})
	if err != nil {
		return fmt.Errorf("dead letter of %s offset %d: %w (try %d)", l.Source, l.Offset, err, tries)
	}
	return nil
}

// Close has nothing to release: every Put is durable when it returns.
func (s *Store) Close(context.Context) error { return nil }
