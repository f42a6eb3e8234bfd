package sinktest

import (
	"testing"

	"vecmill/schemas"
)

// TestGoldenRowsKeepTheirIDs: a store that upserts by row id goes on collapsing what older versions wrote.
func TestGoldenRowsKeepTheirIDs(t *testing.T) {
	rows := golden20261129()
	for i := range rows {
		if id := schemas.RowID(&rows[i].Lineage); id != rows[i].RowID {
			t.Errorf("row %d has the id %s, and was written as %s", i, id, rows[i].RowID)
		}
	}
}

// TestTheLastGoldenRowsAreOfEveryTask: a task that is added needs a version, so that what is written of it now is read for ever.
func TestTheLastGoldenRowsAreOfEveryTask(t *testing.T) {
	has := map[schemas.Task]bool{}
	for _, r := range golden20261129() {
		has[r.Task] = true
	}
	for _, task := range schemas.Tasks() {
		if !has[task] {
			t.Errorf("no golden row is of task %s", task)
		}
	}
}
