package embed

import (
	"context"
	"runtime"
	"testing"
	"unsafe"

	"vecmill/schemas"
)

// recording is a preprocessor that streams windows of 16 KB and looks at the live heap on the way.
type recording struct {
	words
	floats  Floats
	windows int
	early   uint64 // live bytes when a tenth of the windows is made
	late    uint64 // and when all are
}

func (r *recording) Recycle(s *Sample) { r.floats.PutInputs(s) }

func (r *recording) Extent(schemas.Ref, []byte, int64) (windows, frames int64) {
	return int64(r.windows), int64(r.windows) * 4096
}

func (r *recording) Stream(_ context.Context, _ schemas.Ref, _ []byte, emit func(Sample) error) error {
	for i := range r.windows {
		switch i {
		case r.windows / 10:
			r.early = live()
		case r.windows - 1:
			r.late = live()
		}
		x := r.floats.Get(4096)
		clear(x)
		s := Sample{Cost: 4096, Window: i, Inputs: []Input{{Name: "x", Shape: []int{4096}, F32: x}, {Name: "lengths", I64: []int64{4096}}}}
		if err := emit(s); err != nil {
			return err
		}
	}
	return nil
}

// live is what the heap holds, without what waits in pools.
func live() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestALongRecordingHoldsItsRowsAlone is with windows of 16 KB each, of which nothing may stay but their rows; those are in the footprint. It says nothing of the session's own memory.
func TestALongRecordingHoldsItsRowsAlone(t *testing.T) {
	const windows = 4000
	row := int64(unsafe.Sizeof(schemas.Row{})) + 128 // with the vector, and the row's place among all
	pre := &recording{windows: windows}
	cfg := EngineConfig{
		Model: "m", ModelDigest: "d", Modality: schemas.Audio, Preprocessor: 1, RowReserve: 2 * row, // a slice may grow to more than it needs
		Batch: BatcherConfig{MaxCost: 8 * 4096, MaxItems: 8, Window: 64},
	}
	e, err := NewEngine(cfg, pre, []Session{&adder{}}, []Head{sumHead{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended, done := make(chan struct{}), make(chan error, 1)
	go func() {
		e.Run(ctx)
		close(ended)
	}()
	held, rows := int64(0), 0
	err = e.Submit(ctx, Job{
		Held: func(n, _ int64) { held = n },
		Done: func(all []schemas.Row, err error) { rows = len(all); done <- err },
	})
	if err == nil {
		err = <-done
	}
	stop()
	<-ended
	if err != nil || rows != windows {
		t.Fatalf("%d rows, %v", rows, err)
	}
	need, err := e.Footprint(schemas.Ref{}, []byte("x"), 1)
	if err != nil {
		t.Fatal(err)
	}
	grown, counted := int64(pre.late)-int64(pre.early), cfg.RowReserve*windows*9/10
	t.Logf("%d bytes for each window, %d counted", grown*10/9/windows, counted*10/9/windows)
	if grown > counted+windowsInFlight*16<<10 {
		t.Errorf("the heap grew by %d bytes, counted are %d", grown, counted)
	}
	if held < cfg.RowReserve*windows || need < held-windowsInFlight*(16<<10+8) {
		t.Errorf("%d bytes are reserved, and %d held behind the last window", need, held)
	}
}
