package manifestsource

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"vecmill/stream"
)

// TopicPrefix and a manifest's name are its topic in rows and in the output's path.
const TopicPrefix = "manifest:"

const (
	stride   = 4096    // lines between two entries of the index
	chunk    = 256     // lines handed over at once
	maxLine  = 4 << 20 // bytes of a line: an inline payload with room for its encoding
	drainFor = time.Hour
)

// Source is one manifest. Create it with New.
type Source struct {
	path string
	part stream.Partition
}

// New is a source over the file at path, known by name in the output. It does no I/O.
func New(path, name string) (*Source, error) {
	if name == "" {
		return nil, errors.New("manifest source: no name")
	}
	return &Source{path: path, part: stream.Partition{Topic: TopicPrefix + name}}, nil
}

// Run implements stream.Source: it delivers every line from where the output ends, drains and returns. A line longer than 4 MiB is an error.
func (s *Source) Run(ctx context.Context, a stream.Assignments) error {
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("opening the manifest: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	index, lines, err := scan(ctx, f)
	if err != nil {
		return fmt.Errorf("reading the manifest %s: %w", s.path, err)
	}
	start, err := a.Assigned(ctx, nothing{}, map[stream.Partition]stream.Bounds{s.part: {Committed: -1, First: 0, End: lines}})
	if err != nil {
		return err
	}
	err = s.deliver(ctx, f, index, start[s.part], a)
	if ctx.Err() != nil {
		err = nil // an orderly end
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	a.Revoked(drain)
	return err
}

// scan counts the lines and notes where every stride-th begins.
func scan(ctx context.Context, f io.Reader) (index []int64, lines int64, err error) {
	r := bufio.NewReaderSize(f, 1<<20)
	at, length := int64(0), 0
	for {
		if length == 0 && lines%stride == 0 && int64(len(index)) == lines/stride {
			index = append(index, at)
			if ctx.Err() != nil {
				return nil, 0, ctx.Err()
			}
		}
		b, err := r.ReadSlice('\n')
		at += int64(len(b))
		length += len(b)
		switch {
		case length > maxLine:
			return nil, 0, fmt.Errorf("line %d is longer than %d bytes", lines+1, maxLine)
		case err == nil:
			lines, length = lines+1, 0
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if length > 0 {
				lines++
			}
			return index, lines, nil
		default:
			return nil, 0, err
		}
	}
}

// deliver hands the lines over from offset on.
func (s *Source) deliver(ctx context.Context, f io.ReadSeeker, index []int64, offset int64, a stream.Assignments) error {
	skip := offset % stride
	if int(offset/stride) >= len(index) {
		return nil // the output has everything
	}
	if _, err := f.Seek(index[offset/stride], io.SeekStart); err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 64<<10), maxLine+1)
	for ; skip > 0 && lines.Scan(); skip-- {
	}
	var recs []stream.Record
	send := func() error {
		err := a.Records(ctx, s.part, recs, offset)
		recs = nil // the receiver owns them
		return err
	}
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) > 0 {
			recs = append(recs, stream.Record{Offset: offset, Value: bytes.Clone(line)})
		}
		offset++
		if len(recs) == chunk {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	return send()
}

// nothing is a committer that keeps nothing: the output's chain is the truth.
type nothing struct{}

// Commit implements stream.Committer.
func (nothing) Commit(context.Context, map[stream.Partition]int64) error { return nil }
