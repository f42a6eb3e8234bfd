package parquetsink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

func hive(c *parquetsink.Config) { c.Compression, c.Layout = parquetsink.None, parquetsink.Hive }

// days writes ten offsets on each of three days, one of which has no rows to write, and gives the store.
func days(t *testing.T) *sinktest.MemStore {
	t.Helper()
	st := sinktest.NewMemStore()
	s, _ := begin(t, st, 1, hive)
	for first := int64(0); first < 30; first += 10 {
		write(t, s, src(0), first, first+10)
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if first == 10 {
			time.Sleep(24 * time.Hour)
		}
	}
	closeSink(t, s)
	return st
}

func TestADayEndsWithAFileThatNamesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := days(t)
		files, err := parquetsink.Hive.Chain(t.Context(), st, "out/rows", src(0), 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, fmt.Sprintf("%s [%d %d) %s %t", f.Day, f.Range.First, f.Range.Next, f.NextDay, f.Rows > 0))
		}
		if want := []string{
			"1970-01-01 [0 0) 2000-01-01 false", "2000-01-01 [0 10) 2000-01-01 true", "2000-01-01 [10 10) 2000-01-02 false",
			"2000-01-02 [10 20) 2000-01-02 true", "2000-01-02 [20 20) 2000-01-04 false", "2000-01-04 [20 30) 2000-01-04 true",
		}; !slices.Equal(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
		a := readIn(t, parquetsink.Hive, st, src(0))
		if err := a.Audit(src(0), 0, 30, true); err != nil {
			t.Error(err)
		}
		for from, first := range map[int64]int64{0: 0, 9: 0, 10: 10, 25: 20, 30: 20, 999: 20} {
			files, err := parquetsink.Hive.Chain(t.Context(), st, "out/rows", src(0), from)
			if err != nil || files[0].Range.First != first || files[len(files)-1].Range.Next != 30 {
				t.Errorf("from %d: %v, %+v", from, err, files)
			}
		}
	})
}

func TestAHiveChainThatLacksAFileIsRefused(t *testing.T) {
	for _, c := range []struct{ day, first, want string }{
		{"2000-01-02", "10", "no file covers offsets 10 to 19"},
		{"2000-01-02", "20", "that the file behind it is of day 2000-01-02"},
	} {
		synctest.Test(t, func(t *testing.T) {
			whole, broken := days(t), sinktest.NewMemStore()
			names, err := whole.List(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range names {
				o, _ := whole.Stat(t.Context(), n)
				b, _ := whole.Read(t.Context(), n, 0, o.Size)
				if !strings.HasSuffix(n, "/day="+c.day+"/000000000000000000"+c.first+".parquet") {
					broken.PutIfAbsent(t.Context(), n, b, o.Meta)
				}
			}
			conf := config(broken)
			hive(&conf)
			s := open(t, conf)
			if _, _, err := s.Resume(t.Context(), src(0), 0); !errors.Is(err, parquetsink.ErrBrokenChain) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			closeSink(t, s)
		})
	}
}

// TestAZombieOfYesterdayAndItsSuccessorWriteOneChain has an owner whose upload hangs over midnight, and lands when the next owner has gone on.
func TestAZombieOfYesterdayAndItsSuccessorWriteOneChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := sinktest.NewMemStore()
		zombie, _ := begin(t, st, 1, func(c *parquetsink.Config) {
			hive(c)
			c.PutTimeout = 48 * time.Hour
		})
		write(t, zombie, src(0), 0, 10)
		if err := zombie.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		st.Faults = func(op sinktest.Op) sinktest.Fault {
			if op.Kind == sinktest.OpPut {
				return sinktest.Fault{Delay: 26 * time.Hour}
			}
			return sinktest.Fault{}
		}
		late := write(t, zombie, src(0), 10, 20)
		flushed := make(chan struct{})
		go func() { zombie.Flush(context.Background()); close(flushed) }()
		synctest.Wait()
		st.Faults = nil
		time.Sleep(25 * time.Hour)
		next, _ := begin(t, st, 1, hive)
		won := write(t, next, src(0), 10, 25)
		closeSink(t, next)
		<-flushed
		closeSink(t, zombie)
		if *won != nil || *late != nil {
			t.Errorf("successor %v, zombie %v", *won, *late)
		}
		a := readIn(t, parquetsink.Hive, st, src(0))
		if err := a.Audit(src(0), 0, 25, true); err != nil {
			t.Error(err)
		}
		if names, err := st.List(t.Context(), "", ""); err != nil || len(names) != 4 {
			t.Errorf("%q, %v", names, err)
		}
	})
}

func TestAChainIsNotBegunAgainInTheOtherLayout(t *testing.T) {
	for _, c := range []struct{ has, wants parquetsink.Layout }{{parquetsink.Plain, parquetsink.Hive}, {parquetsink.Hive, parquetsink.Plain}} {
		st := sinktest.NewMemStore()
		conf := config(st)
		conf.Compression, conf.Layout = parquetsink.None, c.has
		s := open(t, conf)
		if _, _, err := s.Resume(t.Context(), src(0), 0); err != nil {
			t.Fatal(err)
		}
		write(t, s, src(0), 0, 10)
		closeSink(t, s)
		conf.Layout = c.wants
		s = open(t, conf)
		_, _, err := s.Resume(t.Context(), src(0), 0)
		if !errors.Is(err, parquetsink.ErrOtherLayout) || !strings.Contains(err.Error(), "of layout "+string(c.has)+", and this output writes "+string(c.wants)) {
			t.Errorf("%s after %s: %v", c.wants, c.has, err)
		}
		if _, known, err := s.Resume(t.Context(), src(1), 0); err != nil || known {
			t.Errorf("a source without files: %v, %v", known, err)
		}
		closeSink(t, s)
	}
}
