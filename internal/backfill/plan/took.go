package plan

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vecmill/sinks/objectstore"
)

// Took is what one run has taken of its machine so far, for a plan or a share of it, and what it has made durable in that time. Each run has an object of its own and writes it again and again, so a run that was killed is
// counted up to its last word, and two runs of one share do not write over each other.
type Took struct {
	Plan      string             `json:"plan"`      // its name: another one may have lain at the place
	Partition int                `json:"partition"` // Share.Partition
	Began     time.Time          `json:"began"`
	Seconds   float64            `json:"seconds"`     // since then, loading included
	CPU       float64            `json:"cpu_seconds"` // of all processors, likewise
	Pipelines map[string]Stretch `json:"pipelines"`   // by name
}

// Stretch is the references that a pipeline has made durable in a run, numbered as in the plan or the share.
type Stretch struct {
	First   int64  `json:"first"`
	Next    int64  `json:"next"`
	Machine string `json:"machine,omitempty"` // the kind that the pipeline ran on; "": the system does not tell
}

const (
	tookPrefix = "took-"
	tookAtOnce = 16 // are read
)

// TookName is a new run's object.
func TookName(at Place, partition int) string {
	return at.name(fmt.Sprintf("%s%d-%s.json", tookPrefix, partition, strings.ToLower(rand.Text()[:8])))
}

// Save writes what a run has taken under its name.
func (t *Took) Save(ctx context.Context, at Place, name string) error {
	body, err := json.Marshal(t)
	if err == nil {
		err = at.Store.Put(ctx, name, body, "application/json")
	}
	return err
}

// TookPart is what the runs of a plan as a whole, or of a share, have taken.
func TookPart(ctx context.Context, at Place, p *Plan, partition int) ([]Took, error) {
	return took(ctx, at, p, fmt.Sprintf("%s%d-", tookPrefix, partition))
}

// TookAll is what all runs of a plan have taken, of whatever share.
func TookAll(ctx context.Context, at Place, p *Plan) ([]Took, error) {
	return took(ctx, at, p, tookPrefix)
}

func took(ctx context.Context, at Place, p *Plan, prefix string) (all []Took, err error) {
	names, err := at.Store.List(ctx, at.name(prefix), "")
	if err != nil {
		return nil, fmt.Errorf("looking for what runs have taken: %w", err)
	}
	read := make([]Took, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(tookAtOnce)
	for i, name := range names {
		group.Go(func() error {
			body, err := objectstore.Whole(ctx, at.Store, name, mostRead)
			if errors.Is(err, objectstore.ErrNotFound) { // taken away since
				return nil
			}
			if err == nil {
				err = json.Unmarshal(body, &read[i])
			}
			if err != nil {
				return fmt.Errorf("reading %s: %w", name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, t := range read {
		if t.Plan == p.Name {
			all = append(all, t)
		}
	}
	return all, nil
}
