//go:build integration

package sinks

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"vecmill/internal/config"
	wiring "vecmill/internal/wire" // wire is what test servers are reached by
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/sinktest"
)

// soon is what an output of a configuration has of delivery where only an alias is pointed.
var soon = config.Delivery{Timeout: config.Duration(10 * time.Second)}

// cutOver is what a recomputation does about an output whose place was another one.
func cutOver(t *testing.T, of func(place string) config.Output, from, to, name string) wiring.Step {
	t.Helper()
	pipeline := func(name, place string) config.Pipeline {
		return config.Pipeline{Name: name, Heads: []config.Head{{Name: "head", Task: "embedding"}}, Outputs: []config.Output{of(place)}}
	}
	c := config.Config{Pipelines: []config.Pipeline{pipeline("old", from), pipeline("new", to)}}
	r, err := wiring.NewReembed(&c, "old", "new", true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r.CutOver(name)[0]
}

// readersFollow cuts over where nobody looked anything up by the name yet, again, by several at once, and to a third place; and has rows read by the name each time. Of a place each has as many rows as its number says.
func readersFollow(t *testing.T, kind string, of func(place string) config.Output, open func(place string) sinks.Sink, read func(name string) []schemas.Row) {
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	places := []string{"moved_1", "moved_2", "moved_3"}
	for i, place := range places {
		r, rows := sinktest.MakeOf([]schemas.Task{schemas.TaskEmbedding}, src, 0, int64(10*(i+1)))
		put(t, open(place), r, rows...)
	}
	for i, place := range places[1:] {
		step := cutOver(t, of, places[i], place, "shown")
		for range 2 {
			var all errgroup.Group
			for range 4 {
				all.Go(func() error { return step.Do(t.Context()) })
			}
			if err := all.Wait(); err != nil {
				t.Fatalf("to %s: %v", place, err)
			}
			if got, want := len(read("shown")), len(read(place)); got != want || want == len(read(places[i])) {
				t.Errorf("readers find %d rows, want %d of %s", got, want, place)
			}
		}
	}
	err := cutOver(t, of, places[0], places[1], places[2]).Do(t.Context())
	if err == nil || !strings.Contains(err.Error(), kind+", and no alias: give the cut-over another name (try 1)") {
		t.Errorf("a name that is taken: %v", err)
	}
	if got, want := len(read("shown")), len(read(places[2])); got != want {
		t.Errorf("readers find %d rows then, want %d", got, want)
	}
}
