package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"vecmill/sinks/objectstore"
)

// Checkpoint is how far the outputs of a pipeline have come with a list, or a share of it, kept for those that do not know it themselves.
type Checkpoint struct {
	Work     Work           `json:"work"` // of what
	Pipeline string         `json:"pipeline"`
	Ends     map[string]End `json:"ends"` // by what each output is called

	ComputedBy string `json:"computed_by,omitempty"` // the pipeline with all that makes its rows what they are; "" in what builds before this one saved

	OneEnd bool `json:"-"` // a build before this one kept it, with one end for all outputs, and these by other names
}

// End is how far one output is.
type End struct {
	Next int64  `json:"next"`           // all that lies before it is durable
	Mark string `json:"mark,omitempty"` // what tells the output's content from another's, if anything does
}

// oneEnd is a checkpoint of builds before this one, which kept one end for all outputs.
type oneEnd struct {
	Next    int64             `json:"next"`
	Outputs map[string]string `json:"outputs"` // marks
}

// Work is a list, or a share of it, as it is numbered: another one may have lain at the place.
type Work struct {
	List   string    `json:"list"` // its name
	Made   time.Time `json:"made"` // when its plan was; zero for a list that is none
	Share  int       `json:"share"`
	Shares int       `json:"shares"` // 1: it is computed as a whole
}

const checkpointPrefix = "checkpoint-"

func checkpointName(at Place, pipeline string, w Work) string {
	return at.name(fmt.Sprintf("%s%s-%d-of-%d.json", checkpointPrefix, pipeline, w.Share, w.Shares))
}

// Save writes it over the last one. Two runs at once may write the lesser over the greater, which repeats what lies between.
func (c *Checkpoint) Save(ctx context.Context, at Place) error {
	name := checkpointName(at, c.Pipeline, c.Work)
	body, err := json.Marshal(c)
	if err == nil {
		err = at.Store.Put(ctx, name, body, "application/json")
	}
	return err
}

// LastCheckpoint is the one that was saved last, and its name; nil if there is none of this work.
func LastCheckpoint(ctx context.Context, at Place, w Work, pipeline string) (c *Checkpoint, name string, err error) {
	name = checkpointName(at, pipeline, w)
	body, err := objectstore.Whole(ctx, at.Store, name, mostRead)
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, name, nil
	}
	c = &Checkpoint{}
	if err == nil {
		err = json.Unmarshal(body, c)
	}
	if err == nil && c.Ends == nil {
		err = c.ofOneEnd(body)
	}
	if err != nil {
		return nil, name, fmt.Errorf("reading %s: %w", name, err)
	}
	if c.Work.List != w.List || !c.Work.Made.Equal(w.Made) || c.Work.Share != w.Share || c.Work.Shares != w.Shares {
		return nil, name, nil
	}
	maps.DeleteFunc(c.Ends, func(_ string, e End) bool { return e.Next < 0 })
	return c, name, nil
}

// ofOneEnd reads what a build before this one kept.
func (c *Checkpoint) ofOneEnd(body []byte) error {
	var old oneEnd
	if err := json.Unmarshal(body, &old); err != nil {
		return err
	}
	c.Ends, c.OneEnd = map[string]End{}, true
	for name, mark := range old.Outputs {
		c.Ends[name] = End{old.Next, mark}
	}
	return nil
}
