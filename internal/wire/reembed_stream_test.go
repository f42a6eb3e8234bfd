package wire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/publish"
	"vecmill/stream"
)

// TestTheStreamAndTheRecomputationDivideTheWork streams ten texts by one pipeline; then workers run another one beside it, from the topic's end on, and eight records more come, three of them of texts that were there. Every
// text is computed by the new pipeline, once, in its latest state.
func TestTheStreamAndTheRecomputationDivideTheWork(t *testing.T) {
	w := newInputWorld(t, "refs")
	texts := filepath.Join(w.dir, "texts")
	if err := os.MkdirAll(texts, 0o755); err != nil {
		t.Fatal(err)
	}
	publish := func(state string, ids ...int) {
		t.Helper()
		var recs []kafka.Record
		for _, i := range ids {
			file := filepath.Join(texts, fmt.Sprintf("%d-%s.txt", i, state))
			if err := os.WriteFile(file, []byte(strings.Repeat("a ", 1+i%3)+state[:1]), 0o600); err != nil {
				t.Fatal(err)
			}
			recs = append(recs, record(fmt.Sprintf(`{"v":1,"id":"t%d","uri":"file://%s","attributes":{"state":%q}}`, i, file, state)))
		}
		w.produce(t, "refs", recs...)
	}
	one := [2]string{"old", "  topics: [refs]"}
	both := w.config(t, one, [2]string{"new", "  topics: [refs]\n  start_at: last\n  text: {invalid_utf8: replace}"})
	both.Fetch.FileRoots = []string{texts}
	publish("first", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	alone := w.config(t, one)
	alone.Fetch.FileRoots = both.Fetch.FileRoots
	w.run(t, alone, 10)

	r, err := NewReembed(both, "old", "new", false, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o := PlanOptions{Log: quiet}
	if _, err := r.Plan(t.Context(), o); err == nil || !strings.Contains(err.Error(), "new has not begun with refs/0: start the workers") {
		t.Fatalf("the new pipeline has not begun: %v", err)
	}
	func() {
		worker, err := Open(t.Context(), both, Options{Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		done := make(chan error, 1)
		go func() { done <- worker.Run(ctx) }()
		until := func(what string, ready func() bool) {
			for !ready() && ctx.Err() == nil {
				time.Sleep(20 * time.Millisecond)
			}
			if ctx.Err() != nil {
				t.Errorf("a minute is over, and it has not %s: %+v", what, worker.Stats())
			}
		}
		part := stream.Partition{Topic: "refs"}
		until("begun", func() bool {
			b, err := r.auditor.log.Bounds(ctx, r.New.Group, []stream.Partition{part})
			return err == nil && b[part].Committed == 10
		})
		publish("second", 3, 4, 10, 11, 12)
		publish("third", 4, 13, 14)
		until("computed what came", func() bool {
			s := worker.Stats()
			return s[0].Stream.Computed >= 8 && s[1].Stream.Computed >= 8
		})
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}()
	p, err := r.Plan(t.Context(), o)
	if err != nil || p.Plan.Items != 8 { // all but 3 and 4
		t.Fatalf("%+v, %v", p, err)
	}
	if s := computed(t, t.Context(), r, p.At); s.Stream.Rows != 8 {
		t.Errorf("%+v", s.Stream)
	}
	v, err := r.Verify(t.Context(), p.Plan, 0, nil)
	if err != nil || len(v.Offences) != 0 || v.Computed != 8 || v.Stream != 8 {
		t.Errorf("%+v, %v", v, err)
	}
	planOfAll(t, both, p)
	countPublished(t, r)
	latest := map[string]string{}
	planned, streamed := w.rows(t, "new", "manifest:"+p.Plan.Name), w.rows(t, "new", "refs")
	for i := range streamed {
		latest[streamed[i].RefID] = streamed[i].Attributes["state"]
	}
	for i := range planned {
		if at, twice := latest[planned[i].RefID]; twice {
			t.Errorf("%s is there as planned, and as %q", planned[i].RefID, at)
		}
		latest[planned[i].RefID] = planned[i].Attributes["state"]
	}
	for i := range 15 {
		want := "first"
		switch {
		case i == 4 || i > 12:
			want = "third"
		case i == 3 || i > 9:
			want = "second"
		}
		if got := latest[fmt.Sprint("t", i)]; got != want {
			t.Errorf("text %d is there as %q, want %q", i, got, want)
		}
	}
	if len(planned) != 8 || len(streamed) != 8 || len(latest) != 15 {
		t.Errorf("%d and %d rows of %d texts", len(planned), len(streamed), len(latest))
	}
}

// countPublished has the eight records that came last be a plan that was published.
func countPublished(t *testing.T, r *Reembed) {
	t.Helper()
	r.topic = "refs"
	r.noStream = true
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := r.await(ctx, &Verified{}, nil, &publish.State{Begins: []int64{30}, Ends: []int64{30}}, func(int64) { cancel() }); err != nil {
		t.Errorf("a partition without any of the plan: %v", err)
	}
	if err := r.await(ctx, &Verified{}, nil, &publish.State{Begins: []int64{10}, Ends: []int64{19}}, func(behind int64) {
		if cancel(); behind != 1 {
			t.Errorf("%d records are waited for", behind)
		}
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("a record that nobody has published: %v", err)
	}
	rows := r.New.Outputs[0].Parquet
	slow, has := *rows, strings.TrimPrefix(rows.URL, "file://")
	slow.URL = "file://" + t.TempDir()
	r.New.Outputs = append(r.New.Outputs, config.Output{Parquet: &slow, BestEffort: true})
	defer func() { r.New.Outputs = r.New.Outputs[:1] }()
	published := &publish.State{Begins: []int64{10}, Ends: []int64{18}}
	v := &Verified{}
	err := errors.Join(r.await(t.Context(), v, nil, published, func(int64) { t.Error("a best-effort output is waited for") }), r.countThrough(t.Context(), v, &plan.Plan{Items: 8}, published))
	if err != nil || v.Computed != 8 || len(v.Offences) != 0 {
		t.Errorf("beside a best-effort output without rows: %+v, %v", v, err)
	}
	r.New.Outputs[1].BestEffort, v = false, &Verified{}
	waited := 0
	err = errors.Join(r.await(t.Context(), v, nil, published, func(int64) {
		if waited++; waited == 1 {
			if err := os.CopyFS(strings.TrimPrefix(slow.URL, "file://"), os.DirFS(has)); err != nil {
				t.Error(err)
			}
		}
	}), r.countThrough(t.Context(), v, &plan.Plan{Items: 8}, published))
	if err != nil || waited == 0 || v.Computed != 8 || len(v.Offences) != 0 {
		t.Errorf("beside a slow output, for which it waited %d times: %+v, %v", waited, v, err)
	}
	for _, c := range []struct {
		end, planned int64
		complete     bool
	}{{18, 8, true}, {18, 9, false}, {19, 8, false}} {
		v := &Verified{}
		err := r.countThrough(t.Context(), v, &plan.Plan{Items: c.planned}, &publish.State{Begins: []int64{10}, Ends: []int64{c.end}})
		if err != nil || v.Computed != 8 || c.complete != (len(v.Offences) == 0) {
			t.Errorf("of %d planned references up to %d: %+v, %v", c.planned, c.end, v, err)
		}
	}
}

// planOfAll plans what the old output has as if the stream had ended. The plan that leaves its part out is not taken for that.
func planOfAll(t *testing.T, both *config.Config, p *PlanFor) {
	t.Helper()
	r, err := NewReembed(both, "old", "new", true, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Plan(t.Context(), PlanOptions{Log: quiet, Out: p.At}); err == nil || !strings.Contains(err.Error(), "is of another source") {
		t.Errorf("the stream's part is left out at %s, and it is taken for all: %v", p.At, err)
	}
	all, err := r.Plan(t.Context(), PlanOptions{Log: quiet})
	if err != nil || all.Found || all.Seen != 15 || all.Known != 15 { // the new one has all of it by now
		t.Errorf("%+v, %v", all, err)
	}
}
