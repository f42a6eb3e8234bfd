package kafkasource

import (
	"testing"

	"vecmill/stream"
)

func TestAnAssignmentThatIsRestartedIsRevokedAndBegunAgain(t *testing.T) {
	inWorld(t, 1, 4, func(t *testing.T, w *world) {
		a, b := w.join(w.config(), newLedger(t)), w.join(w.config(), newLedger(t))
		want := 0
		for _, m := range []*member{a, b} { // the leader, whose joining is a rebalance, and one whose is none
			eventually(t, "two each", func() bool { return a.owns() == 2 && b.owns() == 2 })
			before := m.events()
			m.mu.Lock()
			c := m.mu.c.(stream.Restarter)
			m.mu.Unlock()
			c.Restart()
			c.Restart()
			eventually(t, "another assignment", func() bool { ev := m.events(); return ev[0] > before[0] && ev[1] > before[1] })
			for p := range 4 {
				w.produce(p, want, 5)
			}
			want += 20
			eventually(t, "all records", func() bool { return a.count()+b.count() == want })
		}
		a.leave(t)
		b.leave(t)
		if n := distinct(t, a.ledger, b.ledger); n != want || a.events()[2]+b.events()[2] != 0 {
			t.Errorf("%d distinct records of %d; assigned, revoked, lost = %v and %v", n, want, a.events(), b.events())
		}
	})
}
