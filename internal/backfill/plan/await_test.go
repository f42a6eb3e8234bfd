package plan

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/sinks/sinktest"
)

// TestAPlanIsAwaitedWhileItsMakerSavesSomething has a maker that begins late, saves now and then and finishes, one that is never started, one that falls silent in its middle, and a wait that is ended.
func TestAPlanIsAwaitedWhileItsMakerSavesSomething(t *testing.T) {
	const patience = 10 * time.Minute
	save := func(t *testing.T, w *Writer, from, to int) {
		t.Helper()
		add(t, w, from, to)
		if err := w.Save(t.Context(), to); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		name  string
		maker func(t *testing.T, at Place)
		took  time.Duration // and some seconds
		err   error
		last  Waiting // that was told; of Quiet whole minutes
		tells int
	}{
		{"it begins late, and finishes after many times the patience", func(t *testing.T, at Place) {
			time.Sleep(8 * time.Minute)
			w, _ := writer(t, at)
			for i := range 4 {
				save(t, w, 10*i, 10*(i+1))
				time.Sleep(9 * time.Minute)
			}
			if _, err := w.Finish(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}, 44 * time.Minute, nil, Waiting{true, 40, 8 * time.Minute}, 45},
		{"it saves where it stands, and no reference", func(t *testing.T, at Place) {
			w, _ := writer(t, at)
			for i := range 3 {
				if err := w.Save(t.Context(), i); err != nil {
					t.Error(err)
				}
				time.Sleep(9 * time.Minute)
			}
		}, 28 * time.Minute, ErrQuiet, Waiting{true, 0, 9 * time.Minute}, 29},
		{"nobody makes it", func(*testing.T, Place) {}, patience, ErrQuiet, Waiting{false, 0, 9 * time.Minute}, 10},
		{"it falls silent", func(t *testing.T, at Place) {
			time.Sleep(time.Minute)
			w, _ := writer(t, at)
			save(t, w, 0, 7)
		}, patience + time.Minute, ErrQuiet, Waiting{true, 7, 9 * time.Minute}, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := place(t)
			synctest.Test(t, func(t *testing.T) {
				var told []Waiting
				began := time.Now()
				go func() {
					time.Sleep(3 * time.Second) // not when it is looked for
					c.maker(t, at)
				}()
				_, err := Await(t.Context(), at, patience, func(w Waiting) { told = append(told, w) })
				took := time.Since(began)
				synctest.Wait()
				if !errors.Is(err, c.err) || took < c.took || took > c.took+15*time.Second {
					t.Errorf("%v after %v, want %v after %v", err, took, c.err, c.took)
				}
				last := told[len(told)-1]
				last.Quiet = last.Quiet.Truncate(time.Minute)
				if told[0] != (Waiting{}) || last != c.last || len(told) != c.tells {
					t.Errorf("%d times told, at first %+v, at last %+v; want %d and %+v", len(told), told[0], last, c.tells, c.last)
				}
			})
		})
	}
	at := place(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := Await(ctx, at, patience, func(Waiting) {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended, it says %v", err)
		}
		began := time.Now()
		if _, err := Await(t.Context(), at, 0, func(Waiting) {}); !errors.Is(err, ErrQuiet) || time.Since(began) != 0 {
			t.Errorf("without patience it says %v after %v", err, time.Since(began))
		}
	})
}

// TestWhatIsSavedAnewWhileItIsReadIsReadAsOne has the maker of a plan, and a run, save more of what they have done whenever it is about to be read.
func TestWhatIsSavedAnewWhileItIsReadIsReadAsOne(t *testing.T) {
	store := sinktest.NewMemStore()
	at := Place{Store: store, Prefix: "plans/x"}
	w, _ := writer(t, at)
	took, name := Took{Plan: title.Name, Pipelines: map[string]Stretch{}}, TookName(at, 0)
	save := func() {
		t.Helper()
		add(t, w, int(w.Items()), int(w.Items())+1)
		took.Pipelines[fmt.Sprint("calls-", len(took.Pipelines))] = Stretch{}
		if err := errors.Join(w.Save(t.Context(), nil), took.Save(t.Context(), at, name)); err != nil {
			t.Error(err)
		}
	}
	save()
	store.Faults = func(op sinktest.Op) sinktest.Fault {
		if op.Kind == sinktest.OpRead {
			save()
		}
		return sinktest.Fault{}
	}
	if _, err := Await(t.Context(), at, 0, func(w Waiting) {
		if !w.Begun || w.Items < 2 {
			t.Errorf("told %+v", w)
		}
	}); !errors.Is(err, ErrQuiet) {
		t.Errorf("awaited, it says %v", err)
	}
	if all, err := TookAll(t.Context(), at, &Plan{Name: title.Name}); err != nil || len(all) != 1 {
		t.Errorf("runs took %+v, %v", all, err)
	}
	if _, _, err := NewWriter(t.Context(), at, title); err != nil {
		t.Errorf("gone on with, it says %v", err)
	}
}
