//go:build cgo

package ortsession

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"vecmill/embed"
	"vecmill/model"
)

// observing is held by what reads the library's log: the process has one standard error, one level of that log, and one arena that sessions share.
var observing sync.Mutex

// Observe opens a session that keeps a profile, lets run use it, and says what was computed where. ONNX Runtime warns on standard error,
// which Observe reads for as long as it takes: other writers' lines are among the warnings, and passed on.
func Observe(ctx context.Context, g model.Graph, o Options, run func(embed.Session) error) (_ *Observed, err error) {
	observing.Lock()
	defer observing.Unlock()
	dir, err := os.MkdirTemp("", "vecmill-profile-")
	if err != nil {
		return nil, fmt.Errorf("observing a session: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o.profile = filepath.Join(dir, "run")
	var seen Observed
	if _, _, err := library(o.Library); err != nil {
		return nil, err
	}
	if seen.Warnings, err = standardError(func() error {
		return aloud(ort.LoggingLevelWarning, func() error { return once(ctx, g, o, run) })
	}, nil); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(o.profile + "*.json")
	if err != nil || len(files) == 0 {
		return nil, errors.Join(err, errors.New("observing a session: ONNX Runtime left no profile"))
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("observing a session: %w", err)
		}
		nodes, err := readProfile(raw)
		if err != nil {
			return nil, fmt.Errorf("observing a session: %w", err)
		}
		seen.Nodes = append(seen.Nodes, nodes...)
	}
	return &seen, nil
}

// aloud has the library log from a level on while do runs. Kernels and arenas log to the process' one environment, and not to their session.
func aloud(level ort.LoggingLevel, do func() error) (err error) {
	if err := ort.SetEnvironmentLogLevel(level); err != nil {
		return fmt.Errorf("observing a session: %w", err)
	}
	defer func() { err = errors.Join(err, ort.SetEnvironmentLogLevel(ort.LoggingLevelFatal)) }() // as it was: see library
	return do()
}

// once opens a session, runs it and closes it, at which its profile is written.
func once(ctx context.Context, g model.Graph, o Options, run func(embed.Session) error) (err error) {
	s, err := Open(ctx, g, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return run(s)
}

// observe is the setting of a session that is observed.
func (o Options) observe(so *ort.SessionOptions) error {
	if o.profile == "" {
		return nil
	}
	return errors.Join(so.SetLogSeverityLevel(ort.LoggingLevelWarning), so.EnableProfiling(o.profile))
}
