package plan

import (
	"reflect"
	"testing"
)

// A checkpoint is one list's, one pipeline's and one share's.
func TestACheckpointIsFoundAgainByWhoseItIs(t *testing.T) {
	at := place(t)
	want := Checkpoint{List: "manifest:l", Pipeline: "p", Partition: 3, Next: 17, Outputs: []string{"jsonl 0a"}}
	for _, next := range []int64{4, 17} {
		c := want
		if c.Next = next; c.Save(t.Context(), at) != nil {
			t.Fatal("it is not saved")
		}
	}
	for _, c := range []struct {
		list, pipeline string
		partition      int
		want           *Checkpoint
	}{
		{"manifest:l", "p", 3, &want}, {"manifest:other", "p", 3, nil}, {"manifest:l", "q", 3, nil}, {"manifest:l", "p", 0, nil},
	} {
		got, err := LastCheckpoint(t.Context(), at, c.list, c.pipeline, c.partition)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: got %+v, %v", c, got, err)
		}
	}
}
