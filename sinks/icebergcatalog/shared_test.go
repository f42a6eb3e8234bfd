//go:build iceberg

package icebergcatalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
	"vecmill/sinks/parquetfile"
)

// counting is a store that counts its requests for each object.
type counting struct {
	icebergsink.Store
	of *counts
}

type counts struct {
	mu   sync.Mutex
	n    map[string]int
	gate chan struct{} // a read waits for it, if there is one
	err  error         // of the next read
}

func (c *counts) file(ctx context.Context, url string) (icebergsink.Store, string, error) {
	s, name, err := openFile(ctx, url)
	return counting{s, c}, name, err
}

func (c counting) Read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	c.of.mu.Lock()
	c.of.n[name]++
	err := c.of.err
	c.of.err = nil
	c.of.mu.Unlock()
	if c.of.gate != nil {
		<-c.of.gate
	}
	if err != nil {
		return nil, err
	}
	return c.Store.Read(ctx, name, off, n)
}

// TestADeleteFileOfManyDataFilesIsReadOnce has one that concerns each of five, as compactions and other engines leave them.
func TestADeleteFileOfManyDataFilesIsReadOnce(t *testing.T) {
	l := lake{t.TempDir()}
	c := l.config(schemas.TaskEmbedding)
	c.Deletes = true
	sink := l.open(t, c)
	for i := range int64(5) {
		write(t, sink, c.Tasks, gone, 20*i, 20*i+20)
	}
	take(t, sink, 100, 101, refs(3, 23, 43, 63, 83)...)
	seen := &counts{n: map[string]int{}}
	c.Files = seen.file
	s, err := OpenSnapshot(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	scan, err := s.Scan(t.Context(), "", "offset")
	if err != nil {
		t.Fatal(err)
	}
	clear(seen.n)
	rows := 0
	for _, f := range scan.Files {
		if err := scan.Rows(t.Context(), f, func(row []parquetfile.Value) error {
			if row[0].Int%20 == 3 {
				t.Errorf("a row of offset %d", row[0].Int)
			}
			rows++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(scan.Files) != 5 || rows == 0 || len(s.t.files.mu.of) != 1 {
		t.Fatalf("%d rows of %d files, which share %v", rows, len(scan.Files), s.t.files.mu.of)
	}
	for name, n := range seen.n {
		if n > 1 {
			t.Errorf("%s is read %d times", name, n)
		}
	}
	if len(seen.n) != 6 {
		t.Errorf("%v are read", seen.n)
	}
}

// sharing keeps some objects of a directory.
func sharing(t *testing.T, seen *counts, most int64, sizes ...int) (*shared, func(n int) error) {
	t.Helper()
	dir := t.TempDir()
	s := newShared(seen.file)
	s.most = most
	url := func(n int) string { return fmt.Sprintf("file://%s/%d", dir, n) }
	want := map[int][]byte{}
	for n, size := range sizes {
		s.mu.of[url(n)] = true
		want[n] = bytes.Repeat([]byte{byte('a' + n)}, size)
		store, name, err := openFile(t.Context(), url(n))
		if err == nil {
			err = store.Put(t.Context(), name, want[n], "")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s, func(n int) error {
		store, name, err := s.file(t.Context(), url(n))
		if err != nil {
			return err
		}
		o, err := store.Stat(t.Context(), name)
		if err != nil {
			return err
		}
		body, err := store.Read(t.Context(), name, 1, o.Size)
		if err == nil && !bytes.Equal(body, want[n][1:]) {
			err = fmt.Errorf("it has %q", body)
		}
		return err
	}
}

func TestSharedFilesAreKeptWithinTheirBytes(t *testing.T) {
	seen := &counts{n: map[string]int{}}
	s, read := sharing(t, seen, 100, 40, 40, 40, 101)
	for _, n := range []int{0, 1, 0, 2, 0, 1, 3, 3} { // 1 goes for 2, 2 for 1, and 3 is never kept
		if err := read(n); err != nil {
			t.Errorf("%d: %v", n, err)
		}
		if s.mu.bytes > 100 {
			t.Errorf("%d bytes are kept", s.mu.bytes)
		}
	}
	if got := fmt.Sprint(seen.n); got != "map[0:1 1:2 2:1 3:2]" {
		t.Errorf("reads: %s", got)
	}
}

// TestASharedFileThatIsOnItsWayIsWaitedFor has two ask for it, the first of which fails.
func TestASharedFileThatIsOnItsWayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &counts{n: map[string]int{}, gate: make(chan struct{}), err: errors.New("cut off")}
		_, read := sharing(t, seen, 100, 40)
		outcomes := make(chan error, 2)
		for range 2 {
			go func() { outcomes <- read(0) }()
		}
		synctest.Wait()
		if seen.n["0"] != 1 {
			t.Errorf("%d reads at once", seen.n["0"])
		}
		close(seen.gate)
		a, b := <-outcomes, <-outcomes
		if (a == nil) == (b == nil) || seen.n["0"] != 2 {
			t.Errorf("%v and %v after %d reads", a, b, seen.n["0"])
		}
	})
}

// TestSharedFilesOnTheirWayTakeNoMoreThanIsKept has three read at once, for two of which there is room beside one that goes for them; the third is read in parts, and kept when it is asked for later.
func TestSharedFilesOnTheirWayTakeNoMoreThanIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &counts{n: map[string]int{}}
		s, read := sharing(t, seen, 100, 40, 40, 40, 30)
		if err := read(3); err != nil {
			t.Fatal(err)
		}
		seen.gate = make(chan struct{})
		outcomes := make(chan error, 3)
		for n := range 3 {
			go func() { outcomes <- read(n) }()
		}
		synctest.Wait()
		if s.mu.bytes != 80 || len(s.mu.kept) != 2 {
			t.Errorf("%d bytes are there and on their way, for %d files", s.mu.bytes, len(s.mu.kept))
		}
		close(seen.gate)
		for range 3 {
			if err := <-outcomes; err != nil {
				t.Error(err)
			}
		}
		for n := range 3 {
			if err := read(n); err != nil {
				t.Error(err)
			}
		}
		if s.mu.bytes != 80 || len(s.mu.kept) != 2 {
			t.Errorf("%d bytes of %d files are kept", s.mu.bytes, len(s.mu.kept))
		}
	})
}
