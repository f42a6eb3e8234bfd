//go:build integration && iceberg

package iceberg

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// sharesAreInATableOnce has pyiceberg and duckdb look at what shares have written.
func sharesAreInATableOnce(t *testing.T, s *site) {
	site := s.line()
	tables := map[string]string{"shared": "ns.shared", "shared-2": "ns.shared_2"}
	to := func(name string) config.Pipeline {
		p := s.pipeline(t, site, name, "shared", tables[name])
		p.Heads = []config.Head{{Task: string(schemas.TaskEmbedding)}} // the judge looks for vectors
		p.Outputs[0].Iceberg.RollRows, p.Outputs[0].Iceberg.RollAge = 10, config.Duration(300*time.Millisecond)
		return p
	}
	site.SharesAreInTablesOnce(t, to("shared"), to("shared-2"), func(pipeline string) {
		v := s.judge(t, s.restCatalog(), tables[pipeline], "read")
		ids, offsets := map[string]bool{}, map[string]int{}
		for _, r := range v.Rows {
			ids[r[4].(string)] = true
			offsets[fmt.Sprint(r[2])]++
		}
		const n = fixture.SharedObjects
		if want := map[string]int{"1": 51, "2": 50, "3": 50}; len(v.Rows) != n || len(ids) != n || len(v.Duck) != n || !maps.Equal(offsets, want) {
			t.Errorf("pyiceberg reads %d rows of %s with %d ids, by partition %v, duckdb %d; want %d and %v", len(v.Rows), tables[pipeline], len(ids), offsets, len(v.Duck), n, want)
		}
	})
}
