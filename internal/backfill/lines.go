package backfill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// Values are a bounded list of references as JSON: stream/manifestsource has one.
type Values interface {
	Len() int64
	From(ctx context.Context, n int64) (next func() ([]byte, error), err error)
}

// Lines enumerates a file with a reference on each line. A line that is none stays in the plan with its number: a run makes it a dead letter. Blank lines are left out.
type Lines struct{ Values Values }

// So many lines are given together, or those of so many bytes: what is given is saved in one part of the plan.
const (
	linesAtOnce = 1000
	bytesAtOnce = 8 << 20
)

// Each implements Source. The state is the number of lines read.
func (l Lines) Each(ctx context.Context, state json.RawMessage, give func(items []plan.Item, state any) error) error {
	var n int64
	if state != nil {
		if err := json.Unmarshal(state, &n); err != nil {
			return fmt.Errorf("the file's progress: %w", err)
		}
	}
	if has := l.Values.Len(); n > has {
		return fmt.Errorf("the list has %d references, and %d of it are in the plan that was begun: it shrank, or is another one; plan it at another place", has, n)
	}
	next, err := l.Values.From(ctx, n)
	if err != nil {
		return err
	}
	var items []plan.Item
	size := 0
	for {
		line, err := next()
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if !ended {
			n++
			if line != nil {
				size += len(line)
				items = append(items, lineOf(line, n))
			}
		}
		if ended || len(items) >= linesAtOnce || size >= bytesAtOnce {
			if err := give(items, n); err != nil {
				return err
			}
			items, size = nil, 0
		}
		if ended {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// lineOf is a line's item. In the plan its number is another one: lines before it may be left out.
func lineOf(line []byte, number int64) plan.Item {
	it := itemOf(line)
	if it.Raw != "" && !schemas.IsNoRef(line) {
		_, err := schemas.ParseRef(line)
		it.Raw = string(schemas.NoRef{Why: fmt.Sprintf("line %d: %v", number, errors.Unwrap(err)), Row: it.Raw}.JSON())
	}
	return it
}

func itemOf(line []byte) plan.Item {
	ref, err := schemas.ParseRef(line)
	if err != nil {
		return plan.Item{Raw: string(line), Size: -1}
	}
	size := int64(-1)
	if ref.Inline != nil {
		size = int64(len(ref.Inline))
	}
	return plan.Item{Ref: ref, Size: size}
}
