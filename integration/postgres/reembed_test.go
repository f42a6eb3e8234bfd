//go:build integration

package postgres

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/schemas"
)

const (
	refsTopic  = "texts"
	oldTable   = "lake.calls"
	newTable   = "lake.calls_2"
	newTexts   = 30 // of each publishing
	firstTexts = 200
)

// texts publishes references to objects of a state, by number.
func texts(t *testing.T, site *fixture.Site, state string, ids ...int) {
	t.Helper()
	var values [][]byte
	for _, i := range ids {
		uri, _ := site.Put(t, fmt.Sprintf("texts/%d.txt", i), fmt.Appendf(nil, "play song %d again, %s", i, state))
		values = append(values, fixture.JSON(t, schemas.Ref{ID: fmt.Sprint("t", i), URI: uri, Modality: schemas.Text, Attributes: map[string]string{"state": state}}))
	}
	site.Publish(t, refsTopic, values...)
}

func upTo(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// TestATableIsComputedAgainBesideItWhileTheStreamGoesOn has a worker write two tables while the command that fills the second one with the past of the first is killed again and again, and records come all the time. Then a
// view shows the second one, which has the latest state of every text once.
func TestATableIsComputedAgainBesideItWhileTheStreamGoesOn(t *testing.T) {
	s, site := harness.StartPostgres(t), fixture.Open(t)
	s.PSQL(t, "CREATE SCHEMA lake; CREATE VIEW lake.current AS SELECT 1 AS other")
	old := pipelineTo(t, s, site, refsTopic, oldTable, 96)
	old.Name, old.Group, old.Heads = "calls", "calls", old.Heads[1:]
	old.Outputs = old.Outputs[1:]
	now := old
	pg := *old.Outputs[0].Postgres
	pg.Table = newTable
	now.Name, now.Group, now.StartAt, now.Text.InvalidUTF8, now.Outputs = "calls-2", "calls-2", "last", "replace", []config.Output{{Postgres: &pg}}
	c, both := site.Config(old), site.Config(old, now)

	texts(t, site, "first", upTo(0, firstTexts)...)
	w := site.StartWorker(t, "old", c)
	site.AwaitCommitted(t, refsTopic, []string{"calls"}, 2*time.Minute, w)
	fixture.Stop(t, w)
	w = site.StartWorker(t, "both", both)
	site.AwaitCommitted(t, refsTopic, []string{"calls-2"}, 2*time.Minute, w) // it has begun, at the end
	total := firstTexts + newTexts
	texts(t, site, "second", append(upTo(firstTexts, total), 3, 4, 5)...)
	site.AwaitCommitted(t, refsTopic, []string{"calls", "calls-2"}, 2*time.Minute, w)
	s.PSQL(t, "UPDATE "+oldTable+" SET created_at = created_at + interval '1 hour' WHERE attributes ->> 'state' = 'first'") // by a clock that was fast

	reembed := []string{"reembed", "--old", "calls", "--new", "calls-2", "--plan", "s3://" + fixture.Bucket + "/plans/calls-2", "--cut-over", "lake.current", "--max-rate", "80/s"}
	r := rand.New(rand.NewPCG(8, 4))
	killed := 0
	for k := range 4 {
		file := fixture.WriteConfig(t, filepath.Join(t.TempDir(), "reembed.yaml"), both)
		p := harness.Start(t, harness.Command{
			Name: "reembed", Path: harness.BackfillBinary(t), Args: append(reembed, "--config", file), Env: fixture.S3Env(), Dir: filepath.Dir(file), Log: filepath.Join(filepath.Dir(file), "reembed.log"),
		})
		texts(t, site, "third", upTo(total, total+newTexts)...)
		total += newTexts
		select {
		case <-p.Exited():
		case <-time.After(time.Duration(100+r.IntN(1500)) * time.Millisecond):
			p.Kill(t)
		}
		if p.Wait(t, time.Minute).ExitCode() != 0 {
			killed++
		}
		t.Logf("run %d: %s", k, p.LogTail(3))
	}
	if killed < 2 {
		t.Errorf("only %d of 4 kills came before the end", killed)
	}
	code, out := site.Backfill(t, "reembed-last", both, reembed...)
	if code != 0 || !strings.Contains(out, fmt.Sprintf("calls-2 has %d of %d planned references of calls, and 0 dead letters", firstTexts-3, firstTexts-3)) || !strings.Contains(out, "done: PostgreSQL: CREATE OR REPLACE VIEW lake.current") {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	site.AwaitCommitted(t, refsTopic, []string{"calls", "calls-2"}, 2*time.Minute, w)
	fixture.Stop(t, w)
	for sql, want := range map[string]int{
		"SELECT count(*) FROM lake.current":               total,
		"SELECT count(DISTINCT ref_id) FROM lake.current": total,
		"SELECT count(*) FROM " + oldTable:                total + 3,
		`SELECT count(*) FROM (SELECT DISTINCT ON (ref_id) * FROM ` + oldTable + ` ORDER BY ref_id, "offset" DESC) o JOIN lake.current n USING (ref_id, etag, content_hash)
			WHERE o.preprocess_digest <> n.preprocess_digest AND o.attributes = n.attributes`: total,
	} {
		if got := s.PSQL(t, sql); got != fmt.Sprint(want) {
			t.Errorf("%s: %s, want %d", sql, got, want)
		}
	}
	for name, want := range map[string]string{"as it was": fmt.Sprintf("0 of %d references; %d are computed already", total, total), "with another head": fmt.Sprintf("%d of %d references; 0 are", total, total)} {
		alone := *both
		alone.Pipelines = []config.Pipeline{now}
		if name != "as it was" {
			alone.Pipelines[0].Heads = []config.Head{now.Heads[0]}
			alone.Pipelines[0].Heads[0].Pooling = "cls"
		}
		if code, out := site.Backfill(t, "plan "+name, &alone, "plan", "--source", "s3://"+fixture.Bucket+"/in/texts/", "--try", "0", "--out", "s3://"+fixture.Bucket+"/plans/"+strings.ReplaceAll(name, " ", "-")); code != 0 || !strings.Contains(out, want) {
			t.Errorf("a plan of the bucket %s: exit code %d, want %q in\n%s", name, code, want, out)
		}
	}
	if all, code := site.AuditCommand(t, "audit", both); code != 0 {
		t.Errorf("backfill audit: exit code %d: %+v", code, all)
	}
}
