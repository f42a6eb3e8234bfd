package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"vecmill/sinks/objectstore"
)

// Checkpoint is how far a pipeline has come with a list, or a share of it, kept for outputs that do not know it themselves: all that lies before Next is durable in these.
type Checkpoint struct {
	List      string   `json:"list"`      // its name: another one may have lain at the place
	Pipeline  string   `json:"pipeline"`  // its name
	Partition int      `json:"partition"` // Share.Partition
	Next      int64    `json:"next"`
	Outputs   []string `json:"outputs"` // which they are
}

func checkpointName(at Place, pipeline string, partition int) string {
	return at.name(fmt.Sprintf("checkpoint-%s-%d.json", pipeline, partition))
}

// Save writes it over the last one. Two runs at once may write the lesser over the greater, which repeats what lies between.
func (c *Checkpoint) Save(ctx context.Context, at Place) error {
	name := checkpointName(at, c.Pipeline, c.Partition)
	body, err := json.Marshal(c)
	if err == nil {
		err = at.Store.Put(ctx, name, body, "application/json")
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// LastCheckpoint is the one that was saved last; nil if there is none of this list.
func LastCheckpoint(ctx context.Context, at Place, list, pipeline string, partition int) (*Checkpoint, error) {
	name := checkpointName(at, pipeline, partition)
	body, err := objectstore.Whole(ctx, at.Store, name, mostRead)
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, nil
	}
	c := &Checkpoint{}
	if err == nil {
		err = json.Unmarshal(body, c)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if c.List != list || c.Next < 0 {
		return nil, nil
	}
	return c, nil
}
