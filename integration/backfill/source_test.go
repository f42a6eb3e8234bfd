//go:build integration

package backfill

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks/parquetfile"
)

// start begins a command of backfill, to be killed.
func (l *lake) start(t *testing.T, step string, args ...string) *harness.Process {
	t.Helper()
	file := fixture.WriteConfig(t, filepath.Join(t.TempDir(), step+".yaml"), l.c)
	return harness.Start(t, harness.Command{
		Name: step, Path: harness.BackfillBinary(t), Args: append(args, "--config", file), Env: fixture.S3Env(), Dir: filepath.Dir(file), Log: filepath.Join(filepath.Dir(file), step+".log"),
	})
}

// rowsOf reads all rows of a pipeline.
func (l *lake) rowsOf(t *testing.T, pipeline string) (all []schemas.Row) {
	t.Helper()
	dir := l.S3.Download(t, fixture.Bucket, fixture.OutputPrefix+"/"+pipeline+"/")
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".parquet" {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		some, err := parquetfile.Read(t.Context(), body)
		all = append(all, some...)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestARunStraightFromABucketIsExactlyOnceThroughKills gives one command again and again, and kills it anywhere: while it lists, between plan and run, while it computes. So it does with lists that lie in the bucket.
func TestARunStraightFromABucketIsExactlyOnceThroughKills(t *testing.T) {
	objects, kills := 300*times(t), setting(t, "VECMILL_BACKFILL_KILLS", 6)
	r := rand.New(rand.NewPCG(uint64(setting(t, "VECMILL_BACKFILL_SEED", 1)), 80))
	l := newLake(t, objects)
	run := []string{"run", "--source", "s3://" + fixture.Bucket + "/in/texts/"}
	if killed, _ := l.killedAnywhere(t, "run", kills, r, run); killed < killsWanted(kills, objects) {
		t.Errorf("only %d of %d kills came before the end, want %d", killed, kills, killsWanted(kills, objects))
	}
	rows := map[string]int{}
	for _, row := range l.rowsOf(t, "intents") {
		rows[row.URI]++
	}
	for i := range objects {
		if got := rows["s3://"+fixture.Bucket+"/in/"+name(i)]; got != 1 {
			t.Errorf("object %d has %d rows", i, got)
		}
	}
	all, code := l.AuditCommand(t, "audit", l.c)
	if code != 0 || len(all) != 1 || all[0].Computed != int64(objects) || all[0].Dead != 0 {
		t.Errorf("the audit has exit code %d: %+v", code, all)
	}
	if out := l.command(t, "run-again", run...); !strings.Contains(out, "is there already") || !strings.Contains(out, "0 references, 0 rows") {
		t.Errorf("when all is computed, the same command says\n%s", out)
	}
	if out := l.command(t, "run-anew", append(run, "--name", "anew")...); !strings.Contains(out, fmt.Sprintf("0 of %d references, %d are computed already", objects, objects)) {
		t.Errorf("planned anew, it says\n%s", out)
	}
	l.listsAreExactlyOnceThroughKills(t, kills/2, r)
}
