//go:build integration && iceberg

package iceberg

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/icebergsink"
)

// BenchmarkIceberg writes to a REST catalog and an S3 server, one snapshot for all.
func BenchmarkIceberg(b *testing.B) {
	s := startSite(b)
	poured := ""
	fixture.Pour(b, func() sinks.Sink {
		poured = s.table()
		return start(b, s.config(poured, schemas.TaskEmbedding), func(*icebergsink.Config) {})
	})
	n := 0
	fixture.Bulk(b, "pyiceberg", func(b *testing.B) time.Duration {
		n++
		out := s.says(b, s.restCatalog(), poured, "copy", fmt.Sprint("ns.bulk_", n))
		seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			b.Fatal(err)
		}
		return time.Duration(seconds * float64(time.Second))
	})
}
