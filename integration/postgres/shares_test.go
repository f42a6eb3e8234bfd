//go:build integration

package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/schemas"
)

func TestSharesAreInATableOnceThroughKills(t *testing.T) {
	s, site := harness.StartPostgres(t), fixture.On(t, nil, harness.StartS3(t))
	s.PSQL(t, "CREATE SCHEMA lake; CREATE VIEW lake.current AS SELECT 1 AS other")
	url := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(url, []byte(s.DSN()), 0o600); err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{"calls": oldTable, "calls-2": newTable}
	to := func(name string) config.Pipeline {
		p := site.Pipeline(t, name, schemas.Text, "refs")
		p.Heads = p.Heads[1:]
		p.Outputs = []config.Output{{Postgres: &config.Postgres{
			URLFile: url, Table: tables[name], Dimension: 96, Metric: "cosine", BatchRows: 8, BatchAge: config.Duration(100 * time.Millisecond), MaxBuffered: 16 << 20, Connections: 2,
		}}}
		return p
	}
	site.SharesAreInTablesOnce(t, to("calls"), to("calls-2"), func(pipeline string) {
		for sql, want := range map[string]string{
			"SELECT count(*), count(DISTINCT row_id), count(DISTINCT ref_id), count(DISTINCT uri) FROM " + tables[pipeline]:                fmt.Sprintf("%d|%[1]d|%[1]d|%[1]d", fixture.SharedObjects),
			`SELECT partition, count(*), min("offset"), max("offset") FROM ` + tables[pipeline] + ` GROUP BY partition ORDER BY partition`: "1|51|0|50\n2|50|0|49\n3|50|0|49",
		} {
			if got := s.PSQL(t, sql); got != want {
				t.Errorf("%s:\n%s\nwant\n%s", sql, got, want)
			}
		}
	}, "--cut-over", "lake.current")
	if got := s.PSQL(t, "SELECT count(*) FROM lake.current n JOIN "+oldTable+" o USING (ref_id, etag, content_hash) WHERE o.preprocess_digest <> n.preprocess_digest"); got != fmt.Sprint(fixture.SharedObjects) {
		t.Errorf("the view has %s references that were computed again, want %d", got, fixture.SharedObjects)
	}
}
