package wire

import (
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"vecmill/embed/embedtest"
)

// TestCallersChangeNoRow also has batches of one thread run beside each other on one session, which -race looks at.
func TestCallersChangeNoRow(t *testing.T) {
	for _, c := range classCases() {
		t.Run(c.class, func(t *testing.T) {
			dir := c.checkpoint(t)
			cfg, p := withAllHeads(t, dir)
			items := slices.Repeat(itemsFor(c.class), 4)
			p.Model.Sessions, p.Model.Threads = 1, 2
			whole, _ := rowsOf(t, p, load(t, cfg, p), items, 1)
			p.Model.Sessions, p.Model.Threads, p.Model.Callers = 1, 1, 2
			many, _ := rowsOf(t, p, load(t, cfg, p), items, 1)
			for i := range whole {
				for j := range whole[i] {
					if !reflect.DeepEqual(many[i][j].Payload, whole[i][j].Payload) {
						t.Errorf("item %d: row %d has other bits", i, j)
					}
				}
			}
		})
	}
}

// TestASessionIsOpenedOnceForAllItsCallers holds what it is: one in memory, with as many executors as it has callers.
func TestASessionIsOpenedOnceForAllItsCallers(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	cfg, p := pipelineFor(t, textModel(t), "    heads: [{task: embedding}]")
	m := described(t, cfg, p, embedtest.Config{}) // a second one would panic
	p.Model.Sessions, p.Model.Threads = 0, 0
	if err := m.open(t.Context(), cfg, p, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(p, m, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := e.Stats().Sessions; n != 3 || len(e.Stats().Devices) != 1 || m.devices[0].Threads != 1 || m.division.Callers != 3 {
		t.Errorf("%d executors on %d devices, with %d threads and %d callers", n, len(e.Stats().Devices), m.devices[0].Threads, m.division.Callers)
	}
	if about := (&shown{}).aboutOf(p, &line{model: m}); about.Sessions != 3 {
		t.Errorf("the page reckons with %d", about.Sessions)
	}
	if err := m.close(); err != nil {
		t.Error(err)
	}
}
