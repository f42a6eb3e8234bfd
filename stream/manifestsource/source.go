package manifestsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"vecmill/stream"
)

// A chunk is handed over when it has so many lines or bytes.
const (
	chunkLines = 256
	chunkBytes = 1 << 20
)

// Source reads one manifest. It implements stream.Source.
type Source struct {
	// DrainTimeout is how long work in flight may take to be finished once Run's context has ended. It may be changed before Run.
	DrainTimeout time.Duration

	path, name string
}

// New takes the manifest's file and the name that its output's lineage carries. The file is opened by Run.
func New(path, name string) (*Source, error) {
	if path == "" || name == "" {
		return nil, errors.New("manifest: path and name must be given")
	}
	return &Source{DrainTimeout: 30 * time.Second, path: path, name: name}, nil
}

// Partition is the only partition of a manifest.
func (s *Source) Partition() stream.Partition { return stream.Partition{Topic: "manifest:" + s.name} }

// Run implements stream.Source: it delivers the lines from where Assigned says to the last, waits until all of them are settled, and returns nil.
func (s *Source) Run(ctx context.Context, a stream.Assignments) error {
	file, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("manifest %s: not a regular file, and its lines are read twice", s.path)
	}
	ix, err := buildIndex(&cancellable{ctx, io.NewSectionReader(file, 0, info.Size())})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("manifest %s: %w", s.path, err)
	}
	p, c := s.Partition(), &committer{ix: ix, file: file, at: info.ModTime()}
	defer c.ended.Store(true)
	start, err := a.Assigned(ctx, c, map[stream.Partition]stream.Bounds{p: {Committed: -1, First: 0, End: ix.lines}})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("manifest %s: %w", s.path, err)
	}
	err = deliver(ctx, a, p, ix, file, info.ModTime(), start[p])
	s.drain(ctx, a)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("manifest %s: %w", s.path, err)
	}
	return nil
}

// deliver hands the lines from number next on over, in chunks.
func deliver(ctx context.Context, a stream.Assignments, p stream.Partition, ix *index, r io.ReaderAt, at time.Time, next int64) error {
	if next < 0 || next > ix.lines {
		return fmt.Errorf("cannot start at line %d of %d", next, ix.lines)
	}
	lines, err := ix.from(r, next)
	if err != nil {
		return fmt.Errorf("line %d: %w", next, err)
	}
	var chunk []stream.Record
	held := 0
	for next < ix.lines && ctx.Err() == nil {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			err = errors.New("the file was cut while it was being read")
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", next, err)
		}
		chunk = append(chunk, stream.Record{Offset: next, Time: at, Value: value(line, next)})
		held += len(line)
		next++
		if len(chunk) == chunkLines || held >= chunkBytes || next == ix.lines {
			if err := a.Records(ctx, p, chunk, next); err != nil {
				return err
			}
			chunk, held = nil, 0 // the receiver owns the old one
		}
	}
	return ctx.Err()
}

// value copies a line; a blank one is nil, a tombstone. A byte order mark, which some editors write, is not part of the first line.
func value(line []byte, number int64) []byte {
	if number == 0 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	return bytes.Clone(line)
}

// drain waits for what is in flight: without a limit after the last line, for DrainTimeout once ctx has ended.
func (s *Source) drain(ctx context.Context, a stream.Assignments) {
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-drain.Done():
			return
		case <-ctx.Done():
		}
		t := time.NewTimer(s.DrainTimeout)
		defer t.Stop()
		select {
		case <-drain.Done():
		case <-t.C:
			cancel()
		}
	}()
	a.Revoked(drain)
	cancel()
	<-watched
}

// committer stores nothing: where the output ends is the truth, and a manifest has no other reader.
type committer struct {
	ix    *index
	file  io.ReaderAt
	at    time.Time
	ended atomic.Bool
}

// Reread implements stream.Rereader.
func (c *committer) Reread(_ context.Context, p stream.Position) (stream.Record, error) {
	lines, err := c.ix.from(c.file, p.Offset)
	if err != nil {
		return stream.Record{}, fmt.Errorf("line %d: %w", p.Offset, err)
	}
	line, err := lines.next()
	if err != nil {
		return stream.Record{}, fmt.Errorf("line %d: %w", p.Offset, err)
	}
	return stream.Record{Offset: p.Offset, Time: c.at, Value: value(line, p.Offset)}, nil
}

// Commit implements stream.Committer; it fails only after the assignment.
func (c *committer) Commit(context.Context, map[stream.Partition]int64) error {
	if c.ended.Load() {
		return errors.New("manifest: the assignment has ended")
	}
	return nil
}

// cancellable ends a long count with its context.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
