//go:build cgo

package ortsession

import (
	"errors"
	"fmt"
	"runtime"

	ort "github.com/yalue/onnxruntime_go"
)

// setting is one step of configuring a session.
type setting func(*ort.SessionOptions) error

func entry(key, value string) setting {
	return func(so *ort.SessionOptions) error {
		if err := so.AddSessionConfigEntry(key, value); err != nil {
			return fmt.Errorf("%s=%s: %w", key, value, err)
		}
		return nil
	}
}

// settings are the session's configuration; the reasons are in the package documentation.
func (o Options) settings() []setting {
	threads := o.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return []setting{
		func(so *ort.SessionOptions) error { return so.SetIntraOpNumThreads(threads) },
		func(so *ort.SessionOptions) error { return so.SetInterOpNumThreads(1) },
		func(so *ort.SessionOptions) error { return so.SetExecutionMode(ort.ExecutionModeSequential) },
		func(so *ort.SessionOptions) error {
			return so.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll)
		},
		func(so *ort.SessionOptions) error { return so.SetLogSeverityLevel(ort.LoggingLevelFatal) },
		o.observe,
		o.arena(),
		func(so *ort.SessionOptions) error { return so.SetMemPattern(false) },
		o.append,
		entry("session.intra_op.allow_spinning", "0"),
		entry("session.use_device_allocator_for_initializers", "1"),
	}
}

// probeSettings make a session that is only asked for its inputs and outputs: cheap to make, never run.
func probeSettings() []setting {
	return []setting{
		func(so *ort.SessionOptions) error { return so.SetIntraOpNumThreads(1) },
		func(so *ort.SessionOptions) error {
			return so.SetGraphOptimizationLevel(ort.GraphOptimizationLevelDisableAll)
		},
		func(so *ort.SessionOptions) error { return so.SetLogSeverityLevel(ort.LoggingLevelFatal) },
		func(so *ort.SessionOptions) error { return so.SetCpuMemArena(false) },
		entry("session.disable_prepacking", "1"),
	}
}

// withOptions runs use with the options that the settings make, and frees them.
func withOptions(settings []setting, use func(*ort.SessionOptions) error) (err error) {
	so, err := ort.NewSessionOptions()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, so.Destroy()) }()
	for _, set := range settings {
		if err := set(so); errors.Is(err, ErrNoProvider) {
			return err // says what to do itself
		} else if err != nil {
			return fmt.Errorf("session option: %w", err)
		}
	}
	return use(so)
}
