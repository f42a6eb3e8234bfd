package golden_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

const (
	poisonID    = 9      // no token that is drawn
	poisonValue = 12_345 // no sample that is drawn
)

// sick fails, once they are computed, for batches that hold the poison, and counts the steps that it computes.
type sick struct {
	embed.Session
	steps int
}

var errPoison = errors.New("the batch holds the poison")

// Run implements embed.Session.
func (s *sick) Run(ctx context.Context, in []embed.Tensor) (*embed.Output, error) {
	out, err := s.Session.Run(ctx, in)
	for _, x := range in {
		switch {
		case x.Name == "segments":
			s.steps += len(x.I64)
		case x.Name == "input_ids" && slices.Contains(x.I64, poisonID), x.Name == "input_values" && slices.Contains(x.F32, poisonValue):
			return nil, errPoison
		}
	}
	return out, err
}

// drawn is a preprocessor: the blob is the number of an item.
type drawn struct {
	spec  *model.Spec
	items []item
}

func (drawn) Footprint(schemas.Ref, []byte, int64) (int64, error) { return 1, nil }
func (drawn) Digest() string                                      { return "drawn" }
func (d drawn) Preprocess(_ context.Context, _ schemas.Ref, blob []byte) ([]embed.Sample, error) {
	at, err := strconv.Atoi(string(blob))
	if err != nil {
		return nil, err
	}
	it := d.items[at]
	s := embed.Sample{Cost: it.steps(d.spec)}
	for _, t := range batch(d.spec, []item{it}, it.len()) {
		in := embed.Input{Name: t.Name, F32: t.F32, I64: t.I64}
		for _, n := range t.Shape[1:] {
			in.Shape = append(in.Shape, int(n))
		}
		s.Inputs = append(s.Inputs, in)
	}
	return []embed.Sample{s}, nil
}

// all is a head: what the model makes of an item, one output behind the other.
type all struct{}

func (all) Name() string       { return "all" }
func (all) Task() schemas.Task { return schemas.TaskEmbedding }
func (all) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	if len(batch) != 1 {
		return nil, errors.New("several items of a packed batch at once")
	}
	var v []float32
	for i := range out.Tensors {
		v = append(v, out.Tensors[i].F32...)
	}
	return []schemas.Payload{{Vector: v}}, nil
}

// What lies beside a poison in packed rows gets what it gets alone, in the rows of the halves as in those of the batch, and that costs about two batches.
func TestABatchOfPackedRowsThatIsTakenApartGivesEachItemWhatItGetsAlone(t *testing.T) {
	for _, c := range packable(t) {
		if c.Name != "base" {
			continue
		}
		t.Run(c.Class, func(t *testing.T) {
			spec, r := open(t, c.Dir), rand.New(rand.NewPCG(3, 41))
			var lengths []int
			for range 5 {
				more, _ := drawLengths(spec, r)
				lengths = append(lengths, more...)
			}
			d := drawn{spec, randomItems(spec, r, lengths...)}
			sickly := r.IntN(len(d.items))
			if it := d.items[sickly]; spec.Modality == schemas.Audio {
				it.f32[0] = poisonValue
			} else {
				it.i64[0] = poisonID
			}
			longest, total := 0, 0
			for _, it := range d.items {
				longest, total = max(longest, it.steps(spec)), total+it.steps(spec)
			}
			packing, err := embed.NewPacking(spec, 2*longest, 32*longest, 4)
			if err != nil {
				t.Fatal(err)
			}
			s, plain := &sick{Session: session(t, spec, model.CompileOptions{Packed: true})}, session(t, spec, model.CompileOptions{})
			rows, stats := throughAnEngine(t, d, packing, s, sickly)
			for i, it := range d.items {
				if i == sickly {
					continue
				}
				var want []float32
				alone := run(t, plain, batch(spec, []item{it}, it.len()))
				for k := range alone.Tensors {
					want = append(want, own(spec, &alone.Tensors[k], 0, it)...)
				}
				if off := relative(t, rows[i][0].Vector, want); !(off <= packedTolerance) {
					t.Errorf("item %d of length %d differs by %.2g from the item alone", i, it.len(), off)
				}
			}
			if stats.Batches != 1 || stats.Bisections < 4 || 2*int64(s.steps) > 7*stats.Padded { // the batch, twice as much in halves, and halves of single rows, which may be whole ones
				t.Errorf("%d batches of %d steps, %d taken apart, %d steps", stats.Batches, stats.Padded, stats.Bisections, s.steps)
			}
		})
	}
}

// throughAnEngine computes all items; one must be rejected.
func throughAnEngine(t *testing.T, d drawn, packing *embed.Packing, s embed.Session, rejected int) (rows [][]schemas.Row, stats embed.Stats) {
	t.Helper()
	n := len(d.items)
	e, err := embed.NewEngine(embed.EngineConfig{
		Model: "m", ModelDigest: "d", Modality: d.spec.Modality, Packing: packing, Preprocessor: 1,
		Batch: embed.BatcherConfig{MaxCost: 1, MaxItems: n, Window: n, Linger: time.Minute, MaxAge: time.Minute}, // one batch, when all are there
	}, d, []embed.Session{s}, []embed.Head{all{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running, jobs sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	rows = make([][]schemas.Row, n)
	for i := range n {
		jobs.Add(1)
		if err := e.Submit(ctx, embed.Job{Blob: []byte(strconv.Itoa(i)), Done: func(r []schemas.Row, err error) {
			defer jobs.Done()
			if rows[i] = r; (err != nil) != (i == rejected) || err != nil && !errors.Is(err, errPoison) {
				t.Errorf("item %d: %v", i, err)
			}
		}}); err != nil {
			t.Fatal(err)
		}
	}
	jobs.Wait()
	stop()
	running.Wait()
	return rows, e.Stats()
}
