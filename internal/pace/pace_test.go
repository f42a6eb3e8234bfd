package pace

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAGateHoldsBackUntilItIsOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		if err := g.Wait(t.Context()); err != nil || g.IsShut() {
			t.Error("a new gate is shut")
		}
		g.Shut()
		g.Shut()
		var passed atomic.Int32
		for range 3 {
			go func() {
				if g.Wait(t.Context()) == nil {
					passed.Add(1)
				}
			}()
		}
		synctest.Wait()
		if passed.Load() != 0 || !g.IsShut() {
			t.Errorf("%d pass a gate that is shut", passed.Load())
		}
		g.Open()
		g.Open()
		synctest.Wait()
		if passed.Load() != 3 || g.IsShut() {
			t.Errorf("%d of 3 pass a gate that is open", passed.Load())
		}
		g.Shut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait that ends with its context: %v", err)
		}
		var none *Gate
		if err := none.Wait(t.Context()); err != nil || none.IsShut() {
			t.Error("no gate is shut")
		}
	})
}

func TestAPaceBoundsWhatIsDoneAtOnce(t *testing.T) {
	for _, c := range []struct {
		rate float64
		most int
		want int
	}{{0, 50, 50}, {0.1, 50, 1}, {100, 50, 10}, {1e6, 50, 50}} {
		if got := New(c.rate, c.most).Most(); got != c.want {
			t.Errorf("%v a second: %d at once, want %d", c.rate, got, c.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p, began := New(2, 10), time.Now()
		for range 5 {
			if err := p.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("5 at 2 a second take %v", took)
		}
		p = New(100, 10)
		if err := p.Wait(t.Context(), 35); err != nil || time.Since(began) != 2250*time.Millisecond {
			t.Errorf("35 at once, where 10 are a step, at 100 a second: until %v, %v", time.Since(began), err)
		}
	})
}
