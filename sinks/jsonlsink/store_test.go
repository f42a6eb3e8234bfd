package jsonlsink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/sinktest"
)

// full is a disk that has no room for the whole of the next writes.
type full struct {
	handle
	left *atomic.Int64
}

func (f full) Write(b []byte) (int, error) {
	if f.left.Add(-1) < 0 {
		return f.handle.Write(b)
	}
	n, err := f.handle.Write(b[:len(b)*2/3])
	return n, errors.Join(err, errors.New("no space left on device"))
}

// openFull opens a file on a disk that is full for left writes.
func openFull(t testing.TB, path string, left *atomic.Int64) *deliver.Sink {
	t.Helper()
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f.f = full{f.f, left}
	c := deliver.NewDefaultConfig()
	c.Name = path
	s, err := deliver.New(c, f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, path string) *deliver.Sink {
	t.Helper()
	c := NewDefaultConfig()
	c.Path = path
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read is what a reader makes of a file that keeps the last line of each row and carries deletions out.
func read(t testing.TB, path string, src schemas.SourceID) (a sinktest.Account) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var gone struct {
			RefID   string `json:"ref_id"`
			Deleted bool
			Offset  int64
		}
		if err := json.Unmarshal(line, &gone); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		row, err := jsonrow.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if row.Topic != src.Topic || row.Partition != src.Partition {
			continue
		}
		a.Rows = slices.DeleteFunc(a.Rows, func(r schemas.Row) bool {
			return gone.Deleted && r.RefID == gone.RefID && r.Offset < gone.Offset || r.RowID == row.RowID
		})
		if !gone.Deleted {
			a.Rows = append(a.Rows, row)
		}
	}
	return a
}

// TestSinkConforms gives each process a copy of the file: the suite lets crashed ones live on, and their lock with them.
func TestSinkConforms(t *testing.T) {
	sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
		path, left := "", &atomic.Int64{}
		return sinktest.Fixture{
			Open: func(t testing.TB) sinks.Sink {
				var content []byte
				if path != "" {
					content, _ = os.ReadFile(path)
				}
				path = filepath.Join(t.TempDir(), "rows.jsonl")
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
				return openFull(t, path, left)
			},
			Read:    func(t testing.TB, src schemas.SourceID) sinktest.Account { return read(t, path, src) },
			Upserts: true, Deletes: true,
			Break: func(n int) { left.Store(int64(n)) },
		}
	})
}

var src = schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}

func write(t *testing.T, s *deliver.Sink, first, next int64) *error {
	t.Helper()
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	var verdict error
	r, rows := sinktest.Make(src, first, next)
	if err := s.Write(t.Context(), r, rows, func(err error) { verdict = err }); err != nil {
		t.Fatal(err)
	}
	return &verdict
}

func TestALineThatACrashLeftHalfWrittenIsCutOff(t *testing.T) {
	for name, tail := range map[string]string{"none": "", "half a line": `{"row_id":"ab`, "a long half": strings.Repeat("x", 200_000)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "rows.jsonl")
			s := open(t, path)
			write(t, s, 0, 10)
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(tail); err != nil {
				t.Fatal(err)
			}
			f.Close()
			s = open(t, path)
			write(t, s, 10, 20)
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			a := read(t, path, src)
			if err := a.Audit(src, 0, 20, false); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAFileIsWrittenByOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	s := open(t, path)
	c := NewDefaultConfig()
	c.Path = path
	if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "another process writes this file") {
		t.Errorf("the second gives %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	open(t, path).Close(t.Context())
}

func TestWhatCannotBeAFileIsRefusedAtStart(t *testing.T) {
	for name, c := range map[string]struct {
		path, want string
	}{
		"a directory":             {t.TempDir(), "is a directory"},
		"in no directory":         {filepath.Join(t.TempDir(), "no", "rows"), "no such file"},
		"a device":                {"/dev/null", "not a regular file"},
		"neither path nor output": {"", "a path or an output is needed"},
	} {
		cfg := NewDefaultConfig()
		cfg.Path = c.path
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestStandardOutput(t *testing.T) {
	var out bytes.Buffer
	c := NewDefaultConfig()
	c.Output = &out
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, 0, 10)
	if err := s.Close(t.Context()); err != nil || bytes.Count(out.Bytes(), []byte("\n")) != 10 {
		t.Errorf("%v, %q", err, out.String())
	}
	c.Output = brokenPipe{}
	if s, err = Open(c); err != nil {
		t.Fatal(err)
	}
	verdict := write(t, s, 0, 10)
	if err := s.Close(context.Background()); err == nil || *verdict == nil || !strings.Contains((*verdict).Error(), "standard output: writing offsets 0 to 9 of p/t/1: broken pipe") {
		t.Errorf("close gives %v, reported %v", err, *verdict)
	}
}
