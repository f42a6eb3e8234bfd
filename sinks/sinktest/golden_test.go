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
