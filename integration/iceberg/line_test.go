//go:build integration && iceberg

package iceberg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// program builds a command with Iceberg.
func program(t testing.TB, name string) string {
	t.Helper()
	root := harness.ModuleRoot(t)
	out := filepath.Join(root, "bin", "integration", name+"-iceberg")
	modfile, err := exec.Command("bash", filepath.Join(root, "tools", "iceberg-modfile.sh")).Output()
	if err != nil {
		t.Fatalf("tools/iceberg-modfile.sh: %v", err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "iceberg", "-ldflags", "-s -w -X google.golang.org/protobuf/reflect/protoregistry.conflictPolicy=ignore", "-modfile", strings.TrimSpace(string(modfile)), "-o", out, "./cmd/"+name)
	cmd.Dir = root
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building cmd/%s: %v\n%s", name, err, msg)
	}
	return out
}

// line is a broker beside the site's store, and commands that have Iceberg; all cases share it.
func (s *site) line() *fixture.Site {
	s.opened.Do(func() {
		s.t.Setenv("VECMILL_WORKER", program(s.t, "worker"))
		s.t.Setenv("VECMILL_BACKFILL", program(s.t, "backfill"))
		s.shared = fixture.On(s.t, harness.StartKafka(s.t), s.s3)
	})
	return s.shared
}

// killed runs the worker as a user does, from Kafka to the table, and kills it at work.
func killed(t *testing.T, s *site) {
	line := s.line()
	const topic, pipeline, parts, records = "refs", "intents", 3, 300
	line.Kafka.CreateTopic(t, topic, parts)
	uri := filepath.Join(t.TempDir(), "uri") // a URI may have a password, and secrets are in no configuration that is written
	if err := os.WriteFile(uri, []byte(s.rest+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := line.Pipeline(t, pipeline, schemas.Text, topic)
	p.Outputs = []config.Output{{Iceberg: &config.Iceberg{
		Catalog: config.IcebergCatalog{URIFile: uri, Name: "test"}, Table: "ns.line", Create: true, Partition: []string{"task"},
		RollBytes: 16 << 20, RollRows: 40, RollAge: config.Duration(500 * time.Millisecond), Compression: "zstd", MaxBuffered: 64 << 20,
	}}}
	c := line.Config(p)
	publish := func(from, to int) {
		var values [][]byte
		for i := from; i < to; i++ {
			switch i % 20 {
			case 7:
				values = append(values, []byte("no reference"))
				continue
			case 11: // in the partition of the reference, since Publish goes round all of them
				values = append(values, fixture.JSON(t, schemas.Ref{ID: fmt.Sprint("r", i-3*parts), Modality: schemas.Text, Deleted: true}))
				continue
			}
			values = append(values, fixture.JSON(t, schemas.Ref{ID: fmt.Sprint("r", i), Modality: schemas.Text, Inline: fmt.Append(nil, "switch the light on in room ", i)}))
		}
		line.Publish(t, topic, values...)
	}
	publish(0, records/2)
	for round := range 3 {
		w := line.StartWorker(t, "worker", c)
		time.Sleep(time.Duration(1500+700*round) * time.Millisecond)
		w.Kill(t)
	}
	publish(records/2, records)
	w := line.StartWorker(t, "worker", c)
	line.AwaitCommitted(t, topic, []string{pipeline}, 2*time.Minute, w)
	fixture.Stop(t, w)

	all, code := line.AuditCommand(t, "audit", c)
	var computed, dead int64
	for _, r := range all {
		computed, dead = computed+r.Computed, dead+r.Dead
	}
	if code != 0 || len(all) != parts || computed != records-2*records/20 || dead != records/20 {
		t.Errorf("backfill audit: exit %d, %d sources, %d offsets with rows, %d dead: %+v", code, len(all), computed, dead, all)
	}
	v := s.judge(t, s.restCatalog(), "ns.line", "read")
	ids := map[string]bool{}
	for _, r := range v.Rows {
		ids[r[4].(string)] = true
	}
	if want := 2 * (records - 3*records/20); len(v.Rows) != want || len(ids) != want || len(v.Duck) != want || v.Partitions != 2 { // a label and an embedding each, of those that no tombstone names
		t.Errorf("pyiceberg reads %d rows with %d ids in %d partitions, duckdb %d; want %d", len(v.Rows), len(ids), v.Partitions, len(v.Duck), want)
	}
}
