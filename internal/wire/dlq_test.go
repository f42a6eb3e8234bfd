package wire

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// TestOutputsSayWhichLettersAreOfRecordsThatHaveRows has two required outputs, of which one is behind, and they tell two stories of offset 3; and one that may have anything.
func TestOutputsSayWhichLettersAreOfRecordsThatHaveRows(t *testing.T) {
	conf := config.NewDefaultConfig()
	pipeline := config.NewDefaultPipeline()
	pipeline.Name, pipeline.DeadLetters = "p", config.DeadLetters{URL: "file://" + t.TempDir()}
	src := schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: 2}
	for i, out := range []struct{ rows, dead []int64 }{{[]int64{1, 3, 5, 7}, []int64{2}}, {[]int64{1}, []int64{2, 3}}, {[]int64{1, 2}, nil}} {
		dir := t.TempDir()
		chain(t, dir, src, out.rows, out.dead)
		pipeline.Outputs = append(pipeline.Outputs, config.Output{Parquet: &config.Parquet{URL: "file://" + dir}, BestEffort: i == 2})
	}
	conf.Pipelines = []config.Pipeline{pipeline}
	letters, err := OpenLetters(t.Context(), conf, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer letters.Close()
	for _, c := range []struct {
		src  schemas.SourceID
		in   schemas.Span
		want []schemas.Span
	}{
		{src, schemas.Span{First: 0, Next: 20}, []schemas.Span{{First: 1, Next: 2}, {First: 5, Next: 6}, {First: 7, Next: 8}}},
		{src, schemas.Span{First: 2, Next: 7}, []schemas.Span{{First: 5, Next: 6}}},
		{schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: 1}, schemas.Span{First: 0, Next: 20}, nil},
		{schemas.SourceID{Pipeline: "q", Topic: "refs", Partition: 2}, schemas.Span{First: 0, Next: 20}, nil},
	} {
		if got, err := letters.Settled(t.Context(), c.src, c.in); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s in %v: %v, %v, want %v", c.src, c.in, got, err, c.want)
		}
	}
}

// TestAnOutputThatDoesNotTellIsAskedForRows has a table of which snapshots are expired: it tells of some stretches, and has rows of all.
func TestAnOutputThatDoesNotTellIsAskedForRows(t *testing.T) {
	src := schemas.SourceID{Pipeline: "p", Topic: "refs"}
	out := &scattered{tells: true, made: &made{
		next: 40,
		row:  func(_ schemas.SourceID, o int64, _ *schemas.Lineage) bool { return o%10 == 3 },
		fate: func(_ schemas.SourceID, o int64) (dead bool, deletes string) { return o == 5, "" },
	}}
	conf := config.NewDefaultConfig()
	conf.Pipelines = []config.Pipeline{{Name: "p"}}
	letters := &Letters{stores: &stores{cfg: conf}, asked: map[string]*askedOutputs{"p": {all: []past{out}}}}
	got, err := letters.Settled(t.Context(), src, schemas.Span{First: 0, Next: 60})
	if want := []schemas.Span{{First: 3, Next: 4}, {First: 13, Next: 14}, {First: 23, Next: 24}, {First: 33, Next: 34}, {First: 43, Next: 44}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

// chain writes files of two offsets each, up to the last row's or dead letter's; the other offsets are skipped.
func chain(t *testing.T, dir string, src schemas.SourceID, rows, dead []int64) {
	t.Helper()
	store, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Tasks = store, schemas.Tasks()
	sink, err := parquetsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := sink.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	for first := int64(0); first <= max(slices.Max(rows), slices.Max(append(dead, 0))); first += 2 {
		r := schemas.Range{Source: src, Span: schemas.Span{First: first, Next: first + 2}}
		var some []schemas.Row
		for o := first; o < r.Next; o++ {
			switch {
			case slices.Contains(rows, o):
				some = append(some, sinktest.Row(src, o, 0))
			case slices.Contains(dead, o):
				r.Dead = schemas.AppendOffset(r.Dead, o)
			default:
				r.Skipped = schemas.AppendOffset(r.Skipped, o)
			}
		}
		if err := sink.Write(t.Context(), r, some, func(error) {}); err != nil {
			t.Fatal(err)
		}
		if err := sink.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}
