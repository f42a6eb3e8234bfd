package backfill

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"vecmill/schemas"
)

// snapshots is a table whose every snapshot has more rows: of snapshot n, the first n.
type snapshots struct {
	rows []schemas.Lineage
	now  int64
}

type snapshot struct {
	id   int64
	rows []schemas.Lineage
}

func (s snapshot) Snapshot() *int64 { return &s.id }

func (s snapshot) Rows(_ context.Context, whole bool, each func(*schemas.Lineage) error) error {
	for _, l := range s.rows {
		if !whole {
			l.URI, l.ETag = "", ""
		}
		if err := each(&l); err != nil {
			return err
		}
	}
	return nil
}

func (s *snapshots) source(bounds ...Bound) *PastSnapshot {
	return &PastSnapshot{
		Bounds: func(context.Context) ([]Bound, error) { return bounds, nil },
		Open: func(_ context.Context, id *int64) (PastRows, error) {
			if id == nil {
				id = &s.now
			}
			return snapshot{*id, s.rows[:*id]}, nil
		},
	}
}

// add appends rows of a source that were made at some minute.
func (s *snapshots) add(src schemas.SourceID, made int, rows ...schemas.Lineage) {
	for _, l := range rows {
		l.Topic, l.Partition, l.CreatedAt = src.Topic, src.Partition, day.Add(time.Duration(made)*time.Minute)
		s.rows = append(s.rows, l)
	}
	s.now = int64(len(s.rows))
}

// TestOfASnapshotTheLatestRowOfEachReferenceCounts has rows in an order of their own, as a compaction leaves them, and a record whose last window was made after the record behind it.
func TestOfASnapshotTheLatestRowOfEachReferenceCounts(t *testing.T) {
	topic, other, list := schemas.SourceID{Pipeline: "p", Topic: "t"}, schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}, schemas.SourceID{Pipeline: "p", Topic: "manifest:m"}
	var s snapshots
	s.add(topic, 3, row(7, "c", "2"), row(5, "a", "3"))
	s.add(topic, 9, row(2, "c", "1")) // its last window took long
	s.add(list, 1, row(0, "a", "1"), row(1, "b", "1"), row(1, "b", "1"), row(3, "late", "1"))
	s.add(topic, 2, row(0, "a", "2"))
	s.add(other, 9, row(0, "d", "1"), row(1, "late", "2"), row(2, "new", "1"))
	s.add(schemas.SourceID{Topic: "begun since"}, 10, row(0, "b", "2"), row(1, "x", "1"))
	ids, _ := enumerated(t, s.source(Bound{list, 4, math.MaxInt64}, Bound{topic, 8, 100}, Bound{other, 3, 1}), nil, 0)
	if want := []string{"c 2", "a 3", "b 1", "d 1"}; !slices.Equal(ids, want) { // late and new are the stream's
		t.Errorf("%q, want %q", ids, want)
	}
}

// TestAnEnumerationOfASnapshotIsGoneOnWithAnywhere stops behind each piece, while the table grows.
func TestAnEnumerationOfASnapshotIsGoneOnWithAnywhere(t *testing.T) {
	src := schemas.SourceID{Pipeline: "p", Topic: "manifest:m"}
	var s snapshots
	for i := range 5000 {
		s.add(src, i, row(int64(i), fmt.Sprint(i%4000), fmt.Sprint(i/4000)), row(int64(i), fmt.Sprint(i%4000), fmt.Sprint(i/4000)))
	}
	source := s.source(Bound{src, 5000, math.MaxInt64})
	whole, _ := enumerated(t, source, nil, 0)
	if len(whole) != 4000 {
		t.Fatalf("%d references", len(whole))
	}
	for stop := 2; stop <= 5; stop++ {
		head, state := enumerated(t, source, nil, stop)
		s.add(src, 9000+stop, row(int64(5000+stop), "1", "later"))
		tail, _ := enumerated(t, source, state, 0)
		s.now = 10_000
		if !reflect.DeepEqual(append(head, tail...), whole) {
			t.Errorf("stopped at piece %d: %d and %d references, or others", stop, len(head), len(tail))
		}
	}
}
