package jsonlsink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
)

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	Path    string    // of the file, which is made if it is not there
	Output  io.Writer // in place of a file: standard output
	Deliver deliver.Config
}

// NewDefaultConfig is a configuration that lacks only Path or Output.
func NewDefaultConfig() Config { return Config{Deliver: deliver.NewDefaultConfig()} }

// Open opens the file and makes a sink.
func Open(c Config) (*deliver.Sink, error) {
	var s deliver.Store
	switch {
	case (c.Path == "") == (c.Output == nil):
		return nil, errors.New("jsonl: a path or an output is needed, and not both")
	case c.Output != nil:
		c.Deliver.Name = "jsonl to standard output"
		s = &stream{w: c.Output}
	default:
		c.Deliver.Name = "jsonl file " + c.Path
		f, err := openFile(c.Path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Deliver.Name, err)
		}
		s = f
	}
	sink, err := deliver.New(c.Deliver, s)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return sink, nil
}

// lines is a batch as text.
func lines(b *deliver.Batch) (out []byte, err error) {
	for _, p := range b.Parts {
		for _, it := range p.Items {
			if it.Row != nil {
				out, err = jsonrow.Append(out, it.Row)
			} else {
				out, err = jsonrow.AppendDeletion(out, p.Source, schemas.Deletion{Offset: it.Offset, RefID: it.Delete})
			}
			if err != nil {
				return nil, deliver.Refused(err)
			}
			out = append(out, '\n')
		}
	}
	return out, nil
}

// stream is an output that takes what it is given and keeps nothing.
type stream struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *stream) Check(row *schemas.Row) error { return jsonrow.Check(row) }

// Put writes lines. An error is final: what was written of them cannot be taken back.
func (s *stream) Put(_ context.Context, b deliver.Batch) error {
	text, err := lines(&b)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.w.Write(text); err != nil {
		return deliver.Final(err)
	}
	return nil
}

func (s *stream) Close() error { return nil }

// file is a file that is appended to.
type file struct {
	mu   sync.Mutex
	f    handle
	size int64 // of whole lines that are synced
}

// handle is what is needed of an open file after its preparation.
type handle interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

func openFile(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	size, err := prepare(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &file{f: f, size: size}, nil
}

// prepare locks a file, cuts off a line that a crash has left half written, and gives the size.
func prepare(f *os.File) (int64, error) {
	if err := lock(f); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("it is not a regular file; for a pipe or a terminal name standard output (-)")
	}
	size, err := wholeLines(f, info.Size())
	if err != nil {
		return 0, fmt.Errorf("looking for the last line: %w", err)
	}
	if size < info.Size() {
		err = f.Truncate(size)
	}
	return size, err
}

// wholeLines is the length of a file up to its last newline.
func wholeLines(f io.ReaderAt, size int64) (int64, error) {
	block := make([]byte, 64<<10)
	for size > 0 {
		from := max(size-int64(len(block)), 0)
		n, err := f.ReadAt(block[:size-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(block[:n], '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		size = from
	}
	return 0, nil
}

func (s *file) Check(row *schemas.Row) error { return jsonrow.Check(row) }

// Put appends lines and syncs them.
func (s *file) Put(_ context.Context, b deliver.Batch) error {
	text, err := lines(&b)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.f.Write(text)
	if err == nil {
		err = s.f.Sync()
	}
	if err != nil {
		if cut := s.f.Truncate(s.size); cut != nil { // the next try must not begin in the middle of a line
			return deliver.Final(errors.Join(err, fmt.Errorf("taking back what was written of it: %w", cut)))
		}
		if errors.Is(err, fs.ErrClosed) || errors.Is(err, syscall.EFBIG) {
			return deliver.Final(err)
		}
		return err
	}
	s.size += int64(len(text))
	return nil
}

func (s *file) Close() error { return s.f.Close() }
