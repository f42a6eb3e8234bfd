package budget

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reserve starts a reservation and returns its result's channel.
func reserve(ctx context.Context, p *Place, n int64) chan *Lease {
	got := make(chan *Lease, 1)
	go func() {
		l, err := p.Reserve(ctx, n)
		if err != nil {
			l = nil
		}
		got <- l
	}()
	return got
}

func waits(t *testing.T, got chan *Lease) {
	t.Helper()
	synctest.Wait()
	select {
	case <-got:
		t.Fatal("the reservation was granted, or failed, and should wait")
	default:
	}
}

func granted(t *testing.T, got chan *Lease) *Lease {
	t.Helper()
	synctest.Wait()
	select {
	case l := <-got:
		if l == nil {
			t.Fatal("the reservation failed")
		}
		return l
	default:
		t.Fatal("the reservation waits")
	}
	return nil
}

func TestAReservationWaitsForFreeBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100, 1)
		a := granted(t, reserve(t.Context(), b.Enter(0, false), 70))
		second := reserve(t.Context(), b.Enter(0, false), 40)
		waits(t, second)
		a.Shrink(61)
		waits(t, second)
		a.Shrink(60)
		l := granted(t, second)
		if b.Held() != 100 || b.Peak() != 100 || a.Held() != 60 || l.Held() != 40 {
			t.Errorf("held %d, peak %d, leases %d and %d", b.Held(), b.Peak(), a.Held(), l.Held())
		}
		a.Release()
		l.Release()
		if b.Held() != 0 || b.Peak() != 100 || b.Total() != 100 {
			t.Errorf("held %d, peak %d, total %d", b.Held(), b.Peak(), b.Total())
		}
	})
}

func TestPlacesAreServedInTheirOrderEvenIfALaterOneWouldFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100, 1)
		first, second, third := b.Enter(0, false), b.Enter(0, false), b.Enter(0, false)
		small := reserve(t.Context(), third, 1)
		waits(t, small) // two places before it have not spoken
		big := reserve(t.Context(), second, 100)
		waits(t, big)
		l := granted(t, reserve(t.Context(), first, 50))
		waits(t, big)
		waits(t, small) // it would fit, but the big one is before it
		l.Release()
		all := granted(t, big)
		waits(t, small)
		all.Release()
		granted(t, small).Release()
	})
}

func TestAPlaceThatLeavesLetsTheNextOnesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(10, 1)
		first, second, third := b.Enter(0, false), b.Enter(0, false), b.Enter(0, false)
		last := reserve(t.Context(), third, 10)
		second.Leave() // not at the front
		waits(t, last)
		first.Leave()
		first.Leave() // twice is once
		l := granted(t, last)
		third.Leave() // after Reserve it does nothing
		if b.Held() != 10 {
			t.Errorf("held %d", b.Held())
		}
		l.Release()
	})
}

func TestMoreThanTheWholeBudgetIsRefusedAtOnceAndHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(10, 1)
		first, second := b.Enter(0, false), b.Enter(0, false)
		next := reserve(t.Context(), second, 10)
		if _, err := first.Reserve(t.Context(), 11); !errors.Is(err, ErrTooLarge) {
			t.Errorf("error %v", err)
		}
		granted(t, next).Release()
	})
}

func TestTheEndOfTheContextGivesThePlaceUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(10, 1)
		all := granted(t, reserve(t.Context(), b.Enter(0, false), 10))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		gone, next := b.Enter(0, false), b.Enter(0, false)
		after := reserve(t.Context(), next, 10)
		if _, err := gone.Reserve(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		waits(t, after)
		all.Release()
		granted(t, after).Release()
		if b.Held() != 0 {
			t.Errorf("held %d", b.Held())
		}
	})
}

func TestLeasesOnlyShrink(t *testing.T) {
	b := New(10, 1)
	l, err := b.Enter(0, false).Reserve(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	l.Shrink(9)
	if b.Held() != 5 {
		t.Errorf("a lease grew to %d", b.Held())
	}
	l.Shrink(-3)
	l.Release()
	if b.Held() != 0 || l.Held() != 0 {
		t.Errorf("held %d", b.Held())
	}
	var zero Lease
	zero.Shrink(0)
	(*Lease)(nil).Release()
}

func TestReservingTwiceIsABug(t *testing.T) {
	b := New(10, 1)
	p := b.Enter(0, false)
	if _, err := p.Reserve(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_, _ = p.Reserve(t.Context(), 1)
}

// Any mixture of reservations, shrinking, leaving and cancelling stays within the total, deadlocks never, and ends with nothing held.
func TestManyAtOnceStayWithinTheTotalAndAllGetThrough(t *testing.T) {
	for seed := range uint64(200) {
		const total = 1000
		r := rand.New(rand.NewPCG(seed, 3))
		b := New(total, 1+int(seed%2))
		var held, through atomic.Int64
		var wg sync.WaitGroup
		n := 20 + r.IntN(100)
		for range n {
			p := b.Enter(r.IntN(len(b.mu.lines)), false) // in record order, from one goroutine
			need, action, shrink := r.Int64N(total+1), r.IntN(6), r.Int64N(total+1)
			wg.Go(func() {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				switch action {
				case 0:
					p.Leave()
					through.Add(1)
					return
				case 1:
					go cancel() // races with the grant
				}
				l, err := p.Reserve(ctx, need)
				through.Add(1)
				if err != nil {
					return
				}
				if now := held.Add(need); now > total {
					t.Errorf("seed %d: %d bytes are held", seed, now)
				}
				l.Shrink(need)
				if shrink < need {
					held.Add(shrink - need)
					l.Shrink(shrink)
				}
				held.Add(-min(shrink, need))
				l.Release()
			})
		}
		wg.Wait()
		if b.Held() != 0 || b.Peak() > total || through.Load() != int64(n) {
			t.Errorf("seed %d: held %d, peak %d, %d of %d got through", seed, b.Held(), b.Peak(), through.Load(), n)
		}
	}
}

// One record that stays for long must not keep the places of all that came after it.
func TestASettledPlaceKeepsNoOther(t *testing.T) {
	b := New(10, 1)
	first, second := b.Enter(0, false), b.Enter(0, false)
	for _, p := range []*Place{first, second} {
		l, err := p.Reserve(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Release()
	}
	if first.next != nil {
		t.Error("a settled place refers to the next one")
	}
}

// A budget that is used up by the second line's records gives what comes back to the first line, as long as that asks for it, and every 16th time to the second.
func TestTheFirstLineGoesBeforeTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(10, 2)
		leases := make(chan *Lease, 100)
		var order []int // of lines, by who got bytes
		var mu sync.Mutex
		ask := func(line int) {
			p := b.Enter(line, false)
			go func() {
				l, err := p.Reserve(t.Context(), 10)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, line)
				mu.Unlock()
				leases <- l
			}()
			synctest.Wait()
		}
		for range 6 {
			ask(1)
		}
		for range 40 {
			ask(0)
		}
		for range 46 {
			(<-leases).Release()
			synctest.Wait()
		}
		want := []int{1} // was there first
		for len(want) < 46 {
			line := 0
			if len(want)%alms == 0 || len(want) > 42 { // 40 of the first line, with two of the second among them
				line = 1
			}
			want = append(want, line)
		}
		if !slices.Equal(order, want) {
			t.Errorf("bytes went to lines %v, want %v", order, want)
		}
	})
}

// A place whose record is not there yet holds its own line back, not the other one.
func TestAnIdlePlaceHoldsOneLineBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(10, 2)
		idle := b.Enter(0, false)
		behind := reserve(t.Context(), b.Enter(0, false), 3)
		granted(t, reserve(t.Context(), b.Enter(1, false), 3))
		synctest.Wait()
		if b.Held() != 3 {
			t.Errorf("%d bytes are held", b.Held())
		}
		idle.Leave()
		granted(t, behind)
	})
}

// records are dispatched to lines, several of which may be dispatched at once; each has places one behind the other, whose bytes fit the total together, and keeps its bytes until all of them
// are done with, as the rows of a record are. In a bubble a deadlock is an error.
func TestARecordOfSeveralPlacesWaitsForNobodysRest(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			const total = 100
			r := rand.New(rand.NewPCG(seed, 9))
			b := New(total, 2)
			var records, lines sync.WaitGroup
			var through atomic.Int64
			n := 0
			for line := range 2 {
				plan := make([][]int64, 20) // needs; below 0 one that is given up
				for i := range plan {
					left := int64(total)
					for range 1 + r.IntN(3) {
						need := r.Int64N(left + 1)
						if r.IntN(2) == 0 {
							need = left // as what is not known yet takes
						}
						if r.IntN(8) == 0 {
							need = -1
						}
						left -= max(need, 0)
						plan[i] = append(plan[i], need)
					}
				}
				n += len(plan)
				pauses := rand.New(rand.NewPCG(seed, uint64(line)))
				lines.Go(func() {
					for _, needs := range plan {
						leases, rest := make(chan *Lease, len(needs)), sync.WaitGroup{}
						for i, need := range needs {
							time.Sleep(time.Duration(pauses.IntN(3)) * time.Millisecond) // until a fetcher is free
							p, asks := b.Enter(line, i+1 < len(needs)), time.Duration(pauses.IntN(5))*time.Millisecond
							rest.Go(func() {
								time.Sleep(asks)
								if need < 0 {
									p.Leave()
									return
								}
								l, err := p.Reserve(t.Context(), need)
								if err != nil {
									t.Error(err)
								}
								leases <- l
							})
						}
						took := time.Duration(pauses.IntN(5)) * time.Millisecond
						records.Go(func() {
							rest.Wait()
							time.Sleep(took)
							close(leases)
							for l := range leases {
								l.Release()
							}
							through.Add(1)
						})
					}
				})
			}
			lines.Wait()
			records.Wait()
			if b.Held() != 0 || b.Peak() > total || through.Load() != int64(n) || b.mu.half != 0 {
				t.Errorf("seed %d: held %d, peak %d, %d of %d got through", seed, b.Held(), b.Peak(), through.Load(), n)
			}
		})
	}
}
