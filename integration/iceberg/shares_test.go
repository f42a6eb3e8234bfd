//go:build integration && iceberg

package iceberg

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// sharesAreInATableOnce computes a plan in three shares at once into a table that none of them finds, of which one is killed in its middle and gone on with, and then the table again into another one, likewise.
func sharesAreInATableOnce(t *testing.T, s *site) {
	const objects, shares = 151, 3
	site := s.line()
	old, now := s.pipeline(t, site, "shared", "shared", "ns.shared"), s.pipeline(t, site, "shared-2", "shared", "ns.shared_2")
	now.Text.InvalidUTF8 = "replace"
	for _, p := range []*config.Pipeline{&old, &now} {
		p.Heads = []config.Head{{Task: string(schemas.TaskEmbedding)}} // the judge looks for vectors
		p.Outputs[0].Iceberg.RollRows, p.Outputs[0].Iceberg.RollAge = 10, config.Duration(300*time.Millisecond)
	}
	c, both := site.Config(old), site.Config(old, now)
	for i := range objects {
		site.Put(t, fmt.Sprintf("shared/%03d.txt", i), fmt.Appendf(nil, "play song %d again", i))
	}
	at := filepath.Join(t.TempDir(), "plan")
	step := func(code int, want string, c *config.Config, args ...string) {
		t.Helper()
		if got, out := site.Backfill(t, fmt.Sprint("shared-", args[0], time.Now().UnixNano()), c, args...); got != code || !strings.Contains(out, want) {
			t.Errorf("%q: exit code %d, want %d and %q in\n%s", args, got, code, want, out)
		}
	}
	once := func(table string) {
		t.Helper()
		v := s.judge(t, s.restCatalog(), table, "read")
		ids, offsets := map[string]bool{}, map[string]int{}
		for _, r := range v.Rows {
			ids[r[4].(string)] = true
			offsets[fmt.Sprint(r[2])]++
		}
		if want := map[string]int{"1": 51, "2": 50, "3": 50}; len(v.Rows) != objects || len(ids) != objects || len(v.Duck) != objects || !maps.Equal(offsets, want) {
			t.Errorf("pyiceberg reads %d rows of %s with %d ids, by partition %v, duckdb %d; want %d and %v", len(v.Rows), table, len(ids), offsets, len(v.Duck), objects, want)
		}
	}
	source := "s3://" + fixture.Bucket + "/in/shared/"
	step(0, fmt.Sprintf("%d of %d references", objects, objects), c, "plan", "--source", source, "--out", at, "--try", "0")
	step(0, "0 written of 151", c, "status", "--plan", at)
	for i, out := range site.Shares(t, "shared-run", c, shares, 1, "run", "--plan", at, "--max-rate", "8/s") {
		if !strings.Contains(out, `"finished":true`) {
			t.Errorf("share %d has not finished\n%s", i, out)
		}
	}
	once("ns.shared")
	step(0, "151 written of 151", c, "status", "--plan", at)
	step(0, "shared: 0 references, 0 rows", c, "run", "--plan", at, "--share", "1/3")
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
	for _, out := range site.Shares(t, "shared-reembed", both, shares, 2, "reembed", "--old", "shared", "--new", "shared-2", "--no-stream", "--plan", at+"-3", "--max-rate", "8/s") {
		verified += strings.Count(out, fmt.Sprintf(`{"event":"verified","planned":%d,"known":0,"computed":%[1]d,"dead":0,`, objects))
	}
	if verified == 0 {
		t.Error("no share has checked all of them")
	}
	once("ns.shared_2")
	c.Kafka.Brokers, both.Kafka.Brokers = nil, nil // what other cases have in the broker is no part of this one
	all, code := site.AuditCommand(t, "shared-audit", both)
	if code != 0 || len(all) != 2*shares {
		t.Errorf("backfill audit: exit code %d and %d sources, want 0 and %d", code, len(all), 2*shares)
	}
	for _, a := range all {
		if !a.OK() || a.Computed < 50 || a.Computed > 51 {
			t.Errorf("backfill audit: %+v", a)
		}
	}
}
