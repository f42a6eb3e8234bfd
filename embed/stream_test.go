package embed

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
)

// windowed is a preprocessor for tests that streams: n windows, then an error, if there is one.
type windowed struct {
	words
	n       int
	each    time.Duration // that a window takes to make
	err     error
	emitted atomic.Int64
}

func (w *windowed) Stream(ctx context.Context, _ schemas.Ref, _ []byte, emit func(Sample) error) error {
	for i := range w.n {
		select {
		case <-time.After(w.each):
		case <-ctx.Done():
			return ctx.Err()
		}
		s := Sample{
			Cost: 5, Window: i, Start: float64(i), End: float64(i + 1),
			Inputs: []Input{{Name: "x", Shape: []int{5}, F32: []float32{5, 5, 5, 5, 5}, Pad: -1}, {Name: "lengths", I64: []int64{5}}},
		}
		if err := emit(s); err != nil {
			return err
		}
		w.emitted.Add(1)
	}
	return w.err
}

// streamed runs one job of pre and returns how it ended; during is asked while it is under way.
func streamed(t *testing.T, pre Preprocessor, s Session, deadline time.Duration, job Job) (rows []schemas.Row, err error) {
	t.Helper()
	e, err := NewEngine(EngineConfig{
		Model: "m", ModelDigest: "d", Modality: schemas.Audio, Preprocessor: 1, Deadline: deadline, RowReserve: 100,
		Batch: BatcherConfig{MaxCost: 40, MaxItems: 8, Window: 64, Linger: time.Millisecond, MaxAge: time.Second},
	}, pre, []Session{s}, []Head{sumHead{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		e.Run(ctx)
		close(ended)
	}()
	done := make(chan struct{})
	job.Done = func(r []schemas.Row, e error) {
		rows, err = r, e
		close(done)
	}
	if err := e.Submit(ctx, job); err != nil {
		t.Fatal(err)
	}
	<-done
	stop()
	<-ended
	return rows, err
}

func TestAStreamsWindowsBecomeItsRowsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pre := &windowed{n: 100}
		held := int64(-1)
		rows, err := streamed(t, pre, &adder{delay: time.Second}, 0, Job{Held: func(n, took int64) {
			held = n
			if took != AllOfIt {
				t.Errorf("took %d bytes, of which nobody knows", took)
			}
		}})
		if err != nil || len(rows) != 100 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for i, r := range rows {
			if r.Window != i || r.WindowStart != float64(i) {
				t.Fatalf("row %d is of window %d from %v", i, r.Window, r.WindowStart)
			}
		}
		if want := int64(100*100 + windowsInFlight*(5*4+8)); held != want {
			t.Errorf("%d bytes held behind the last window, want %d", held, want)
		}
	})
}

// frugal is one that says what it took.
type frugal struct{ windowed }

func (*frugal) Took(size, made int64) int64 { return 1000*size + made }

func TestWhatAJobTookIsToldWithItsResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held, took int64
		if _, err := streamed(t, &frugal{windowed{n: 100}}, &adder{}, 0, Job{Blob: []byte("four"), Held: func(n, of int64) { held, took = n, of }}); err != nil {
			t.Fatal(err)
		}
		if want := held + 4000; took != want {
			t.Errorf("it took %d bytes, want %d: %d for the blob, and what is held of samples and results", took, want, 4000)
		}
	})
}

func TestAStreamWaitsWhileItsWindowsAreUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pre, s := &windowed{n: 100}, &adder{delay: time.Hour}
		go func() {
			time.Sleep(30 * time.Minute)
			if n := pre.emitted.Load(); n != windowsInFlight {
				t.Errorf("%d windows are under way, want %d", n, windowsInFlight)
			}
		}()
		if _, err := streamed(t, pre, s, time.Minute, Job{}); err != nil {
			t.Errorf("waiting counts against the deadline: %v", err)
		}
	})
}

func TestAStreamThatFailsLateFailsItsJobOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := schemas.Rejectf(schemas.ReasonDecode, "damaged in the middle")
		rows, err := streamed(t, &windowed{n: 30, err: broken}, &adder{delay: time.Second}, 0, Job{})
		if !errors.Is(err, broken) || rows != nil {
			t.Errorf("%d rows, %v", len(rows), err)
		}
		_, err = streamed(t, &windowed{n: 3, each: time.Hour}, &adder{}, time.Minute, Job{})
		if reason, ok := schemas.Rejected(err); !ok || reason != schemas.ReasonDecode {
			t.Errorf("a window that takes too long: %v", err)
		}
		_, err = streamed(t, &windowed{n: 3, each: 50 * time.Second}, &adder{}, time.Minute, Job{})
		if err != nil {
			t.Errorf("windows that take less than the deadline each: %v", err)
		}
		_, err = streamed(t, &windowed{}, &adder{}, 0, Job{})
		if _, ok := schemas.Rejected(err); !ok {
			t.Errorf("no window: %v", err)
		}
		var asked atomic.Int64
		_, err = streamed(t, &windowed{n: 100}, &adder{delay: time.Second}, 0, Job{Wanted: func() bool { return asked.Add(1) < 20 }})
		if !errors.Is(err, ErrUnwanted) {
			t.Errorf("a job that nobody waits for any more: %v", err)
		}
	})
}

func TestTheFootprintCountsTheRowsOfAllWindows(t *testing.T) {
	e, err := NewEngine(EngineConfig{Model: "m", Preprocessor: 1, RowReserve: 100, Batch: BatcherConfig{MaxCost: 1, MaxItems: 1, Window: 1}},
		extended{}, []Session{&adder{}}, []Head{keeping{}})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := e.Footprint(schemas.Ref{}, nil, 7); err != nil || n != 700+10*(100+30)+5000*12 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestResultsTakeThePlaceOfWhatIsDone has a preprocessor that clears less than the results, and one that clears more.
func TestResultsTakeThePlaceOfWhatIsDone(t *testing.T) {
	for clears, want := range map[int64]int64{300: 700 + 61_300 - 300, 100_000: 700} {
		e, err := NewEngine(EngineConfig{Model: "m", Preprocessor: 1, RowReserve: 100, Batch: BatcherConfig{MaxCost: 1, MaxItems: 1, Window: 1}},
			clearing{clears: clears}, []Session{&adder{}}, []Head{keeping{}})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := e.Footprint(schemas.Ref{}, nil, 7); err != nil || n != want {
			t.Errorf("%d cleared: %d, want %d, %v", clears, n, want, err)
		}
	}
}

// TestPixelsAreTheStepsOfAPicture has a cost of patches, which says nothing of how large the picture was.
func TestPixelsAreTheStepsOfAPicture(t *testing.T) {
	s := Sample{Cost: 197, Tag: sized{3000, 2000}}
	if n := s.counting(); n != 6_000_000 {
		t.Errorf("%d steps", n)
	}
}

type sized struct{ width, height int }

func (s sized) Pixels() (width, height int) { return s.width, s.height }

type clearing struct {
	extended
	clears int64
}

func (c clearing) Clears(schemas.Ref, []byte, int64) int64 { return c.clears }

type extended struct{ words }

func (extended) Extent(schemas.Ref, []byte, int64) (int64, int64) { return 10, 5000 }

type keeping struct{ sumHead }

func (keeping) Keeps() (row, step int64) { return 30, 12 }

// hanging is words whose preprocessor does not look at its context for some objects, until it is let go.
type hanging struct {
	words
	release chan struct{}
}

func (h hanging) Preprocess(ctx context.Context, ref schemas.Ref, blob []byte) ([]Sample, error) {
	if string(blob) == "hang" {
		<-h.release
		return h.words.Preprocess(ctx, ref, []byte("3"))
	}
	return h.words.Preprocess(ctx, ref, blob)
}

// TestADecoderThatDoesNotStopCostsOneDeadLetter has more hanging objects than workers; all others get their rows, and the engine ends while they still hang.
func TestADecoderThatDoesNotStopCostsOneDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hanging{release: make(chan struct{})}
		cfg := testConfig()
		cfg.Deadline = time.Minute
		e, err := NewEngine(cfg, h, []Session{&adder{}}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var runner, jobs sync.WaitGroup
		runner.Go(func() { e.Run(ctx) })
		blobs := []string{"hang", "4", "hang", "hang", "5", "hang", "6"}
		rows, errs, began := make([][]schemas.Row, len(blobs)), make([]error, len(blobs)), time.Now()
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
		for i, b := range blobs {
			reason, rejected := schemas.Rejected(errs[i])
			switch {
			case b == "hang" && (!rejected || reason != schemas.ReasonDecode || !strings.Contains(errs[i].Error(), "does not stop")):
				t.Errorf("a hanging object: %v", errs[i])
			case b != "hang" && (errs[i] != nil || len(rows[i]) != 1):
				t.Errorf("object %s: %d rows, %v", b, len(rows[i]), errs[i])
			}
		}
		if took := time.Since(began); took > 5*time.Minute {
			t.Errorf("four hanging objects for two workers took %v, want four minutes", took)
		}
		stop()
		runner.Wait()
		close(h.release) // what comes of them now is nobody's
		synctest.Wait()
	})
}
