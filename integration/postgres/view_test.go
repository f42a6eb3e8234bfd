//go:build integration

package postgres

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"vecmill/integration/harness"
	"vecmill/sinks/pgvectorsink"
)

// TestAViewIsPointedBySeveralAtOnce has cut-overs meet, as of shares that end together, to tables of the view's columns and of others.
func TestAViewIsPointedBySeveralAtOnce(t *testing.T) {
	s := harness.StartPostgres(t)
	s.PSQL(t, "CREATE TABLE one (a int); CREATE TABLE two (a int); CREATE TABLE three (b text)")
	for range 10 {
		for _, tables := range [][]string{{"one", "one", "one", "one"}, {"two", "two", "two", "two"}, {"three", "three", "three", "three"}, {"one", "three", "two", "three"}} {
			var all errgroup.Group
			for _, table := range tables {
				all.Go(func() error { return pgvectorsink.PointView(t.Context(), s.DSN(), "shown", table) })
			}
			if err := all.Wait(); err != nil {
				t.Errorf("to %q: %v", tables, err)
			}
		}
	}
}
