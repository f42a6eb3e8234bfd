//go:build integration && iceberg

package iceberg

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// pipeline writes to a table of its own.
func (s *site) pipeline(t *testing.T, site *fixture.Site, name, topic, table string) config.Pipeline {
	t.Helper()
	uri := filepath.Join(t.TempDir(), "uri") // a URI may have a password, and secrets are in no configuration that is written
	if err := os.WriteFile(uri, []byte(s.rest+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := site.Pipeline(t, name, schemas.Text, topic)
	p.Heads = p.Heads[:1]
	p.Outputs = []config.Output{{Iceberg: &config.Iceberg{
		Catalog: config.IcebergCatalog{URIFile: uri, Name: "test"}, Table: table, Create: true,
		RollBytes: 16 << 20, RollRows: 50, RollAge: config.Duration(500 * time.Millisecond), Compression: "zstd", MaxBuffered: 64 << 20,
	}}}
	return p
}

// nothingIsComputedTwice streams objects into a table and plans their bucket: what the table has is left out, also when its snapshots are expired, and not when it was deleted or the head is another.
func nothingIsComputedTwice(t *testing.T, s *site) {
	const objects = 60
	site := s.line()
	p := s.pipeline(t, site, "ledger", "ledger", "ns.ledger")
	c := site.Config(p)
	source := "s3://" + fixture.Bucket + "/in/ledger/"
	plans := 0
	plan := func(c *config.Config, want string) {
		t.Helper()
		plans++
		out := fmt.Sprintf("s3://%s/plans/ledger-%d", fixture.Bucket, plans)
		if code, said := site.Backfill(t, fmt.Sprint("ledger-plan-", plans), c, "plan", "--source", source, "--try", "0", "--out", out); code != 0 || !strings.Contains(said, want) {
			t.Errorf("plan %d: exit code %d, want %q in\n%s", plans, code, want, said)
		}
	}
	site.Kafka.CreateTopic(t, "ledger", 2)
	var values [][]byte
	for i := range objects {
		uri, etag := site.Put(t, fmt.Sprintf("ledger/%d.txt", i), fmt.Appendf(nil, "play song %d", i))
		if i%2 == 0 {
			values = append(values, fixture.JSON(t, schemas.Ref{ID: fmt.Sprint("l", i), URI: uri, ETag: etag, Modality: schemas.Text}))
		}
	}
	plan(c, fmt.Sprintf("%d of %d references; 0 are computed already", objects, objects)) // there is no table yet
	site.Publish(t, "ledger", values...)
	w := site.StartWorker(t, "ledger", c)
	site.AwaitCommitted(t, "ledger", []string{"ledger"}, 2*time.Minute, w)
	fixture.Stop(t, w)
	plan(c, fmt.Sprintf("%d of %d references; %d are computed already", objects/2, objects, objects/2))
	if code, out := site.Backfill(t, "ledger-run", c, "run", "--source", source, "--plan", "s3://"+fixture.Bucket+"/plans/ledger-run"); code != 0 || !strings.Contains(out, fmt.Sprintf("%d of %d references, %d are computed already", objects/2, objects, objects/2)) {
		t.Errorf("the run: exit code %d\n%s", code, out)
	}
	plan(c, fmt.Sprintf("0 of %d references; %d are computed already", objects, objects))
	s.judge(t, s.restCatalog(), "ns.ledger", "expire") // the newest snapshot knows all of it
	plan(c, fmt.Sprintf("0 of %d references; %d are computed already", objects, objects))
	var state foreignState
	s.foreign(t, s.restCatalog(), &state, nil, "ns.ledger", "take-away", "uri like '%/7.txt' or uri like '%/8.txt'")
	plan(c, fmt.Sprintf("2 of %d references; %d are computed already", objects, objects-2))
	p.Heads = []config.Head{{Task: string(schemas.TaskLabels), TopK: 1}}
	plan(site.Config(p), fmt.Sprintf("%d of %d references; 0 are computed already", objects, objects))
}

// aTableIsComputedAgainBesideIt has a worker write two tables while the command that fills the second one with the past of the first is killed again and again, and records come all the time.
func aTableIsComputedAgainBesideIt(t *testing.T, s *site) {
	const first, more, kills = 120, 20, 3
	site := s.line()
	old := s.pipeline(t, site, "calls", "texts", "ns.calls")
	now := s.pipeline(t, site, "calls-2", "texts", "ns.calls_2")
	now.StartAt, now.Text.InvalidUTF8 = "last", "replace"
	c, both := site.Config(old), site.Config(old, now)
	site.Kafka.CreateTopic(t, "texts", 3)
	publish := func(state string, from, to int, others ...int) {
		var values [][]byte
		for i := from; i < to; i++ {
			others = append(others, i)
		}
		for _, i := range others {
			uri, _ := site.Put(t, fmt.Sprintf("calls/%d.txt", i), fmt.Appendf(nil, "play song %d again, %s", i, state))
			values = append(values, fixture.JSON(t, schemas.Ref{ID: fmt.Sprint("t", i), URI: uri, Modality: schemas.Text, Attributes: map[string]string{"state": state}}))
		}
		site.Publish(t, "texts", values...)
	}
	publish("first", 0, first)
	var gone [][]byte
	for i := range 3 { // in the partition of each of the first three
		gone = append(gone, fixture.JSON(t, schemas.Ref{ID: fmt.Sprint("t", i), Modality: schemas.Text, Deleted: true}))
	}
	site.Publish(t, "texts", gone...)
	w := site.StartWorker(t, "calls", c)
	site.AwaitCommitted(t, "texts", []string{"calls"}, 2*time.Minute, w)
	fixture.Stop(t, w)
	w = site.StartWorker(t, "calls-both", both)
	site.AwaitCommitted(t, "texts", []string{"calls-2"}, 2*time.Minute, w) // it has begun, at the end
	publish("second", first, first+more, 33, 34, 35)
	site.AwaitCommitted(t, "texts", []string{"calls", "calls-2"}, 2*time.Minute, w)

	reembed := []string{"reembed", "--old", "calls", "--new", "calls-2", "--plan", "s3://" + fixture.Bucket + "/plans/calls-2", "--max-rate", "60/s"}
	r := rand.New(rand.NewPCG(8, 9))
	killed := 0
	for k := range kills {
		p := site.StartBackfill(t, fmt.Sprint("reembed-", k), both, reembed...)
		publish("third", first+(1+k)*more, first+(2+k)*more)
		select {
		case <-p.Exited():
		case <-time.After(time.Duration(200+r.IntN(1500)) * time.Millisecond):
			p.Kill(t)
		}
		if p.Wait(t, time.Minute).ExitCode() != 0 {
			killed++
		}
	}
	if killed < 2 {
		t.Errorf("only %d of %d kills came before the end", killed, kills)
	}
	code, out := site.Backfill(t, "reembed-last", both, reembed...)
	planned := first - 3 - 3 // without the deleted ones, and those whose latest row is the stream's
	if code != 0 || !strings.Contains(out, fmt.Sprintf("calls-2 has %d of %d planned references of calls, and 0 dead letters", planned, planned)) || !strings.Contains(out, "iceberg: readers go to table ns.calls_2") {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	site.AwaitCommitted(t, "texts", []string{"calls", "calls-2"}, 2*time.Minute, w)
	fixture.Stop(t, w)
	latest := func(table string) (all []string) {
		s.foreign(t, s.restCatalog(), &all, nil, table, "latest")
		return all
	}
	had, has := latest("ns.calls"), latest("ns.calls_2")
	if total := first + (1+kills)*more - 3; !slices.Equal(had, has) || len(has) != total {
		t.Errorf("pyiceberg reads %d references in the old table, and %d in the new one, want %d, each in its latest state", len(had), len(has), total)
	}
	if all, code := site.AuditCommand(t, "reembed-audit", both); code != 0 {
		t.Errorf("backfill audit: exit code %d: %+v", code, all)
	}
	expired := func() {
		for _, table := range []string{"ns.calls", "ns.calls_2"} {
			s.judge(t, s.restCatalog(), table, "expire")
		}
	}
	expired() // all offsets behind the plan have rows, so that nothing was deleted there
	if code, out := site.Backfill(t, "reembed-expired", both, reembed...); code != 0 {
		t.Errorf("with expired snapshots: exit code %d\n%s", code, out)
	}
	w = site.StartWorker(t, "calls-gone", both)
	site.Publish(t, "texts", fixture.JSON(t, schemas.Ref{ID: "t50", Modality: schemas.Text, Deleted: true}))
	site.AwaitCommitted(t, "texts", []string{"calls", "calls-2"}, 2*time.Minute, w)
	publish("fourth", 40, 41) // in a snapshot behind
	site.AwaitCommitted(t, "texts", []string{"calls", "calls-2"}, 2*time.Minute, w)
	fixture.Stop(t, w)
	expired()
	if code, out := site.Backfill(t, "reembed-gone", both, reembed...); code != 1 || !strings.Contains(out, " are not told any more by either output, as snapshots are expired") {
		t.Errorf("with a deletion that nobody tells: exit code %d\n%s", code, out)
	}
	kept := *old.Outputs[0].Iceberg
	kept.Tombstones = "keep"
	old.Outputs = []config.Output{{Iceberg: &kept}}
	code, out = site.Backfill(t, "reembed-kept", site.Config(old, now), "reembed", "--old", "calls", "--new", "calls-2", "--plan", "s3://"+fixture.Bucket+"/plans/kept", "--no-stream")
	if code == 0 || !strings.Contains(out, "table ns.calls keeps rows whose references tombstones have named") {
		t.Errorf("rows that tombstones have named are computed again: exit code %d\n%s", code, out)
	}
}
