package embed

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
)

// words is a preprocessor for tests: the blob is a list of numbers, each becomes a window of that many steps.
type words struct{}

func (words) Footprint(_ schemas.Ref, _ []byte, size int64) (int64, error) { return 100 * size, nil }
func (words) Digest() string                                               { return "words/1" }
func (words) Preprocess(_ context.Context, _ schemas.Ref, blob []byte) ([]Sample, error) {
	if string(blob) == "panic" {
		panic("decoder bug")
	}
	var out []Sample
	for i, f := range strings.Fields(string(blob)) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, schemas.Reject(schemas.ReasonDecode, err)
		}
		v := make([]float32, n)
		for k := range v {
			v[k] = float32(n)
		}
		out = append(out, Sample{
			Cost: n, Window: i, Start: float64(i), End: float64(i + 1),
			Inputs: []Input{{Name: "x", Shape: []int{n}, F32: v, Pad: -1}, {Name: "lengths", I64: []int64{int64(n)}}},
		})
	}
	return out, nil
}

// adder is a session for tests: it sums the real part of each row. A row of poison steps fails the whole batch.
type adder struct {
	poison int64
	delay  time.Duration
	runs   atomic.Int64
}

func (a *adder) Close() error { return nil }
func (a *adder) Run(ctx context.Context, in []Tensor) (*Output, error) {
	a.runs.Add(1)
	if a.delay > 0 {
		select {
		case <-time.After(a.delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	n, width := int(in[0].Shape[0]), int(in[0].Shape[1])
	out := Tensor{Name: "sum", Shape: []int64{int64(n)}, F32: make([]float32, n)}
	for i := range n {
		length := in[1].I64[i]
		if length == a.poison {
			return nil, errors.New("poison in the batch")
		}
		for k := range width {
			v := in[0].F32[i*width+k]
			if (k < int(length)) != (v >= 0) {
				return nil, fmt.Errorf("row %d: value %v at %d of %d", i, v, k, length)
			}
			if v >= 0 {
				out.F32[i] += v
			}
		}
	}
	return &Output{Tensors: []Tensor{out}}, nil
}

// sumHead gives the sum as a vector; double gives it twice as large.
type sumHead struct{ factor float32 }

func (h sumHead) Name() string       { return fmt.Sprintf("x%g", h.factor) }
func (h sumHead) Task() schemas.Task { return schemas.TaskEmbedding }
func (h sumHead) Apply(out *Output, batch []Sample) ([]schemas.Payload, error) {
	t, _ := out.Tensor("sum")
	ps := make([]schemas.Payload, len(batch))
	for i := range ps {
		ps[i].Vector = []float32{t.F32[i] * h.factor}
	}
	return ps, nil
}

func testConfig() EngineConfig {
	return EngineConfig{
		Model: "test", ModelDigest: "d", Modality: schemas.Text, Preprocessor: 2, RowReserve: 1000,
		Batch: BatcherConfig{MaxCost: 1000, MaxItems: 64, Window: 128, Linger: time.Millisecond, MaxAge: time.Second},
		FLOPs: func(steps int) float64 { return 1e6 * float64(steps*steps) },
	}
}

// run submits blobs to an engine in a bubble and returns each one's rows or error.
func run(t *testing.T, s *adder, blobs []string) (rows [][]schemas.Row, errs []error, stats Stats) {
	t.Helper()
	return runWith(t, words{}, s, blobs)
}

func runWith(t *testing.T, pre Preprocessor, s *adder, blobs []string) (rows [][]schemas.Row, errs []error, stats Stats) {
	t.Helper()
	e, err := NewEngine(testConfig(), pre, []Session{s}, []Head{sumHead{1}, sumHead{2}})
	if err != nil {
		t.Fatal(err)
	}
	return drive(t, e, blobs)
}

// drive submits blobs to an engine and stops it when it is done with them.
func drive(t *testing.T, e *Engine, blobs []string) (rows [][]schemas.Row, errs []error, stats Stats) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var runner, jobs sync.WaitGroup
	runner.Go(func() { e.Run(ctx) })
	rows, errs = make([][]schemas.Row, len(blobs)), make([]error, len(blobs))
	for i, b := range blobs {
		jobs.Add(1)
		if err := e.Submit(ctx, Job{Blob: []byte(b), Done: func(r []schemas.Row, err error) {
			rows[i], errs[i] = r, err
			jobs.Done() // a second call panics
		}}); err != nil {
			t.Fatal(err)
		}
	}
	jobs.Wait()
	stop()
	runner.Wait()
	return rows, errs, e.Stats()
}

func TestEngineGivesRowsByWindowThenHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session := &adder{}
		rows, errs, stats := run(t, session, []string{"3 5", "7"})
		if stats.FLOPs <= 0 || stats.FLOPs < 1e6*float64(stats.Cost) {
			t.Errorf("%g operations for %d steps", stats.FLOPs, stats.Cost)
		}
		if n := session.runs.Load(); n != stats.Batches { // both heads read one run
			t.Errorf("%d runs of the session for %d batches", n, stats.Batches)
		}
		if errs[0] != nil || errs[1] != nil {
			t.Fatal(errs)
		}
		var got []string
		for _, r := range rows[0] {
			got = append(got, fmt.Sprintf("%d %s %v %g-%g", r.Window, r.Head, r.Vector, r.WindowStart, r.WindowEnd))
		}
		want := "0 x1 [9] 0-1; 0 x2 [18] 0-1; 1 x1 [25] 1-2; 1 x2 [50] 1-2"
		if strings.Join(got, "; ") != want {
			t.Fatalf("rows\n got %s\nwant %s", strings.Join(got, "; "), want)
		}
		r := rows[1][0]
		if r.Model != "test" || r.ModelDigest != "d" || r.PreprocessDigest != "words/1" || r.Modality != schemas.Text || r.CreatedAt.IsZero() {
			t.Fatalf("lineage %+v", r.Lineage)
		}
	})
}

func TestOnePoisonItemFailsAloneAndCostsLogarithmicallyManyRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := make([]string, 64)
		for i := range blobs {
			blobs[i] = "4"
		}
		blobs[37] = "5"
		s := &adder{poison: 5}
		rows, errs, stats := run(t, s, blobs)
		for i := range blobs {
			if i == 37 {
				if reason, ok := schemas.Rejected(errs[i]); !ok || reason != schemas.ReasonModel {
					t.Fatalf("the poison item: %v", errs[i])
				}
				continue
			}
			if errs[i] != nil || rows[i][0].Vector[0] != 16 {
				t.Fatalf("item %d: %v %v", i, rows[i], errs[i])
			}
		}
		if n := s.runs.Load(); n > stats.Batches+2*7 {
			t.Fatalf("%d runs for %d batches: one poison item of 64 should cost at most 14 more", n, stats.Batches)
		}
	})
}

func TestAnItemAloneAndInABatchGiveTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := []string{"3", "9", "30", "1", "12"}
		together, _, _ := run(t, &adder{}, blobs)
		for i, b := range blobs {
			alone, _, _ := run(t, &adder{}, []string{b})
			if alone[0][0].Vector[0] != together[i][0].Vector[0] {
				t.Fatalf("%s: %v alone, %v in a batch", b, alone[0][0].Vector, together[i][0].Vector)
			}
		}
	})
}

func TestAPanickingDecoderIsOneRecordsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, errs, _ := run(t, &adder{}, []string{"3", "panic", "x"})
		if errs[0] != nil {
			t.Fatal(errs[0])
		}
		if r, _ := schemas.Rejected(errs[1]); r != schemas.ReasonPanic {
			t.Fatal(errs[1])
		}
		if r, _ := schemas.Rejected(errs[2]); r != schemas.ReasonDecode {
			t.Fatal(errs[2])
		}
	})
}

// TestAStoppedEngineSettlesEverything stops a busy engine at many moments: every accepted job is done exactly once, and Run returns.
func TestAStoppedEngineSettlesEverything(t *testing.T) {
	for ms := range 30 {
		synctest.Test(t, func(t *testing.T) {
			cfg := testConfig()
			cfg.Batch = BatcherConfig{MaxCost: 20, MaxItems: 4, Window: 6, Linger: time.Millisecond, MaxAge: time.Second}
			e, err := NewEngine(cfg, words{}, []Session{&adder{delay: 3 * time.Millisecond}, &adder{delay: 5 * time.Millisecond}}, []Head{sumHead{1}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { e.Run(ctx) })
			var accepted, done atomic.Int64
			for range 4 {
				wg.Go(func() {
					for {
						err := e.Submit(ctx, Job{Blob: []byte("3 5 7"), Done: func(rows []schemas.Row, err error) {
							if err == nil && len(rows) != 3 || err != nil && !errors.Is(err, ErrStopped) {
								t.Errorf("done with %d rows, %v", len(rows), err)
							}
							done.Add(1)
						}})
						if err != nil {
							return
						}
						accepted.Add(1)
					}
				})
			}
			time.Sleep(time.Duration(ms) * time.Millisecond)
			stop()
			wg.Wait()
			if accepted.Load() != done.Load() {
				t.Fatalf("%d accepted, %d done", accepted.Load(), done.Load())
			}
		})
	}
}

func TestCollateNamesTheInputThatDoesNotFit(t *testing.T) {
	s := func(name string, shape []int, n int) Sample {
		return Sample{Inputs: []Input{{Name: name, Shape: shape, F32: make([]float32, n)}}}
	}
	for _, c := range []struct {
		name  string
		batch []Sample
		want  string
	}{
		{"an empty batch", nil, "empty batch"},
		{"another name", []Sample{s("x", []int{2}, 2), s("y", []int{2}, 2)}, "input x: sample 1: input is y"},
		{"another rank", []Sample{s("x", []int{2}, 2), s("x", []int{1, 2}, 2)}, "rank 2, want 1"},
		{"another inner shape", []Sample{s("x", []int{2, 3}, 6), s("x", []int{2, 4}, 8)}, "shape [2 4] does not fit [2 3]"},
		{"too few values", []Sample{s("x", []int{2}, 1)}, "1 values for shape [2]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Collate(c.batch); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestCollatePadsOnTheRight(t *testing.T) {
	got, err := Collate([]Sample{
		{Inputs: []Input{{Name: "ids", Shape: []int{2}, I64: []int64{5, 6}, Pad: 1}, {Name: "n", I64: []int64{2}}}},
		{Inputs: []Input{{Name: "ids", Shape: []int{3}, I64: []int64{7, 8, 9}, Pad: 1}, {Name: "n", I64: []int64{3}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprint(got[0].Shape, got[0].I64, got[1].Shape, got[1].I64); s != "[2 3] [5 6 1 7 8 9] [2] [2 3]" {
		t.Fatal(s)
	}
	got, err = Collate([]Sample{
		{Inputs: []Input{{Name: "ids", Shape: []int{1, 3}, I64: []int64{5, 6, 7}, Pad: 1}}},
		{Inputs: []Input{{Name: "ids", Shape: []int{3, 2}, I64: []int64{2, 3, 4, 5, 6, 7}, Pad: 1}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprint(got[0].Shape, got[0].I64); s != "[2 3 3] [5 6 7 1 1 1 1 1 1 2 3 1 4 5 1 6 7 1]" {
		t.Fatal(s)
	}
}

func TestWorkThatNobodyWaitsForAnyMoreIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session := &adder{delay: time.Second}
		e, err := NewEngine(EngineConfig{
			Model: "m", Modality: schemas.Text, Preprocessor: 1, Batch: BatcherConfig{MaxCost: 4, MaxItems: 4, Window: 8, MaxAge: time.Minute},
		}, words{}, []Session{session}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running, jobs sync.WaitGroup
		running.Go(func() { e.Run(ctx) })
		var over atomic.Bool
		var unwanted, computed atomic.Int64
		submit := func(wanted func() bool) {
			jobs.Add(1)
			if err := e.Submit(ctx, Job{Blob: []byte("1"), Wanted: wanted, Done: func(_ []schemas.Row, err error) {
				defer jobs.Done()
				if errors.Is(err, ErrUnwanted) {
					unwanted.Add(1)
				} else if err == nil {
					computed.Add(1)
				}
			}}); err != nil {
				t.Error(err)
			}
		}
		var submitting sync.WaitGroup
		submitting.Go(func() {
			for range 40 {
				submit(func() bool { return !over.Load() })
			}
		})
		time.Sleep(1500 * time.Millisecond)
		over.Store(true)
		submitting.Wait()
		submit(nil)
		began := time.Now()
		jobs.Wait()
		if took := time.Since(began); took > 4*time.Second { // what was under way, and the last one
			t.Errorf("%v until the wanted job was done, %d runs", took, session.runs.Load())
		}
		if unwanted.Load()+computed.Load() != 41 || unwanted.Load() < 24 {
			t.Errorf("%d unwanted, %d computed", unwanted.Load(), computed.Load())
		}
		stop()
		running.Wait()
	})
}

func TestAnEngineSaysHowManySessionsItHas(t *testing.T) {
	e, err := NewEngine(testConfig(), words{}, []Session{&adder{}, &adder{}, &adder{}}, []Head{sumHead{1}})
	if err != nil {
		t.Fatal(err)
	}
	if n := e.Stats().Sessions; n != 3 {
		t.Errorf("%d sessions", n)
	}
}
