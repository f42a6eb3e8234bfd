package wire

import (
	"path/filepath"
	"testing"
)

// TestAPlanIsLookedForByItsNameAlone has an output with files of the layout that the configuration had before, which is no fault of a plan that it has nothing of. What is settled as it is wanted asks no output.
func TestAPlanIsLookedForByItsNameAlone(t *testing.T) {
	l := newLake(t, 2)
	divisible := func(name string) error {
		t.Helper()
		list, err := OpenPlan(t.Context(), l.conf, filepath.Join(l.out, name))
		if err != nil {
			t.Fatal(err)
		}
		return Divisible(t.Context(), l.conf, filepath.Join(l.out, name), list.Plan(), 1)
	}
	files := l.conf.Pipelines[0].Outputs[0].Parquet
	p := l.plan(t, "first", PlanOptions{})
	l.plan(t, "second", PlanOptions{})
	l.run(t, "first")
	if err := Divide(t.Context(), l.conf, filepath.Join(l.out, "first"), p.Plan, 1); err != nil {
		t.Fatal(err)
	}
	files.Layout = "hive"
	if err := divisible("second"); err != nil {
		t.Error(err)
	}
	for name, conf := range map[string]string{"first": "plain", "second": "hive"} {
		files.Layout = conf
		all, _, err := HowFar(t.Context(), l.conf, name)
		if want := map[string]int64{"first": 2}[name]; err != nil || len(all) != 1 || all[0].Manifest != name || all[0].Next != want {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
	files.URL = "nowhere:"
	if err := divisible("first"); err != nil {
		t.Errorf("it is settled: %v", err)
	}
	if err := divisible("second"); err == nil {
		t.Error("nothing is settled, and no output was asked")
	}
}
