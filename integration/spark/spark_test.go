//go:build integration && spark

package spark

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"testing"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// TestSparkReadsParquet has rows of every task but those in half precision, which Spark 4 has no type for: it refuses a file with such a column, so files of a pipeline that has none lack it.
func TestSparkReadsParquet(t *testing.T) {
	dir := t.TempDir()
	store, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := parquetsink.NewDefaultConfig()
	c.Store, c.Tasks, c.Single = store, schemas.Tasks(), true
	sink, err := parquetsink.New(c)
	if err != nil {
		t.Fatal(err)
	}
	src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
	tasks := slices.DeleteFunc(schemas.Tasks(), func(t schemas.Task) bool { return t == schemas.TaskXVector }) // sinktest gives it in half precision
	r, rows := sinktest.MakeOf(tasks, src, 0, 300)
	if _, _, err := sink.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	if err := sink.Write(t.Context(), r, rows, func(err error) {
		if err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-B", "read_spark.py", dir)
	cmd.Env, cmd.Stderr = append(os.Environ(), "PYTHONPATH="+harness.Packages(t)+":../readers", "SPARK_LOCAL_IP=127.0.0.1"), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Count int
		Rows  []json.RawMessage
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if got.Count != len(rows) || len(got.Rows) != len(rows) {
		t.Fatalf("%d rows, counted %d, want %d", len(got.Rows), got.Count, len(rows))
	}
	text := func(r *schemas.Row) string {
		b, err := jsonrow.Append(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	want := map[string]string{}
	_, made := sinktest.MakeOf(tasks, src, 0, 300)
	for i := range made {
		want[made[i].RowID] = text(&made[i])
	}
	for _, raw := range got.Rows {
		row, err := jsonrow.Parse(raw)
		if err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		row.CreatedAt = row.CreatedAt.UTC()
		if is := text(&row); is != want[row.RowID] {
			t.Fatalf("row %s reads\n%s\nwant\n%s", row.RowID, is, want[row.RowID])
		}
	}
}
