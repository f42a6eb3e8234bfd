package backfill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/backfill/plan"
)

// frozen is snapshot n of a table: n files with some rows each, and one without.
type frozen struct{ n int64 }

func (f frozen) Snapshot() *int64 { return &f.n }

func (f frozen) Files() []string {
	all := []string{"empty"}
	for i := range f.n {
		all = append(all, fmt.Sprint("file ", i))
	}
	return all
}

func (f frozen) Values(_ context.Context, file string, behind int64, each func([]byte) error) error {
	if file == "empty" {
		return nil
	}
	for i := behind; i < 2*linesAtOnce+500; i++ {
		value := fmt.Sprintf(`{"v":1,"id":"%d %s %d","uri":"s3://b/k"}`, f.n, file, i)
		if i == 7 {
			value = "no reference"
		}
		if err := each([]byte(value)); err != nil {
			return err
		}
	}
	return nil
}

// TestATableIsGoneOnWithAtItsSnapshotAndItsRow cuts the enumeration off behind every page, while the table gets a snapshot each time that it is opened anew.
func TestATableIsGoneOnWithAtItsSnapshotAndItsRow(t *testing.T) {
	const first = 3
	cut := errors.New("cut off")
	now := int64(first)
	table := &Table{AtOnce: 2, Open: func(_ context.Context, snapshot *int64) (Frozen, error) {
		if snapshot == nil {
			return frozen{now}, nil
		}
		return frozen{*snapshot}, nil
	}}
	var state json.RawMessage
	var got []string
	for pages := 0; ; pages++ {
		given := 0
		err := table.Each(t.Context(), state, func(items []plan.Item, at any) (err error) {
			if given++; given > 1 {
				return cut
			}
			for _, it := range items {
				got = append(got, it.Ref.ID+it.Raw)
			}
			state, err = json.Marshal(at)
			return err
		})
		if now++; err == nil {
			break
		}
		if !errors.Is(err, cut) || pages > 50 {
			t.Fatal(err)
		}
	}
	var want []string
	for i := range first {
		for k := range 2*linesAtOnce + 500 {
			want = append(want, fmt.Sprintf("%d file %d %d", first, i, k))
			if k == 7 {
				want[len(want)-1] = "no reference"
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
	if id := table.Taken(); id == nil || *id != first {
		t.Errorf("the rows are of snapshot %v", id)
	}
	if err := table.Each(t.Context(), json.RawMessage(`{"snapshot":2,"file":"file 2","rows":1}`), nil); err == nil || !strings.Contains(err.Error(), "another table") {
		t.Errorf("a file that is not in the snapshot: %v", err)
	}
}
