package wire

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/sinks"
)

// slow is a sink that takes its time to close.
type slow struct {
	sinks.Sink
	takes time.Duration
}

// Close implements sinks.Sink.
func (s slow) Close(ctx context.Context) error {
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestOutputsCloseTogetherAndInTime: one that does not end costs neither the others their time nor the process its grace period.
func TestOutputsCloseTogetherAndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &Worker{lines: []*line{{name: "without an output"}}} // opening ended before it
		for _, takes := range []time.Duration{time.Hour, 3 * time.Second, time.Hour} {
			tee, err := sinks.NewTee(nil, sinks.Member{Name: outputName(0), Sink: slow{takes: takes}})
			if err != nil {
				t.Fatal(err)
			}
			w.lines = append(w.lines, &line{sink: tee})
		}
		began := time.Now()
		errs := w.closeOutputs(t.Context())
		if took := time.Since(began); took != closing {
			t.Errorf("it takes %v, and may take %v", took, closing)
		}
		for i, ends := range []bool{true, false, true, false} {
			if (errs[i] == nil) != ends {
				t.Errorf("line %d: %v", i, errs[i])
			}
		}
	})
}
