package icebergsink

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/sinktest"
)

// world is a table and the store of its files.
type world struct {
	table *memTable
	store *sinktest.MemStore
}

func newWorld() *world {
	st := sinktest.NewMemStore()
	return &world{&memTable{id: "a", store: st}, st}
}

func (w *world) config() Config {
	c := NewDefaultConfig()
	c.Table, c.Name, c.Tasks, c.ModelDigest, c.Writer = w.table, "ns.rows", schemas.Tasks(), "m", "test"
	c.Files = func(_ context.Context, url string) (Store, string, error) { return w.store, nameIn(url), nil }
	c.Retry = retry.Policy{Attempts: 8, Base: 10 * time.Millisecond, Max: time.Second}
	c.Compression = parquetfile.None // the library's zstd decoder would tie a bubble to the next one
	return c
}

func open(t testing.TB, c Config) *Sink {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read is the account of a source, which must be whole, and in files of which each says truly what it has.
func (w *world) read(src schemas.SourceID) (a sinktest.Account, err error) {
	ranges, files, err := w.table.ranges(src)
	if err != nil {
		return a, err
	}
	for _, r := range ranges {
		a.Dead, a.Skipped, a.Lost = append(a.Dead, r.Dead...), append(a.Skipped, r.Skipped...), append(a.Lost, r.Lost...)
	}
	gone, err := w.table.gone(context.Background(), w.table.snapshots)
	if err != nil {
		return a, err
	}
	for _, f := range files {
		o, err := w.store.Stat(context.Background(), nameIn(f.URL))
		if err != nil {
			return a, err
		}
		body, err := w.store.Read(context.Background(), o.Name, 0, o.Size)
		if err != nil {
			return a, err
		}
		rows, err := parquetfile.Read(context.Background(), body)
		if err != nil {
			return a, err
		}
		if f.Rows != int64(len(rows)) || f.Bytes != o.Size {
			return a, fmt.Errorf("%s has %d rows in %d bytes and says %d in %d", f.URL, len(rows), o.Size, f.Rows, f.Bytes)
		}
		for i := range rows {
			if rows[i].Topic == src.Topic && rows[i].Partition == src.Partition && !gone[f.URL][int64(i)] {
				a.Rows = append(a.Rows, rows[i])
			}
		}
	}
	return a, nil
}

func (w *world) fixture(change func(*Config)) sinktest.Fixture {
	return sinktest.Fixture{
		Open: func(t testing.TB) sinks.Sink {
			c := w.config()
			change(&c)
			return open(t, c)
		},
		Read: func(t testing.TB, src schemas.SourceID) sinktest.Account {
			t.Helper()
			a, err := w.read(src)
			if err != nil {
				t.Fatal(err)
			}
			return a
		},
		Chained: true, RecordsFates: true, Deletes: true,
	}
}

func TestSinkConforms(t *testing.T) {
	byTask := func(_ string, r *schemas.Row) (Tuple, error) { return Tuple{Path: "task=" + string(r.Task)}, nil }
	for _, c := range []struct {
		name   string
		world  func(*world)
		change func(*Config)
	}{
		{"with the defaults", func(*world) {}, func(*Config) {}},
		{"with tiny rolls and buffers", func(*world) {}, func(c *Config) { c.RollRows, c.MaxBuffered, c.Uploads = 3, 4096, 1 }},
		{"in a table with partitions", func(w *world) { w.table.partition = byTask }, func(c *Config) { c.RollRows = 20 }},
		{"with every second answer lost", func(w *world) {
			w.table.faults = func(n int) fault { return fault{err: map[bool]error{true: errFault}[n%2 == 0], land: n%4 == 0} }
		}, func(c *Config) { c.RollRows = 5 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			sinktest.Run(t, sinktest.Options{Bubble: true}, func(testing.TB) sinktest.Fixture {
				w := newWorld()
				c.world(w)
				return w.fixture(c.change)
			})
		})
	}
}

// TestOfWritesAtOnceALargeOneIsNotPassedBySmallOnes has a small range come while a large one waits, which it would fit in before.
func TestOfWritesAtOnceALargeOneIsNotPassedBySmallOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		size := func(n int64) (bytes int64) {
			_, rows := sinktest.Make(schemas.SourceID{Pipeline: "p", Topic: "t"}, 0, n)
			for i := range rows {
				bytes += rows[i].Size()
			}
			return bytes
		}
		w := newWorld()
		w.table.faults = func(int) fault { return fault{delay: 10 * time.Second} }
		c := w.config()
		c.RollAge, c.MaxBuffered = time.Hour, size(12)+size(1)+2*1000
		s := open(t, c)
		began, in := time.Now(), [3]time.Duration{}
		var writers sync.WaitGroup
		for part, n := range []int64{10, 12, 1} {
			src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: part}
			if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
				t.Fatal(err)
			}
			writers.Go(func() {
				r, rows := sinktest.Make(src, 0, n)
				if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
					t.Error(err)
				}
				in[part] = time.Since(began)
			})
			synctest.Wait()
		}
		writers.Wait()
		if in != [3]time.Duration{0, 10 * time.Second, 10 * time.Second} {
			t.Errorf("let in after %v, want the second and the third when the first is committed", in)
		}
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
