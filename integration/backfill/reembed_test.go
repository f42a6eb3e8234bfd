//go:build integration

package backfill

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"vecmill/integration/fixture"
	"vecmill/schemas"
)

// TestARecomputationIsExactlyOnceThroughKills computes a lake's rows again by another pipeline, from what the old rows say, and kills the command at moments of chance. internal/cli kills it in each of its phases.
func TestARecomputationIsExactlyOnceThroughKills(t *testing.T) {
	objects, kills := 300*times(t), setting(t, "VECMILL_BACKFILL_KILLS", 6)
	r := rand.New(rand.NewPCG(uint64(setting(t, "VECMILL_BACKFILL_SEED", 1)), 800))
	l := newLake(t, objects)
	l.command(t, "run-old", "run", "--source", "s3://"+fixture.Bucket+"/in/texts/")
	now := l.c.Pipelines[0]
	now.Name, now.Group, now.Text.InvalidUTF8 = "intents-2", "intents-2", "replace"
	l.c.Pipelines = append(l.c.Pipelines, now)
	gone := objects / 2
	l.S3.Remove(t, fixture.Bucket, "in/"+name(gone))

	reembed := []string{"reembed", "--old", "intents", "--new", "intents-2", "--no-stream", "--lacking", "1", "--cut-over", "texts"}
	killed, out := l.killedAnywhere(t, "reembed", kills, r, reembed)
	if killed < killsWanted(kills, objects) {
		t.Errorf("only %d of %d kills came before the end, want %d", killed, kills, killsWanted(kills, objects))
	}
	if !strings.Contains(out, fmt.Sprintf("intents-2 has %d of %d planned references of intents, and 1 dead letters", objects-1, objects)) || !strings.Contains(out, "done: files: readers go to") {
		t.Errorf("the last one says\n%s", out)
	}
	old := map[string]schemas.Row{}
	for _, row := range l.rowsOf(t, "intents") {
		old[row.URI] = row
	}
	rows := l.rowsOf(t, "intents-2")
	seen := map[string]bool{}
	for _, b := range rows {
		a, ok := old[b.URI]
		if !ok || seen[b.URI] || a.ETag != b.ETag || a.RefID != b.RefID || a.ContentHash != b.ContentHash || a.PreprocessDigest == b.PreprocessDigest {
			t.Errorf("twice: %v, a row like\n%+v\nis\n%+v", seen[b.URI], a.Lineage, b.Lineage)
		}
		seen[b.URI] = true
	}
	if len(old) != objects || len(rows) != objects-1 {
		t.Errorf("%d rows, and now %d", len(old), len(rows))
	}
	all, code := l.AuditCommand(t, "audit", l.c)
	if code != 0 || len(all) != 2 {
		t.Errorf("the audit has exit code %d: %+v", code, all)
	}
}
