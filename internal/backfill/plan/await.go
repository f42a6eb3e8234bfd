package plan

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vecmill/sinks/objectstore"
)

// Waiting is how a wait for a plan stands that another process makes.
type Waiting struct {
	Begun bool          // something of the plan is saved
	Items int64         // references that are
	Quiet time.Duration // since the last news of it, or since the wait began
}

// ErrQuiet says that who was to make a plan has saved nothing new for as long as was waited.
var ErrQuiet = errors.New("nothing new was saved of the plan")

const (
	awaitPoll = time.Second      // a finished plan is looked for so often,
	awaitNews = 10 * time.Second // what is saved of one so often,
	awaitTell = time.Minute      // and who waits is told so often
)

// Await waits until another process has made the plan of a place, and gives up with ErrQuiet when nothing new was saved of it in patience. told hears at once, and every minute, how the wait stands. Before the first references
// are saved there is no news: who makes a plan reads then what is computed already.
func Await(ctx context.Context, at Place, patience time.Duration, told func(Waiting)) (*Plan, error) {
	last, err := at.saved(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	changed, looked, spoke := began, began, began
	waiting := func() Waiting { return Waiting{last.begun, last.items, time.Since(changed)} }
	for told(waiting()); ; {
		if p, err := Load(ctx, at); !errors.Is(err, ErrNoPlan) {
			return p, err
		}
		if time.Since(looked) >= awaitNews || time.Since(changed) >= patience {
			now, err := at.saved(ctx)
			if err != nil {
				return nil, err
			}
			looked = time.Now()
			if now != last {
				last, changed = now, looked
			}
		}
		if time.Since(changed) >= patience {
			return nil, ErrQuiet
		}
		if time.Since(spoke) >= awaitTell {
			spoke = time.Now()
			told(waiting())
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(awaitPoll, patience-time.Since(changed))):
		}
	}
}

// saved is what progress.json says, told from what it said before.
type saved struct {
	begun bool
	items int64
	sum   [sha256.Size]byte
}

func (p Place) saved(ctx context.Context) (s saved, err error) {
	body, err := p.read(ctx, progressName)
	if errors.Is(err, objectstore.ErrNotFound) {
		return saved{}, nil
	}
	var about progress
	if err == nil {
		err = json.Unmarshal(body, &about)
	}
	if err != nil {
		return saved{}, fmt.Errorf("reading %s: %w", p.shown(progressName), err)
	}
	return saved{true, about.Items, sha256.Sum256(body)}, nil
}
