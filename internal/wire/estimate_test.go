package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/embed/ortsession"
	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/pace"
	"vecmill/schemas"
	"vecmill/stream"
)

// draftOf is a plan of so many short texts, all of which are its sample.
func draftOf(texts int) *backfill.Draft {
	d := &backfill.Draft{Counts: backfill.Counts{Planned: int64(texts)}}
	for i := range texts {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i), Inline: []byte("it is so")}})
	}
	return d
}

// tried is what a plan of texts tells that has no time for more than its least trials: one, and two that count.
func tried(t *testing.T, c *config.Config, m *loadedModel, texts int, log *slog.Logger) *backfill.Expectation {
	t.Helper()
	all, err := estimate(t.Context(), &stores{cfg: c}, &takers{c: c, models: []*loadedModel{m}, inputs: []input{{}}}, draftOf(texts), EstimateOptions{For: time.Nanosecond}, log)
	if err != nil {
		t.Fatal(err)
	}
	return &all[0]
}

// TestATrialHasABatchForEveryExecutor counts what is tried: with fewer batches than executors it would be the rate of a machine that is idle in part.
func TestATrialHasABatchForEveryExecutor(t *testing.T) {
	const items = 4
	c, p := pipelineFor(t, textModel(t), "    heads: [{task: embedding}]")
	p.Batch.MaxItems, p.Batch.Window = items, items
	for name, of := range map[string]struct{ devices, sessions, callers, least int }{
		"one":      {1, 1, 1, 2},
		"callers":  {1, 1, 3, 3},
		"sessions": {1, 4, 1, 4},
		"devices":  {4, 1, 1, 4},
		"all":      {2, 2, 2, 8},
	} {
		m := described(t, c, p, make([]embedtest.Config, of.devices*of.sessions)...)
		m.devices = make([]ortsession.Options, of.devices)
		if err := m.openSessions(t.Context(), p, split{Sessions: of.sessions, Threads: 1, Callers: of.callers}, quiet); err != nil {
			t.Fatal(err)
		}
		if n := tried(t, c, m, 100, quiet).Tried; n != 2*of.least*items { // by two trials
			t.Errorf("%s: two trials have %d texts, want %d batches of %d each", name, n, of.least, items)
		}
		executors, _ := m.callers()
		if _, most := trialSize(batchConfig(p, schemas.Text, 1), len(executors)); most != 2*len(executors)*items {
			t.Errorf("%s: a trial has %d texts at most", name, most)
		}
		if err := m.close(); err != nil {
			t.Fatal(err)
		}
	}
	if least, most := trialSize(embed.UsualBatch(schemas.Text, 1), 2); least != 128 || most != 512 {
		t.Errorf("of texts a trial has %d to %d, want the window", least, most)
	}
}

// TestAPlanTriesBatchesAsARunHasThem keeps bytes by which two texts are too many, and with nothing kept says that the bound is none.
func TestAPlanTriesBatchesAsARunHasThem(t *testing.T) {
	const texts, trials = 12, 3
	for _, known := range []bool{false, true} {
		c, p := pipelineFor(t, textModel(t), "    heads: [{task: embedding}]")
		p.Batch.MaxBytes, p.Batch.Linger = 1500, config.Duration(50*time.Millisecond)
		m := described(t, c, p, embedtest.Config{})
		if err := m.open(t.Context(), c, p, quiet); err != nil {
			t.Fatal(err)
		}
		costs := measurement{Costs: embed.Costs{Fixed: 1, Step: 1}, Decoders: 1}
		if known {
			if err := keepMeasured(c.Runtime.CacheDir, func(all *measurements) {
				key := m.batchKey(c.Runtime.CacheDir, p, os.DirFS("/"))
				all.Costs[key], all.Bytes[key] = costs, measurement{Costs: embed.Costs{Fixed: 1000, Step: 100}}
			}); err != nil {
				t.Fatal(err)
			}
		}
		s := m.sessions[0].(*embedtest.Session)
		before := s.Runs()
		var log bytes.Buffer
		tried(t, c, m, texts, slog.New(slog.NewTextHandler(&log, nil)))
		if warned := strings.Contains(log.String(), "batch.max_bytes bounds nothing"); warned == known {
			t.Errorf("known %v, warned %v", known, warned)
		}
		if n := s.Runs() - before; (n == trials*texts) != known {
			t.Errorf("known %v: %d batches of %d trials of %d texts", known, n, trials, texts)
		}
		if known && m.costs != costs {
			t.Errorf("trials begin with %+v, where a run would with %+v", m.costs, costs)
		}
		if err := m.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// slowStore is a store that takes its time for each object, and has one that is gone.
type slowStore struct{ each time.Duration }

// Fetch implements stream.Fetcher.
func (s slowStore) Fetch(_ context.Context, ref schemas.Ref, _ stream.Reserve) (*stream.Blob, error) {
	time.Sleep(s.each)
	if ref.ID == "gone" {
		return nil, schemas.Rejectf(schemas.ReasonFetchMissing, "gone")
	}
	return &stream.Blob{Data: []byte(ref.ID)}, nil
}

// TestWhatACopyTakesIsFetchedAndWritten gives rows of three of four objects of a slow store, one fetcher at work: the time is that of fetching these, and each of their rows has what a row has.
func TestWhatACopyTakesIsFetchedAndWritten(t *testing.T) {
	c, p := pipelineFor(t, textModel(t), "    heads: [{task: embedding}]")
	const each = 5 * time.Millisecond
	p.Fetchers = 1
	tr := &trial{p: p, m: described(t, c, p, embedtest.Config{}), fetcher: slowStore{each}}
	var items []plan.Item
	for _, id := range []string{"a", "not tried", "b", "gone"} {
		items = append(items, plan.Item{Ref: schemas.Ref{ID: id}})
		if id != "not tried" {
			row := schemas.Row{Lineage: schemas.Lineage{RefID: id, Head: "embedding", Task: schemas.TaskEmbedding}, Payload: schemas.Payload{Vector: make([]float32, 8)}}
			tr.kept = append(tr.kept, row, row)
		}
	}
	got, err := tr.give(t.Context(), items)
	if err != nil || got.Items != 3 || got.Failed != 1 || got.Rows != 4 || got.Wall < 3*each || got.RowBytes == 0 {
		t.Errorf("%+v, %v", got, err)
	}

	tr.gate = &pace.Gate{}
	tr.gate.Shut()
	ctx, cancel := context.WithTimeout(t.Context(), 10*each)
	defer cancel()
	if got, err = tr.give(ctx, items); !errors.Is(err, context.DeadlineExceeded) || got.Items != 0 {
		t.Errorf("paused: %+v, %v", got, err)
	}
}

// TestATrialSaysWhetherObjectsHaveAsManyRows has texts of one row, and one that fails.
func TestATrialSaysWhetherObjectsHaveAsManyRows(t *testing.T) {
	row := make([]schemas.Row, 3)
	bad := schemas.Rejectf(schemas.ReasonDecode, "damaged")
	for name, c := range map[string]struct {
		rows []int // of each; negative: it fails
		want int64
	}{
		"as many":           {[]int{2, -1, 2, 2}, 2},
		"one has more":      {[]int{2, 3, 2}, 0},
		"one has none":      {[]int{2, 0, 2}, 0},
		"none at the start": {[]int{0, 2}, 0},
		"all fail":          {[]int{-1, -1}, 0},
	} {
		out := &tally{out: backfill.Tried{Work: make([]float64, len(c.rows))}}
		for i, n := range c.rows {
			if n < 0 {
				out.done(i, nil, bad)
			} else {
				out.done(i, row[:n], nil)
			}
		}
		if got := out.tried().Each; got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestWhatATrialHeldIsNotHeldTwice: objects that were on their way while it was watched are in what computing takes.
func TestWhatATrialHeldIsNotHeldTwice(t *testing.T) {
	_, p := pipelineFor(t, textModel(t), "    heads: [{task: embedding}]")
	held := func(trials int64) float64 {
		out := &tally{}
		out.hold(600)
		out.hold(500)
		out.hold(-600)
		out.hold(100)
		tr := &trial{p: &config.Pipeline{MaxInFlight: p.MaxInFlight, MemoryBudget: p.MemoryBudget}, blobs: trials * out.blobs}
		e := &backfill.Expectation{Items: 10, Tried: 2, Bytes: 5000}
		if err := tr.weigh(e, 1); err != nil {
			t.Fatal(err)
		}
		return e.Held
	}
	if without, with, all := held(0), held(1), held(5); without != collected*5000 || with != collected*(5000-1100) || all != 0 {
		t.Errorf("%v of trials that held nothing, %v of one that held 1,100 bytes, %v of one that held more than there is", without, with, all)
	}
}
