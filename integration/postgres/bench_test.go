//go:build integration

package postgres

import (
	"testing"

	"vecmill/integration/fixture"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/pgvectorsink"
)

// BenchmarkPostgres writes to a real server, without an index.
func BenchmarkPostgres(b *testing.B) {
	s := startServer(b)
	var names tables
	fixture.Pour(b, func() sinks.Sink {
		c := sinkConfig(s.dsn(), names.next())
		c.Deliver, c.Dimension, c.Tasks = pgvectorsink.NewDefaultConfig().Deliver, fixture.PourDim, []schemas.Task{schemas.TaskEmbedding}
		return open(b, c)
	})
}
