package backfill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// files is a list of files with three pieces each, of which every other one takes long to read.
type files struct {
	n     int
	fails int // the file that ends with an error behind its second piece

	mu            sync.Mutex
	running, most int // that are read, now and at once at most
}

func (f *files) step(by int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running += by
	f.most = max(f.most, f.running)
}

var errCutOff = errors.New("cut off")

func (f *files) list(_ context.Context, begin func(reader[string]) error) error {
	for n := range f.n {
		if err := begin(func(ctx context.Context, send func(string) error) error {
			f.step(1)
			defer f.step(-1)
			for k := range 3 {
				time.Sleep(time.Second)
				if n%2 == 0 {
					time.Sleep(time.Minute)
				}
				if n == f.fails && k == 2 {
					return errCutOff
				}
				if err := send(fmt.Sprint(n, ".", k)); err != nil {
					return err
				}
			}
			return ctx.Err()
		}); err != nil {
			return err
		}
	}
	return nil
}

func piecesOf(files int) (all []string) {
	for n := range files {
		for k := range 3 {
			all = append(all, fmt.Sprint(n, ".", k))
		}
	}
	return all
}

func TestFilesAreReadAheadAndGivenInTheirOrder(t *testing.T) {
	for _, atOnce := range []int{0, 1, 3, 100} {
		synctest.Test(t, func(t *testing.T) {
			f, began := &files{n: 12, fails: -1}, time.Now()
			var got []string
			if err := ahead(t.Context(), atOnce, f.list, func(p string) error { got = append(got, p); return nil }); err != nil || !slices.Equal(got, piecesOf(12)) {
				t.Errorf("%d at once: %v, %v", atOnce, got, err)
			}
			if want := min(max(atOnce, 1), f.n); f.most != want {
				t.Errorf("%d files were read at once, want %d", f.most, want)
			}
			if took := time.Since(began); (took < 15*time.Minute) != (atOnce > 1) {
				t.Errorf("%d at once: it took %v", atOnce, took)
			}
		})
	}
}

func TestAnErrorEndsReadingAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &files{n: 12, fails: 5}
		var got []string
		err := ahead(t.Context(), 4, f.list, func(p string) error { got = append(got, p); return nil })
		if all := piecesOf(12); !errors.Is(err, errCutOff) || len(got) > 3*5+2 || !slices.Equal(got, all[:len(got)]) || f.running != 0 {
			t.Errorf("a file that fails: %v, %v, %d still read", got, err, f.running)
		}
		f, got = &files{n: 12, fails: -1}, nil
		err = ahead(t.Context(), 4, f.list, func(p string) error {
			if got = append(got, p); len(got) == 7 {
				return errCutOff
			}
			return nil
		})
		if !errors.Is(err, errCutOff) || !slices.Equal(got, piecesOf(12)[:7]) || f.running != 0 {
			t.Errorf("nobody takes more: %v, %v, %d still read", got, err, f.running)
		}
		ctx, cancel := context.WithCancel(t.Context())
		f = &files{n: 12, fails: -1}
		err = ahead(ctx, 4, f.list, func(string) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) || f.running != 0 {
			t.Errorf("it was told to stop: %v, %d still read", err, f.running)
		}
	})
}
