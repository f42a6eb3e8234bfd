package plan

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// A checkpoint is one pipeline's, of one list or share.
func TestACheckpointIsFoundAgainByWhoseItIs(t *testing.T) {
	at, made := place(t), time.Date(2026, 11, 30, 12, 0, 0, 1, time.UTC)
	want := Checkpoint{Work: Work{List: "l", Made: made, Share: 1, Shares: 4}, Pipeline: "p", Ends: map[string]End{"jsonl 0a": {17, "5:ff"}, "kafka 0b": {Next: 400}}}
	for _, next := range []int64{4, 17} {
		c := want
		if c.Ends = map[string]End{"jsonl 0a": {next, "5:ff"}, "kafka 0b": {Next: 400}}; c.Save(t.Context(), at) != nil {
			t.Fatal("it is not saved")
		}
	}
	for _, c := range []struct {
		work     Work
		pipeline string
		want     *Checkpoint
	}{
		{want.Work, "p", &want},
		{want.Work, "q", nil},
		{Work{"other", made, 1, 4}, "p", nil},
		{Work{"l", made.Add(1), 1, 4}, "p", nil},
		{Work{"l", made, 1, 2}, "p", nil},
		{Work{"l", made, 2, 4}, "p", nil},
	} {
		got, name, err := LastCheckpoint(t.Context(), at, c.work, c.pipeline)
		if err != nil || !reflect.DeepEqual(got, c.want) || !strings.Contains(name, "checkpoint-"+c.pipeline) {
			t.Errorf("%+v: got %+v of %s, %v", c, got, name, err)
		}
	}
	old := `{"work": {"list": "l", "made": "2026-11-30T12:00:00.000000001Z", "share": 1, "shares": 4}, "pipeline": "p", "next": 9, "outputs": {"jsonl 0a": "5:ff", "kafka 0b": ""}}`
	if err := at.Store.Put(t.Context(), checkpointName(at, "p", want.Work), []byte(old), ""); err != nil {
		t.Fatal(err)
	}
	got, _, err := LastCheckpoint(t.Context(), at, want.Work, "p")
	if ends := map[string]End{"jsonl 0a": {9, "5:ff"}, "kafka 0b": {Next: 9}}; err != nil || got == nil || !got.OneEnd || !reflect.DeepEqual(got.Ends, ends) {
		t.Errorf("of a build that kept one end for all: %+v, %v", got, err)
	}
	if err := unsettled(t.Context(), at); err == nil || !strings.Contains(err.Error(), "checkpoint-p-1-of-4.json") {
		t.Errorf("another plan's place: %v", err)
	}
}
