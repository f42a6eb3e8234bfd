//go:build integration

package postgres

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/pgvectorsink"
)

// BenchmarkPostgres writes to a real server, without an index.
func BenchmarkPostgres(b *testing.B) {
	s := harness.StartPostgres(b)
	var names tables
	poured := ""
	fixture.Pour(b, func() sinks.Sink {
		poured = names.next()
		c := sinkConfig(s.DSN(), poured)
		c.Deliver, c.Dimension, c.Tasks = pgvectorsink.NewDefaultConfig().Deliver, fixture.PourDim, []schemas.Task{schemas.TaskEmbedding}
		return open(b, c)
	})
	file := filepath.Join(b.TempDir(), "rows")
	s.PSQL(b, `\copy `+poured+` TO '`+file+`' (FORMAT binary)`)
	n := 0
	fixture.Bulk(b, "psql COPY", func(b *testing.B) time.Duration {
		n++
		table := fmt.Sprint("bulk_", n)
		s.PSQL(b, "CREATE TABLE "+table+" (LIKE "+poured+" INCLUDING ALL)")
		begin := time.Now()
		s.PSQL(b, `\copy `+table+` FROM '`+file+`' (FORMAT binary)`)
		return time.Since(begin)
	})
}
