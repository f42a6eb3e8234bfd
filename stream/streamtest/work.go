package streamtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"vecmill/embed"
	"vecmill/schemas"
	"vecmill/stream"
)

// Kind is what a test record is, and so how it must end.
type Kind string

// The kinds. Each ends in a row (or several), a dead letter, or skipped.
const (
	Good      Kind = "good"      // one window
	Windows   Kind = "windows"   // three windows
	Garbage   Kind = "garbage"   // not JSON: dead
	Missing   Kind = "missing"   // no such object: dead
	Damaged   Kind = "damaged"   // does not decode: dead
	Poison    Kind = "poison"    // fails in the model: dead
	Panics    Kind = "panics"    // panics in the decoder: dead
	Elsewhere Kind = "elsewhere" // of another pipeline: skipped
	Tombstone Kind = "tombstone" // no value: skipped
	Pair      Kind = "pair"      // a list of two references, of one window each: not drawn, for pipelines that read lists
)

// kinds with their weights.
var kinds = []struct {
	kind   Kind
	weight int
}{{Good, 12}, {Windows, 3}, {Garbage, 1}, {Missing, 1}, {Damaged, 1}, {Poison, 1}, {Panics, 1}, {Elsewhere, 1}, {Tombstone, 1}}

// Draw picks a kind.
func Draw(r *rand.Rand) Kind {
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	n := r.IntN(total)
	for _, k := range kinds {
		if n -= k.weight; n < 0 {
			return k.kind
		}
	}
	return Good
}

// Fate is how a record of this kind must end: its number of rows, or dead, or skipped.
func (k Kind) Fate() (rows int, outcome stream.Outcome) {
	switch k {
	case Good:
		return 1, stream.Computed
	case Windows:
		return 3, stream.Computed
	case Pair:
		return 2, stream.Computed
	case Elsewhere, Tombstone:
		return 0, stream.Skipped
	}
	return 0, stream.Dead
}

// Value is the record's value: a reference whose URI says the kind, so that the fetcher and the oracle know it.
func (k Kind) Value(part int, offset int64) []byte {
	ref := schemas.Ref{ID: fmt.Sprintf("%d-%d", part, offset), URI: fmt.Sprintf("s3://bucket/%s/%d/%d", k, part, offset), Modality: schemas.Text}
	switch k {
	case Garbage:
		return []byte("{garbage")
	case Tombstone:
		return nil
	case Elsewhere:
		ref.Modality = schemas.Audio
	}
	var all any = ref
	if k == Pair {
		all = []schemas.Ref{ref, {ID: Second(part, offset), URI: fmt.Sprintf("s3://bucket/%s/%d/%d", Good, part, offset+1), Modality: schemas.Text}}
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err) // a Ref always encodes
	}
	return b
}

// Second is the id of a Pair's second reference, whose object is that of a Good one at the next offset.
func Second(part int, offset int64) string { return fmt.Sprintf("%d-%d-second", part, offset) }

// Fetcher answers by the kind in the URI, after a random delay, reserving before and sometimes only after a failed try.
type Fetcher struct {
	mu struct {
		sync.Mutex
		r *rand.Rand
	}
	Slowest time.Duration // upper bound of the delay
}

// NewFetcher draws its delays from seed.
func NewFetcher(seed uint64, slowest time.Duration) *Fetcher {
	f := &Fetcher{Slowest: slowest}
	f.mu.r = rand.New(rand.NewPCG(seed, 11))
	return f
}

func (f *Fetcher) draw(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.r.IntN(n)
}

// Fetch implements stream.Fetcher.
func (f *Fetcher) Fetch(ctx context.Context, ref schemas.Ref, reserve stream.Reserve) (*stream.Blob, error) {
	wait := func() error {
		t := time.NewTimer(time.Duration(f.draw(int(f.Slowest) + 1)))
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := wait(); err != nil {
		return nil, err
	}
	var body string
	switch kind, _, _ := strings.Cut(strings.TrimPrefix(ref.URI, "s3://bucket/"), "/"); Kind(kind) {
	case Missing:
		return nil, &schemas.Rejection{Reason: schemas.ReasonFetchMissing, Err: errors.New("no such key"), Attempts: missingAttempts}
	case Windows:
		body = "4 9 2"
	case Damaged:
		body = "four"
	case Poison:
		body = strconv.Itoa(poisonLength)
	case Panics:
		body = "panic"
	default:
		body = strconv.Itoa(1 + f.draw(9))
	}
	retried := f.draw(10) == 0 // the first try failed: reserve blindly, wait, try again
	var err error
	if retried {
		if err = reserve(ctx, nil, -1); err == nil {
			err = wait()
		}
	} else {
		err = reserve(ctx, []byte(body), int64(len(body)))
	}
	if err != nil {
		return nil, err
	}
	return &stream.Blob{Data: []byte(body), ETag: ref.ID}, nil
}

const (
	poisonLength    = 66
	missingAttempts = 3 // that a missing object's letter must tell
)

// Numbers is a preprocessor: the object is a list of numbers, each a window of that many steps. Its footprint is deliberately large, so
// that budgets are tight.
type Numbers struct{}

// Footprint is 100 bytes per byte; 2,000 when nothing is known.
func (Numbers) Footprint(_ schemas.Ref, _ []byte, size int64) (int64, error) {
	if size < 0 {
		return 2000, nil
	}
	return 100 * size, nil
}

// Digest implements embed.Preprocessor.
func (Numbers) Digest() string { return "numbers/1" }

// Preprocess implements embed.Preprocessor.
func (Numbers) Preprocess(_ context.Context, _ schemas.Ref, blob []byte) ([]embed.Sample, error) {
	if string(blob) == "panic" {
		panic("decoder bug")
	}
	var out []embed.Sample
	for i, field := range strings.Fields(string(blob)) {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, schemas.Reject(schemas.ReasonDecode, err)
		}
		out = append(out, embed.Sample{Cost: n, Window: i, Inputs: []embed.Input{{Name: "x", Shape: []int{n}, F32: make([]float32, n)}}})
	}
	return out, nil
}

// Session is a session: its output is the padded length. A batch with a poison item fails.
type Session struct{ Delay time.Duration }

// Run implements embed.Session.
func (s Session) Run(ctx context.Context, in []embed.Tensor) (*embed.Output, error) {
	t := time.NewTimer(s.Delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if in[0].Shape[1] == poisonLength {
		return nil, errors.New("poison in the batch")
	}
	return &embed.Output{}, nil
}

// Close implements embed.Session.
func (Session) Close() error { return nil }

// LengthHead gives each sample's own length as a vector.
type LengthHead struct{}

// Name implements embed.Head.
func (LengthHead) Name() string { return "length" }

// Task implements embed.Head.
func (LengthHead) Task() schemas.Task { return schemas.TaskEmbedding }

// Apply implements embed.Head.
func (LengthHead) Apply(_ *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	out := make([]schemas.Payload, len(batch))
	for i := range batch {
		out[i].Vector = []float32{float32(batch[i].Cost)}
	}
	return out, nil
}

// NewEngine assembles an engine of these parts.
func NewEngine(delay time.Duration) (*embed.Engine, error) {
	return embed.NewEngine(embed.EngineConfig{
		Model: "test", ModelDigest: "d", Modality: schemas.Text, Preprocessor: 2, RowReserve: 100,
		Batch: embed.BatcherConfig{MaxCost: 100, MaxItems: 8, Window: 16, Linger: time.Millisecond, MaxAge: time.Second},
	}, Numbers{}, []embed.Session{Session{delay}}, []embed.Head{LengthHead{}})
}
