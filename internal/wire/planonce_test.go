package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/stream/manifestsource"
)

// TestModelsAreOpenedByWhatComputesAlone counts sessions while a source is planned and run, found again, and planned with an estimate and without.
func TestModelsAreOpenedByWhatComputesAlone(t *testing.T) {
	l := newLake(t, 3)
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opened := func(what string, want int) {
		t.Helper()
		if n := bytes.Count(said.Bytes(), []byte("sessions opened")); n != want {
			t.Errorf("%s: sessions were opened %d times, want %d", what, n, want)
		}
		said.Reset()
	}
	l.conf.Kafka.DrainTimeout = config.Duration(7 * time.Second)
	o := PlanOptions{Source: "s3://box/texts/", Listers: 1, Log: log}
	p, err := PlanOnce(t.Context(), l.conf, o)
	if err != nil || p.Plan.Items != 3 {
		t.Fatalf("%+v, %v", p, err)
	}
	opened("planned", 0)
	list, err := OpenPlan(t.Context(), l.conf, p.At)
	if err != nil {
		t.Fatal(err)
	}
	l.conf.Pipelines[0].Topics = []string{"manifest:" + p.Plan.Name}
	w, err := Open(t.Context(), l.conf, Options{Log: log, Source: PlanSource(list, ReadOptions{}), Models: p.Models})
	if err != nil {
		t.Fatal(err)
	}
	if w.lines[0].model != p.Models[0] {
		t.Error("the run has looked for its model again")
	}
	if took := w.lines[0].source.(*manifestsource.Source).DrainTimeout; took != 7*time.Second {
		t.Errorf("the run drains for %v", took)
	}
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := w.Stats()[0]; s.Stream.Computed != 3 || len(s.Stream.Dead) != 0 {
		t.Errorf("%+v", s.Stream)
	}
	opened("run", 1)
	if p, err := PlanOnce(t.Context(), l.conf, o); err != nil || !p.Found {
		t.Errorf("%+v, %v", p, err)
	}
	opened("found again", 0)
	o.Again, o.Sample = true, 3
	for n, tries := range []time.Duration{0, time.Millisecond} {
		o.Name, o.Out, o.Estimate.For = "x", filepath.Join(t.TempDir(), "x"), tries
		if p, err := Plan(t.Context(), l.conf, o); err != nil || len(p.Expected) != n {
			t.Errorf("%+v, %v", p, err)
		}
		opened("planned, with an estimate of "+tries.String(), n)
	}
}

// TestAPlanIsFinishedWithoutAnEstimateWhereObjectsCannotBeFetched has a store that lists, and gives none of its objects. That says nothing of them.
func TestAPlanIsFinishedWithoutAnEstimateWhereObjectsCannotBeFetched(t *testing.T) {
	l := newLake(t, 5)
	at, err := url.Parse(l.conf.S3.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	store := httputil.NewSingleHostReverseProxy(at)
	status, body := http.StatusTeapot, ""
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/box/texts/") {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return
		}
		store.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	l.conf.S3.Endpoint = front.URL
	o := PlanOptions{Source: "s3://box/texts/", Out: filepath.Join(l.out, "x"), Listers: 1, Sample: 3, Log: quiet, Estimate: EstimateOptions{For: time.Millisecond}}
	for _, want := range []string{"418", "418", "fetch-denied", "check the endpoint, the credentials"} { // as often as it is asked
		switch want {
		case "fetch-denied":
			status = http.StatusForbidden
		case "check the endpoint, the credentials":
			body = "<Error><Code>SignatureDoesNotMatch</Code></Error>"
		}
		if p, err := Plan(t.Context(), l.conf, o); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "with --try 0 and no --rate finishes the plan without an estimate") {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	o.Estimate.For = 0
	if p, err := Plan(t.Context(), l.conf, o); err != nil || p.Items != 5 || len(p.Expected) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestANoteOnGoingOnWithoutAnEstimateIsOfObjectsAlone has an estimate that ends for another reason: the model, or that the command was told to stop.
func TestANoteOnGoingOnWithoutAnEstimateIsOfObjectsAlone(t *testing.T) {
	for name, c := range map[string]struct {
		breaks  int
		stopped bool
		want    error
	}{
		"the model's session breaks": {2, false, embed.ErrBroken},
		"it is told to stop":         {0, true, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, p := pipelineFor(t, textModel(t), "    heads: [{task: embedding}]")
			m := described(t, cfg, p, embedtest.Config{Breaks: c.breaks})
			if err := m.open(t.Context(), cfg, p, quiet); err != nil {
				t.Fatal(err)
			}
			defer m.close()
			d := &backfill.Draft{Counts: backfill.Counts{Planned: 1}, Sample: []plan.Item{{Ref: schemas.Ref{ID: "1", Inline: []byte("it is so")}}}}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			if c.stopped {
				stop()
			}
			_, err := estimate(ctx, &stores{cfg: cfg}, &takers{c: cfg, models: []*loadedModel{m}, inputs: []input{{}}}, d, EstimateOptions{For: time.Millisecond}, quiet)
			if !errors.Is(err, c.want) || strings.Contains(err.Error(), "--try") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestTextsOfAListAreTriedBehindAnInterruption has a plan of long texts that come in their references, whose estimate is refused at first.
func TestTextsOfAListAreTriedBehindAnInterruption(t *testing.T) {
	l := newLake(t, 0)
	l.conf.Pipelines[0].Text.Long = "truncate"
	var list strings.Builder
	for i := range 20 {
		fmt.Fprintf(&list, `{"v":1,"id":"%d","inline_text":"%s"}`+"\n", i, strings.Repeat("a b ", 2000))
	}
	at := filepath.Join(l.out, "long.jsonl")
	if err := os.WriteFile(at, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	o := PlanOptions{Source: at, Out: filepath.Join(l.out, "x"), Listers: 1, Sample: 10, Log: quiet}
	o.Estimate = EstimateOptions{For: time.Millisecond, Rates: map[string]backfill.Rate{"p": {PerSecond: 1, Unit: backfill.AudioSeconds}}}
	if _, err := Plan(t.Context(), l.conf, o); err == nil || !strings.Contains(err.Error(), "seconds of audio") {
		t.Fatal(err)
	}
	if about, err := os.Stat(filepath.Join(o.Out, "progress.json")); err != nil || about.Size() > 8<<10 {
		t.Errorf("progress.json has %d bytes, %v", about.Size(), err)
	}
	o.Estimate.Rates = nil
	if p, err := Plan(t.Context(), l.conf, o); err != nil || p.Items != 20 || len(p.Expected) != 1 || p.Expected[0].Probed != 10 || p.Expected[0].FailShare != 0 || p.Expected[0].Bytes != 20*8000 {
		t.Errorf("%+v, %v", p, err)
	}
}
