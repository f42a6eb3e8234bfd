//go:build integration

package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// TestSharesAreInATableOnceThroughKills computes a plan in three shares at once into a table that none of them finds, of which one is killed in its middle and gone on with, and then the table again into another one, likewise.
func TestSharesAreInATableOnceThroughKills(t *testing.T) {
	const objects, shares = 151, 3
	s, site := harness.StartPostgres(t), fixture.On(t, nil, harness.StartS3(t))
	s.PSQL(t, "CREATE SCHEMA lake; CREATE VIEW lake.current AS SELECT 1 AS other")
	url := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(url, []byte(s.DSN()), 0o600); err != nil {
		t.Fatal(err)
	}
	to := func(name, table string) config.Pipeline {
		p := site.Pipeline(t, name, schemas.Text, "refs")
		p.Heads = p.Heads[1:]
		p.Outputs = []config.Output{{Postgres: &config.Postgres{
			URLFile: url, Table: table, Dimension: 96, Metric: "cosine", BatchRows: 8, BatchAge: config.Duration(100 * time.Millisecond), MaxBuffered: 16 << 20, Connections: 2,
		}}}
		return p
	}
	old, now := to("calls", oldTable), to("calls-2", newTable)
	now.Text.InvalidUTF8 = "replace"
	c, both := site.Config(old), site.Config(old, now)
	for i := range objects {
		site.Put(t, fmt.Sprintf("texts/%03d.txt", i), fmt.Appendf(nil, "play song %d again", i))
	}
	at := filepath.Join(t.TempDir(), "plan")
	step := func(code int, want string, c *config.Config, args ...string) {
		t.Helper()
		if got, out := site.Backfill(t, strings.Join(args[:1], "-")+fmt.Sprint(time.Now().UnixNano()), c, args...); got != code || !strings.Contains(out, want) {
			t.Errorf("%q: exit code %d, want %d and %q in\n%s", args, got, code, want, out)
		}
	}
	once := func(table string) {
		t.Helper()
		for sql, want := range map[string]string{
			"SELECT count(*), count(DISTINCT row_id), count(DISTINCT ref_id), count(DISTINCT uri) FROM " + table:                fmt.Sprintf("%d|%[1]d|%[1]d|%[1]d", objects),
			`SELECT partition, count(*), min("offset"), max("offset") FROM ` + table + ` GROUP BY partition ORDER BY partition`: "1|51|0|50\n2|50|0|49\n3|50|0|49",
		} {
			if got := s.PSQL(t, sql); got != want {
				t.Errorf("%s:\n%s\nwant\n%s", sql, got, want)
			}
		}
	}
	source := "s3://" + fixture.Bucket + "/in/texts/"
	step(0, fmt.Sprintf("%d of %d references", objects, objects), c, "plan", "--source", source, "--out", at, "--try", "0")
	step(0, "0 written of 151", c, "status", "--plan", at)
	for i, out := range site.Shares(t, "run", c, shares, 1, "run", "--plan", at, "--max-rate", "8/s") {
		if !strings.Contains(out, `"finished":true`) {
			t.Errorf("share %d has not finished\n%s", i, out)
		}
	}
	once(oldTable)
	step(0, "151 written of 151", c, "status", "--plan", at)
	step(0, "calls: 0 references, 0 rows", c, "run", "--plan", at, "--share", "1/3")
	copied := filepath.Join(t.TempDir(), "copied")
	if err := os.CopyFS(copied, os.DirFS(at)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(copied, "shares.json")); err != nil {
		t.Fatal(err)
	}
	step(1, "has share 0 of it; go on with --share", c, "run", "--plan", copied)
	step(1, "was begun in more than 2 shares", c, "run", "--plan", copied, "--share", "0/2")
	step(0, fmt.Sprintf("0 of %d references; %[1]d are computed already", objects), c, "plan", "--source", source, "--out", at+"-2", "--try", "0")

	verified := 0
	for _, out := range site.Shares(t, "reembed", both, shares, 2, "reembed", "--old", "calls", "--new", "calls-2", "--no-stream", "--plan", at+"-3", "--cut-over", "lake.current", "--max-rate", "8/s") {
		verified += strings.Count(out, fmt.Sprintf(`{"event":"verified","planned":%d,"known":0,"computed":%[1]d,"dead":0,`, objects))
	}
	if verified == 0 {
		t.Error("no share has checked all of them")
	}
	once(newTable)
	if got := s.PSQL(t, "SELECT count(*) FROM lake.current n JOIN "+oldTable+" o USING (ref_id, etag, content_hash) WHERE o.preprocess_digest <> n.preprocess_digest"); got != fmt.Sprint(objects) {
		t.Errorf("the view has %s references that were computed again, want %d", got, objects)
	}
	all, code := site.AuditCommand(t, "audit", both)
	if code != 0 || len(all) != 2*shares {
		t.Errorf("backfill audit: exit code %d and %d sources, want 0 and %d", code, len(all), 2*shares)
	}
	for _, a := range all {
		if !a.OK() || a.Computed < 50 || a.Computed > 51 {
			t.Errorf("backfill audit: %+v", a)
		}
	}
}
