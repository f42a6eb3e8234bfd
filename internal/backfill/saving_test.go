package backfill

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// slow is a source that gives an item each tick, numbered from its state on.
type slow struct {
	items int
	tick  time.Duration
}

func (s slow) Each(ctx context.Context, state json.RawMessage, give func([]plan.Item, any) error) error {
	at := 0
	if state != nil {
		if err := json.Unmarshal(state, &at); err != nil {
			return err
		}
	}
	for ; at < s.items; at++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(s.tick):
		}
		if err := give([]plan.Item{{Ref: schemas.Ref{ID: string(rune('a' + at%26)), URI: "s3://box/a"}}}, at+1); err != nil {
			return err
		}
	}
	return nil
}

// TestAPlanningIsPaused has its gate shut between two items.
func TestAPlanningIsPaused(t *testing.T) {
	at := place(t)
	synctest.Test(t, func(t *testing.T) {
		w, state, err := plan.NewWriter(t.Context(), at, plan.Title{Name: "x", Source: "source"})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		wait := func(ctx context.Context) error {
			if at := time.Since(began); at > 10500*time.Millisecond {
				time.Sleep(time.Hour - at)
			}
			return ctx.Err()
		}
		var last time.Duration
		tell := func(c Counts) {
			if at := time.Since(began); c.Seen <= 10 && at > 11*time.Second || c.Seen > 10 && at < time.Hour {
				t.Errorf("%d references after %v", c.Seen, at)
			}
			last = time.Since(began)
		}
		if _, err := Make(t.Context(), w, state, slow{items: 20, tick: time.Second}, MakeOptions{Wait: wait, Tell: tell}); err != nil {
			t.Fatal(err)
		}
		if want := time.Hour + 9*time.Second; last != want {
			t.Errorf("it took %v, want %v", last, want)
		}
	})
}

// TestAPlanIsSavedAsItGrows cuts plans off: what is lost is a second, or a fiftieth of the time so far. The parts of a long one are few.
func TestAPlanIsSavedAsItGrows(t *testing.T) {
	for _, c := range []struct {
		name      string
		tick, cut time.Duration
		atLeast   int64
		parts     int
	}{
		{"a short one", 100 * time.Millisecond, 10050 * time.Millisecond, 90, 10},
		{"a long one", 30 * time.Second, time.Hour + time.Second, 116, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := place(t)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.cut)
				defer cancel()
				w, state, err := plan.NewWriter(ctx, at, plan.Title{Name: "x", Source: "source"})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := Make(ctx, w, state, slow{items: 1e6, tick: c.tick}, MakeOptions{Sample: 1}); err == nil {
					t.Fatal("it was not cut off")
				}
				w, state, err = plan.NewWriter(t.Context(), at, plan.Title{Name: "x", Source: "source"})
				if err != nil {
					t.Fatal(err)
				}
				items := w.Items()
				if items < c.atLeast || items > int64(c.cut/c.tick) {
					t.Errorf("%d references are kept of %d, want %d", items, c.cut/c.tick, c.atLeast)
				}
				if _, err := Make(t.Context(), w, state, slow{items: int(items) + 5, tick: time.Millisecond}, MakeOptions{Sample: 1}); err != nil {
					t.Fatal(err)
				}
				p, err := w.Finish(t.Context(), nil)
				if err != nil || p.Items != items+5 || len(p.Parts) > c.parts+1 {
					t.Errorf("%d references in %d parts, want %d in %d at most: %v", p.Items, len(p.Parts), items+5, c.parts+1, err)
				}
			})
		})
	}
}
