package sinktest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/sinktest"
)

func TestMemStoreConforms(t *testing.T) {
	sinktest.RunStore(t, func(*testing.T) objectstore.Store { return sinktest.NewMemStore() })
}

func TestFaultsDoWhatTheySay(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   sinktest.Fault
		want    error
		took    time.Duration
		at      time.Duration // when to look
		present bool
	}{
		{"no fault", sinktest.Fault{}, nil, 0, 0, true},
		{"slow", sinktest.Fault{Delay: time.Second}, nil, time.Second, 0, true},
		{"refused", sinktest.Fault{Err: sinktest.ErrFault}, sinktest.ErrFault, 0, time.Hour, false},
		{"landed, answer lost", sinktest.Fault{Err: sinktest.ErrFault, Land: true}, sinktest.ErrFault, 0, 0, true},
		{"lands later, looked at before", sinktest.Fault{Err: sinktest.ErrFault, Land: true, LandAfter: time.Minute}, sinktest.ErrFault, 0, time.Second, false},
		{"lands later, looked at after", sinktest.Fault{Err: sinktest.ErrFault, Land: true, LandAfter: time.Minute}, sinktest.ErrFault, 0, 2 * time.Minute, true},
		{"hangs and is lost", sinktest.Fault{Delay: time.Hour}, context.DeadlineExceeded, 5 * time.Second, 2 * time.Hour, false},
		{"hangs and landed", sinktest.Fault{Delay: time.Hour, Land: true}, context.DeadlineExceeded, 5 * time.Second, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := sinktest.NewMemStore()
				m.Faults = func(sinktest.Op) sinktest.Fault { return c.fault }
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				began := time.Now()
				if err := m.PutIfAbsent(ctx, "x", nil, nil); !errors.Is(err, c.want) || time.Since(began) != c.took {
					t.Errorf("the put gives %v after %v, want %v after %v", err, time.Since(began), c.want, c.took)
				}
				time.Sleep(c.at)
				m.Faults = nil
				if _, err := m.Stat(t.Context(), "x"); (err == nil) != c.present {
					t.Errorf("stat gives %v, want present %v", err, c.present)
				}
			})
		})
	}
}

func TestTheAuditFindsEveryOffence(t *testing.T) {
	src := sinktestSource()
	whole := func() sinktest.Account {
		r, rows := sinktest.Make(src, 0, 40)
		return sinktest.Account{Rows: rows, Dead: r.Dead, Skipped: r.Skipped, Lost: r.Lost}
	}
	for name, spoil := range map[string]func(*sinktest.Account){
		"a lost row":             func(a *sinktest.Account) { a.Rows = append(a.Rows[:7], a.Rows[8:]...) },
		"a row twice":            func(a *sinktest.Account) { a.Rows = append(a.Rows, a.Rows[7]) },
		"a changed row":          func(a *sinktest.Account) { a.Rows[7].Score++ },
		"a row from beyond":      func(a *sinktest.Account) { a.Rows = append(a.Rows, sinktest.Row(src, 40, 0)) },
		"a dead offset lost":     func(a *sinktest.Account) { a.Dead = a.Dead[1:] },
		"a dead offset twice":    func(a *sinktest.Account) { a.Dead = append(a.Dead, a.Dead[0]) },
		"a lost offset lost":     func(a *sinktest.Account) { a.Lost = nil },
		"a skipped offset lost":  func(a *sinktest.Account) { a.Skipped = a.Skipped[:1] },
		"a skipped offset extra": func(a *sinktest.Account) { a.Skipped[1].Next++ },
	} {
		a := whole()
		if err := a.Audit(src, 0, 40, true); err != nil {
			t.Fatalf("a whole account: %v", err)
		}
		spoil(&a)
		if err := a.Audit(src, 0, 40, true); err == nil {
			t.Errorf("%s is not found", name)
		}
	}
}

func sinktestSource() schemas.SourceID {
	return schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
}
