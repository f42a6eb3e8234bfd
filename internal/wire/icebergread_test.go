//go:build iceberg

package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
)

// TestAPlanIsComputedInSharesIntoAnIcebergTableThatIsNotThereYet asks how far the table is before anybody has made it.
func TestAPlanIsComputedInSharesIntoAnIcebergTableThatIsNotThereYet(t *testing.T) {
	l := newLake(t, 1)
	l.conf.Pipelines[0].Outputs = []config.Output{{Iceberg: &config.Iceberg{
		Catalog: config.IcebergCatalog{URI: config.Secret("sqlite://" + filepath.Join(l.out, "catalog.db")), Name: "test", Warehouse: "file://" + l.out}, Table: "ns.rows", Create: true,
	}}}
	all, _, err := HowFar(t.Context(), l.conf, "m")
	if err != nil || len(all) != 1 || all[0].Next != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	for _, n := range []int{2, 2} {
		for _, step := range []func(context.Context, *config.Config, string, *plan.Plan, int) error{Divisible, Divide} {
			if err := step(t.Context(), l.conf, filepath.Join(l.out, "plan"), &plan.Plan{Name: "m"}, n); err != nil {
				t.Errorf("%d shares: %v", n, err)
			}
		}
	}
	if found, err := Audit(t.Context(), l.conf, AuditOptions{}); err != nil || len(found) > 0 {
		t.Errorf("an audit finds %+v, %v", found, err)
	}
}

// TestContentInAnIcebergTableIsNotComputedAgain has the rows of an object in one file, and in a file for each head. A lake of files beside the table, which nothing is read from, says what was written.
func TestContentInAnIcebergTableIsNotComputedAgain(t *testing.T) {
	for name, partition := range map[string][]string{"whole": nil, "by head": {"head"}} {
		t.Run(name, func(t *testing.T) {
			copiesAreNotComputed(t, func(l *lake, p *config.Pipeline) {
				p.Outputs[0].BestEffort = true
				p.Outputs = append(p.Outputs, config.Output{Iceberg: &config.Iceberg{
					Catalog: config.IcebergCatalog{URI: config.Secret("sqlite://" + filepath.Join(l.out, "catalog.db")), Name: "test", Warehouse: "file://" + filepath.Join(l.out, "lake")}, Table: "ns.rows", Create: true, Partition: partition,
					Tombstones: "delete", RollBytes: 16 << 20, RollRows: 12, RollAge: config.Duration(1 << 40), Compression: "zstd", MaxBuffered: 64 << 20,
				}})
			})
		})
	}
}

// TestAPlanOfAnIcebergTableIsGoneOnWithWhenAColumnIsRenamed as it was begun: in its snapshot the column has its old name. A plan that is begun now looks for the columns of now.
func TestAPlanOfAnIcebergTableIsGoneOnWithWhenAColumnIsRenamed(t *testing.T) {
	l := newLake(t, 5)
	lake := filepath.Join(l.out, "lake")
	c := config.IcebergCatalog{URI: config.Secret("sqlite://" + filepath.Join(l.out, "catalog.db")), Name: "test", Warehouse: "file://" + lake}
	l.conf.Pipelines[0].Outputs = []config.Output{{Iceberg: &config.Iceberg{
		Catalog: c, Table: "ns.rows", Create: true, Tombstones: "delete", RollBytes: 16 << 20, RollRows: 1000, RollAge: config.Duration(1 << 40), Compression: "zstd", MaxBuffered: 64 << 20,
	}}}
	l.plan(t, "first", PlanOptions{})
	l.run(t, "first")
	for name, want := range map[string]int64{"first": 5, "another": 0} {
		if far, _, err := HowFar(t.Context(), l.conf, name); err != nil || len(far) != 1 || far[0].Next != want {
			t.Errorf("%s: %+v, %v", name, far, err)
		}
	}
	enumerate := func(state json.RawMessage) (ids []string, last json.RawMessage, err error) {
		src, err := icebergTable(&c, "ns.rows", &stores{cfg: l.conf}, &PlanOptions{Source: "iceberg://ns.rows", Columns: map[string]string{"id": "ref_id", "etag": "etag"}})
		if err != nil {
			return nil, nil, err
		}
		err = src.Each(t.Context(), state, func(items []plan.Item, at any) error {
			for _, it := range items {
				ids = append(ids, it.Ref.ID+it.Raw)
			}
			last, err = json.Marshal(at)
			return err
		})
		return ids, last, err
	}
	all, state, err := enumerate(nil)
	if err != nil || len(all) != 10 { // of two heads
		t.Fatal(all, err)
	}
	at := object(t, state)
	at["file"], at["rows"] = "", 0 // as it was when nothing was saved but the snapshot
	if state, err = json.Marshal(at); err != nil {
		t.Fatal(err)
	}
	rename(t, lake, "ref_id", "called")
	if again, _, err := enumerate(state); err != nil || !slices.Equal(again, all) {
		t.Errorf("gone on with: %v, %v", again, err)
	}
	if now, _, err := enumerate(nil); err == nil || !strings.Contains(err.Error(), "iceberg://ns.rows: it has no column ref_id for id; its columns are ") {
		t.Errorf("begun anew: %d rows, %v", len(now), err)
	}
}

// object reads JSON with its numbers as they are.
func object(t *testing.T, body []byte) (o map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		t.Fatal(err)
	}
	return o
}

// rename gives the only table of a warehouse another schema, and a snapshot of that one with the same rows, in the newest of its metadata files.
func rename(t *testing.T, warehouse, from, to string) {
	t.Helper()
	var files []string
	if err := filepath.WalkDir(warehouse, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".metadata.json") {
			files = append(files, path)
		}
		return err
	}); err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	slices.Sort(files) // by their numbers
	body, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	about := object(t, body)
	schemas := about["schemas"].([]any)
	next := maps.Clone(schemas[len(schemas)-1].(map[string]any))
	next["schema-id"] = len(schemas)
	var fields []any
	for _, f := range next["fields"].([]any) {
		f := maps.Clone(f.(map[string]any))
		if f["name"] == from {
			f["name"] = to
		}
		fields = append(fields, f)
	}
	next["fields"] = fields
	about["schemas"], about["current-schema-id"] = append(schemas, next), len(schemas)
	snapshots := about["snapshots"].([]any)
	last := maps.Clone(snapshots[len(snapshots)-1].(map[string]any))
	last["parent-snapshot-id"], last["snapshot-id"], last["schema-id"] = last["snapshot-id"], 42, len(schemas)
	about["snapshots"], about["current-snapshot-id"] = append(snapshots, last), 42
	about["refs"].(map[string]any)["main"].(map[string]any)["snapshot-id"] = 42
	if body, err = json.Marshal(about); err == nil {
		err = os.WriteFile(files[len(files)-1], body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestABusyStoreTakesNoRowFromTheAccountOfAnIcebergTable has a bucket that answers each first request for each of the table's files with 503, and one of the files taken away.
func TestABusyStoreTakesNoRowFromTheAccountOfAnIcebergTable(t *testing.T) {
	l := newLake(t, 5)
	l.conf.Pipelines[0].Outputs = []config.Output{{Iceberg: &config.Iceberg{
		Catalog: config.IcebergCatalog{URI: config.Secret("sqlite://" + filepath.Join(l.out, "catalog.db")), Name: "test", Warehouse: "s3://box/lake"},
		Table:   "ns.rows", Create: true, Tombstones: "delete", RollBytes: 16 << 20, RollRows: 1000, RollAge: config.Duration(1 << 40), Compression: "zstd", MaxBuffered: 64 << 20,
	}}}
	began := time.Now()
	l.plan(t, "first", PlanOptions{})
	l.run(t, "first")
	for _, prefix := range []string{"lake/ns.db/rows/data/", "lake/"} {
		turned := l.busy(t, prefix)
		if all, err := Audit(t.Context(), l.conf, AuditOptions{}); err != nil || len(all) != 1 || !all[0].OK() || all[0].Rows != 10 || turned() == 0 {
			t.Errorf("an audit finds %+v, %v, with %d requests for %s turned away", all, err, turned(), prefix)
		}
		turned = l.busy(t, prefix)
		if far, _, err := HowFar(t.Context(), l.conf, "first"); err != nil || len(far) != 1 || far[0].Next != 5 || far[0].Rows != 10 || turned() == 0 {
			t.Errorf("written are %+v, %v, with %d requests for %s turned away", far, err, turned(), prefix)
		} else if last := far[0].Last; last == nil || last.Before(began.Add(-time.Second)) || last.After(time.Now()) {
			t.Errorf("last written %v", last)
		}
	}
	var data string
	list, err := l.backend.ListBucket("box", &gofakes3.Prefix{HasPrefix: true, Prefix: "lake/"}, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		if strings.HasSuffix(o.Key, ".parquet") {
			data = o.Key
		}
	}
	if _, err := l.backend.DeleteObject("box", data); err != nil || data == "" {
		t.Fatal(data, err)
	}
	if far, _, err := HowFar(t.Context(), l.conf, "first"); err == nil || !strings.Contains(err.Error(), data+" cannot be read") {
		t.Errorf("without a file, written are %+v, %v", far, err)
	}
	if all, err := Audit(t.Context(), l.conf, AuditOptions{}); err != nil || len(all) != 1 || !strings.Contains(strings.Join(all[0].Offences, "\n"), data+" cannot be read") {
		t.Errorf("without a file, an audit finds %+v, %v", all, err)
	}
}
