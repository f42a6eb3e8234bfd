package plan

import (
	"context"
	"io"
	"time"
)

// List is a complete plan as stream/manifestsource reads it.
type List struct {
	at          Place
	plan        *Plan
	first, next int64 // of the plan, what it has
}

// Open loads the plan at a place.
func Open(ctx context.Context, at Place) (*List, error) {
	p, err := Load(ctx, at)
	if err != nil {
		return nil, err
	}
	return &List{at: at, plan: p, next: p.Items}, nil
}

// Plan is what the plan says of itself.
func (l *List) Plan() *Plan { return l.plan }

// Len is the number of references.
func (l *List) Len() int64 { return l.next - l.first }

// Changed is when the plan was finished.
func (l *List) Changed() time.Time { return l.plan.Created }

// Close does nothing: parts are read whole.
func (l *List) Close() error { return nil }

// From gives the references from number n on, and io.EOF behind the last.
func (l *List) From(ctx context.Context, n int64) (func() ([]byte, error), error) {
	r := NewReader(l.at, l.plan)
	n += l.first
	return func() ([]byte, error) {
		if n >= l.next {
			return nil, io.EOF
		}
		ref, err := r.Ref(ctx, n)
		n++
		return []byte(ref), err
	}, nil
}
