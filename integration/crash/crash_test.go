//go:build integration

package crash

import (
	"testing"

	"vecmill/integration/fixture"
)

func TestCrash(t *testing.T) {
	site := fixture.OpenWired(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *fixture.Site)
	}{
		{"a worker that is killed again and again writes every offset once", testKills},
		{"a worker that wakes late writes nothing twice", testZombie},
		{"a worker that sleeps through a rebalance writes nothing twice", testSleeper},
		{"a rolling restart of three workers loses nothing and repeats no work", testRolling},
		{"three workers scale to one and back under load", testScale},
		{"a broker that is killed and comes back costs no record", testBroker},
		{"a store that is killed and comes back costs no record", testStore},
		{"a bad wire to the broker or the store costs no record", testWire},
		{"all of it at once costs no record", testStorm},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, site) })
	}
}
