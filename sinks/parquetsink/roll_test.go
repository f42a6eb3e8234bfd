package parquetsink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

func src(n int) schemas.SourceID {
	return schemas.SourceID{Pipeline: "pipe", Topic: "topic", Partition: n}
}

// recorder keeps what a sink reports.
type recorder struct {
	mu      sync.Mutex
	written []parquetsink.FileWritten
	lost    []parquetsink.NameLost
}

func (r *recorder) FileWritten(f parquetsink.FileWritten) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written = append(r.written, f)
}

func (r *recorder) NameLost(l parquetsink.NameLost) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = append(r.lost, l)
}

// files are the written files as "[first, next) reason".
func (r *recorder) files() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, f := range r.written {
		out = append(out, fmt.Sprintf("[%d, %d) %s", f.Range.First, f.Range.Next, f.Reason))
	}
	return out
}

// begin opens a sink on a store, in a bubble, and resumes the sources 0 to n-1.
func begin(t *testing.T, st *sinktest.MemStore, n int, change func(*parquetsink.Config)) (*parquetsink.Sink, *recorder) {
	t.Helper()
	rec := &recorder{}
	c := config(st)
	c.Compression, c.Observer = parquetsink.None, rec
	change(&c)
	s := open(t, c)
	for i := range n {
		if _, _, err := s.Resume(t.Context(), src(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	return s, rec
}

func write(t *testing.T, s *parquetsink.Sink, source schemas.SourceID, first, next int64) *error {
	t.Helper()
	r, rows := sinktest.Make(source, first, next)
	outcome := errors.New("not reported yet")
	if err := s.Write(t.Context(), r, rows, func(err error) { outcome = err }); err != nil {
		t.Fatalf("writing [%d, %d): %v", first, next, err)
	}
	return &outcome
}

func closeSink(t *testing.T, s *parquetsink.Sink) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreRolledForTheirReasons(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*parquetsink.Config)
		drive  func(t *testing.T, s *parquetsink.Sink)
		want   []string
	}{
		{"enough rows roll", func(c *parquetsink.Config) { c.RollRows = 8 }, func(t *testing.T, s *parquetsink.Sink) {
			write(t, s, src(0), 0, 5)
			write(t, s, src(0), 5, 12)
			write(t, s, src(0), 12, 14)
		}, []string{"[0, 12) rows", "[12, 14) flush"}},
		{"enough bytes roll", func(c *parquetsink.Config) { c.RollBytes = 9000 }, func(t *testing.T, s *parquetsink.Sink) {
			write(t, s, src(0), 0, 2)
			write(t, s, src(0), 2, 14)
			write(t, s, src(0), 14, 15)
		}, []string{"[0, 14) bytes", "[14, 15) flush"}},
		{"age rolls, counted from the first range", func(c *parquetsink.Config) { c.RollAge = time.Minute }, func(t *testing.T, s *parquetsink.Sink) {
			write(t, s, src(0), 0, 1)
			time.Sleep(40 * time.Second)
			write(t, s, src(0), 1, 2)
			time.Sleep(30 * time.Second)
			write(t, s, src(0), 2, 3)
			time.Sleep(59 * time.Second)
			write(t, s, src(0), 3, 4)
			time.Sleep(30 * time.Second)
		}, []string{"[0, 2) age", "[2, 4) age"}},
		{"an idle source with nothing but skipped and dead offsets rolls by age", func(c *parquetsink.Config) { c.RollAge = time.Minute }, func(t *testing.T, s *parquetsink.Sink) {
			write(t, s, src(0), 0, 3)
			time.Sleep(2 * time.Minute)
			write(t, s, src(0), 3, 4) // dead
			time.Sleep(2 * time.Minute)
		}, []string{"[0, 3) age", "[3, 4) age"}},
		{"flush rolls all sources and nothing rolls twice", func(*parquetsink.Config) {}, func(t *testing.T, s *parquetsink.Sink) {
			write(t, s, src(0), 0, 3)
			for range 2 {
				if err := s.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Hour)
		}, []string{"[0, 3) flush"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, rec := begin(t, sinktest.NewMemStore(), 1, c.change)
				c.drive(t, s)
				closeSink(t, s)
				if got := rec.files(); !slices.Equal(got, c.want) {
					t.Errorf("files %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestWriteBlocksWhileBuffersAreFullAndRollsTheLargestSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		st.Faults = func(op sinktest.Op) sinktest.Fault {
			if op.Kind == sinktest.OpPut {
				return sinktest.Fault{Delay: 10 * time.Second}
			}
			return sinktest.Fault{}
		}
		const limit = 40_000
		s, rec := begin(t, st, 3, func(c *parquetsink.Config) { c.MaxBuffered = limit })
		write(t, s, src(0), 0, 10)
		write(t, s, src(1), 0, 25) // the largest
		began := time.Now()
		write(t, s, src(2), 0, 20) // has to wait for the upload of source 1
		if waited := time.Since(began); waited < 10*time.Second || waited > 11*time.Second {
			t.Errorf("the write waited %v, want the 10 s of an upload", waited)
		}
		if got := rec.files(); !slices.Equal(got, []string{"[0, 25) pressure"}) {
			t.Errorf("files %q", got)
		}
		if n, _ := s.Buffered(); n > limit {
			t.Errorf("%d bytes buffered", n)
		}
		closeSink(t, s)
		if n, _ := s.Buffered(); n != 0 {
			t.Errorf("%d bytes held after close", n)
		}
	})
}

// TestAFullBufferNeverDeadlocks has many writers whose ranges are about as large as the whole buffer, and some larger.
func TestAFullBufferNeverDeadlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		st.Faults = func(op sinktest.Op) sinktest.Fault {
			return sinktest.Fault{Delay: time.Duration(op.Seq%5) * time.Second}
		}
		s, _ := begin(t, st, 12, func(c *parquetsink.Config) {
			c.MaxBuffered, c.Uploads, c.RollAge = 10_000, 1, 1000*time.Hour // age never helps
		})
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				for o := int64(0); o < 60; o += int64(3 + i) {
					r, rows := sinktest.Make(src(i), o, o+int64(3+i))
					if err := s.Write(t.Context(), r, rows, func(err error) {
						if err != nil {
							t.Errorf("source %d: %v", i, err)
						}
					}); err != nil {
						t.Errorf("source %d: %v", i, err)
					}
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > time.Hour {
			t.Errorf("the writers were stuck until the files grew old: %v", took)
		}
		closeSink(t, s)
		for i := range 12 {
			a := read(t, st, src(i))
			if err := a.Audit(src(i), 0, (60+int64(2+i))/int64(3+i)*int64(3+i), true); err != nil {
				t.Errorf("source %d: %v", i, err)
			}
		}
	})
}

func TestAWaitingWriteEndsWithItsContextWithTheSourceAndWithTheSink(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(s *parquetsink.Sink, cancel context.CancelFunc)
	}{
		{"its context", func(_ *parquetsink.Sink, cancel context.CancelFunc) { cancel() }},
		{"the sink", func(s *parquetsink.Sink, _ context.CancelFunc) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			s.Close(ctx)
		}},
		{"its source", func(s *parquetsink.Sink, _ context.CancelFunc) { s.Forget(src(1)) }}, // while the upload of source 0 holds the memory
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := sinktest.NewMemStore()
				st.Faults = func(op sinktest.Op) sinktest.Fault {
					if op.Kind == sinktest.OpPut {
						return sinktest.Fault{Delay: time.Hour}
					}
					return sinktest.Fault{}
				}
				s, _ := begin(t, st, 2, func(c *parquetsink.Config) { c.MaxBuffered = 10_000 })
				write(t, s, src(0), 0, 10)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() {
					r, rows := sinktest.Make(src(1), 0, 10)
					ended <- s.Write(ctx, r, rows, func(error) { t.Error("done of a refused range") })
				}()
				synctest.Wait()
				began := time.Now()
				c.end(s, cancel)
				if err := <-ended; err == nil || time.Since(began) > time.Second { // closing may take that long
					t.Errorf("the write ended after %v with %v", time.Since(began), err)
				}
				cancel()
				s.Forget(src(0))
				closeSink(t, s)
				if n, _ := s.Buffered(); n != 0 {
					t.Errorf("%d bytes are held for nobody", n)
				}
			})
		})
	}
}

// TestAWaitingWriteEndsWhenAFileOfItsSourceFails: nothing more is taken of that source, and what holds the memory is another one's.
func TestAWaitingWriteEndsWhenAFileOfItsSourceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		st.Faults = func(op sinktest.Op) sinktest.Fault {
			switch {
			case op.Kind != sinktest.OpPut:
				return sinktest.Fault{}
			case strings.Contains(op.Name, "/1/"):
				return sinktest.Fault{Delay: 5 * time.Second, Err: objectstore.ErrRefused}
			}
			return sinktest.Fault{Delay: time.Hour}
		}
		s, _ := begin(t, st, 2, func(c *parquetsink.Config) { c.MaxBuffered, c.PutTimeout = 10_000, 2*time.Hour })
		write(t, s, src(0), 0, 10)
		failed := write(t, s, src(1), 0, 1)
		flush, cut := context.WithCancel(t.Context())
		flushed := make(chan error, 1)
		go func() { flushed <- s.Flush(flush) }()
		synctest.Wait()
		began := time.Now()
		r, rows := sinktest.Make(src(1), 1, 11)
		err := s.Write(t.Context(), r, rows, func(error) { t.Error("done of a refused range") })
		if !errors.Is(err, objectstore.ErrRefused) || time.Since(began) != 5*time.Second {
			t.Errorf("the write ended after %v with %v, want the file's fault after 5s", time.Since(began), err)
		}
		synctest.Wait()
		if !errors.Is(*failed, objectstore.ErrRefused) {
			t.Errorf("the range before it: %v", *failed)
		}
		cut()
		<-flushed
		s.Forget(src(0))
		closeSink(t, s)
	})
}
