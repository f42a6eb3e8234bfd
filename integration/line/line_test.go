//go:build integration

package line

import (
	"testing"

	"vecmill/integration/fixture"
)

func TestLine(t *testing.T) {
	site := fixture.Open(t)
	t.Run("three modalities go through one worker", func(t *testing.T) { testGoodInput(t, site) })
	t.Run("bad input becomes dead letters and stops nothing", func(t *testing.T) { testBadInput(t, site) })
	t.Run("dead letters are counted, and replayed once", func(t *testing.T) { testReplay(t, site) })
	t.Run("a manifest goes through backfill, once", func(t *testing.T) { testBackfill(t, site) })
	t.Run("aborted and open transactions are never read", func(t *testing.T) { testTransactions(t, site) })
	t.Run("a store's own notifications become rows", func(t *testing.T) { testNotifications(t, site) })
	t.Run("a fault at the start ends in a sentence", func(t *testing.T) { testStartupFaults(t, site) })
}
