package objectstore

import (
	"context"
	"errors"
	"fmt"
)

// ErrUnconditional says that the store overwrote an object although it was asked not to: two writers could destroy each
// other's output there.
var ErrUnconditional = errors.New("the store ignores If-None-Match")

// ProbeName is the object, below the given prefix, that CheckConditionalPut leaves behind.
const ProbeName = "_vecmill/conditional-put-probe"

// CheckConditionalPut asks the store whether it honours the condition of PutIfAbsent, with one small object below prefix that is created
// once and never removed. It fails with ErrUnconditional if the store does not, and with the store's own error if it cannot be asked.
func CheckConditionalPut(ctx context.Context, s Store, prefix string) error {
	name := probe(prefix)
	const body = "Written by Vecmill to see that this store honours conditional PUTs. Safe to keep, safe to delete.\n"
	for range 2 { // the first may create it, the second cannot
		err := s.PutIfAbsent(ctx, name, []byte(body), nil)
		switch {
		case errors.Is(err, ErrExists):
			return nil
		case err != nil:
			return fmt.Errorf("asking the store for a conditional PUT of %s: %w", name, err)
		}
	}
	return fmt.Errorf("%w: a second conditional PUT of %s succeeded; exactly-once output needs a store that answers 412", ErrUnconditional, name)
}

// CheckFound asks the store for the metadata of the object that CheckConditionalPut has left below prefix, as a writer asks where its output ends.
func CheckFound(ctx context.Context, s Store, prefix string) error {
	if _, err := s.Stat(ctx, probe(prefix)); err != nil {
		return fmt.Errorf("asking the store for what was written: %w", err)
	}
	return nil
}

// CheckRead is CheckFound, and asks for the object's content, too, as those do who read an output.
func CheckRead(ctx context.Context, s Store, prefix string) error {
	if err := CheckFound(ctx, s, prefix); err != nil {
		return err
	}
	if _, err := s.Read(ctx, probe(prefix), 0, 1); err != nil {
		return fmt.Errorf("asking the store for the content of what was written: %w", err)
	}
	return nil
}

func probe(prefix string) string {
	if prefix == "" {
		return ProbeName
	}
	return prefix + "/" + ProbeName
}
