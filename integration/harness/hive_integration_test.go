//go:build integration

package harness

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// TestReadersOfPartitionedDirectoriesSeeTheHiveLayout has duckdb, pyarrow.dataset and polars find the keys of the directories by themselves, and read every row once.
func TestReadersOfPartitionedDirectoriesSeeTheHiveLayout(t *testing.T) {
	dir := t.TempDir()
	store, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	conf := parquetsink.NewDefaultConfig()
	conf.Store, conf.Prefix, conf.Layout, conf.Tasks, conf.RollRows = store, "lake", parquetsink.Hive, []schemas.Task{schemas.TaskEmbedding}, 20
	sink, err := parquetsink.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{}
	for part := range 2 {
		for _, topic := range []string{"refs", "a b/ö"} {
			src := schemas.SourceID{Pipeline: "p", Topic: topic, Partition: part}
			if _, _, err := sink.Resume(t.Context(), src, 0); err != nil {
				t.Fatal(err)
			}
			for first := int64(0); first < 100; first += 10 {
				r, rows := sinktest.MakeOf(conf.Tasks, src, first, first+10)
				want[topic] += float64(len(rows))
				if err := sink.Write(t.Context(), r, rows, func(error) {}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got map[string]struct {
		Rows, RowIDs float64
		ByTopic      map[string]float64
		Misplaced    float64
		Undated      float64
		Pruned       float64
	}
	runReader(t, &got, "read_hive.py", filepath.Join(dir, "lake"))
	text, _ := json.Marshal(got)
	for _, reader := range []string{"pyarrow", "duckdb", "polars"} {
		v, ok := got[reader]
		if total := want["refs"] + want["a b/ö"]; !ok || v.Rows != total || v.RowIDs != total || v.Misplaced != 0 || v.Undated != 0 || v.ByTopic["refs"] != want["refs"] || v.ByTopic["a b/ö"] != want["a b/ö"] || v.Pruned != want["refs"] {
			t.Errorf("%s: %s, want %v", reader, text, want)
		}
	}
}
