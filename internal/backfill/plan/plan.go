package plan

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path"
	"sort"
	"strings"
	"time"

	"vecmill/sinks/objectstore"
)

// Version of the layout that this build writes and reads.
const Version = 1

const (
	planName     = "plan.json"
	progressName = "progress.json"
)

// SettledName is the file beside a plan that says how it is computed: Settled.
const SettledName = "shares.json"

// ErrNoPlan says that there is no complete plan at a place.
var ErrNoPlan = errors.New("there is no complete plan")

// ErrFinished says that another planner of a place was there first: the plan that it finished counts.
var ErrFinished = errors.New("another planner has finished its plan")

// Plan is what plan.json says.
type Plan struct {
	Version int       `json:"version"`
	Name    string    `json:"name"`   // of the manifest in the output
	Source  string    `json:"source"` // what was enumerated
	Created time.Time `json:"created"`
	Items   int64     `json:"items"`
	Bytes   int64     `json:"bytes"` // of the objects, where the source says
	Parts   []Part    `json:"parts"`

	// For counts references by the pipelines that take them, as the maker said: names with commas between them. None in what builds before this one saved.
	For map[string]int64 `json:"for,omitempty"`

	Deletions int64 `json:"deletions,omitempty"` // references that delete others. None in what builds before this one saved

	About json.RawMessage `json:"about,omitempty"` // what its maker adds: what is expected of a run
}

// Part is one file of references.
type Part struct {
	Name   string `json:"name"`
	First  int64  `json:"first"` // offset of its first reference
	Items  int64  `json:"items"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hex
}

// Store is what a plan needs of a store of objects.
type Store interface {
	objectstore.Store
	objectstore.Putter
}

// Place is where a plan lies.
type Place struct {
	Store  Store
	Prefix string
	At     string // as people name it: the directory, or s3://bucket/prefix; "": by the prefix
}

func (p Place) name(file string) string { return path.Join(p.Prefix, file) }

// String implements fmt.Stringer, for errors.
func (p Place) String() string { return cmp.Or(p.At, p.Prefix) }

// shown is a file for errors.
func (p Place) shown(file string) string { return strings.TrimSuffix(p.String(), "/") + "/" + file }

// Load reads plan.json and checks that it is of one piece.
func Load(ctx context.Context, at Place) (*Plan, error) {
	body, err := at.read(ctx, planName)
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, fmt.Errorf("%w at %s: run backfill plan, or let it finish", ErrNoPlan, at)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", at.shown(planName), err)
	}
	p, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", at.shown(planName), err)
	}
	return p, nil
}

// parse reads a plan whose parts follow each other.
func parse(body []byte) (*Plan, error) {
	var p Plan
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	if p.Version != Version {
		return nil, fmt.Errorf("it is of version %d, and this build reads version %d", p.Version, Version)
	}
	next := int64(0)
	for _, part := range p.Parts {
		if part.First != next || part.Items < 1 || part.Items > math.MaxInt64-next {
			return nil, fmt.Errorf("part %s begins at %d with %d references, expected at %d", part.Name, part.First, part.Items, next)
		}
		next += part.Items
	}
	if next != p.Items {
		return nil, fmt.Errorf("its parts have %d references, not %d", next, p.Items)
	}
	return &p, nil
}

// mostRead is more than an object of a plan has.
const mostRead = 1 << 30

func (p Place) read(ctx context.Context, file string) ([]byte, error) {
	return objectstore.Whole(ctx, p.Store, p.name(file), mostRead)
}

// part finds the part that an offset lies in.
func (p *Plan) part(offset int64) *Part {
	i := sort.Search(len(p.Parts), func(i int) bool { return p.Parts[i].First+p.Parts[i].Items > offset })
	return &p.Parts[i]
}
