package wire

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
)

// tellOfBatches says what a doctor finds of the batches of a pipeline's model.
func tellOfBatches(t *testing.T, dir, settings string) (said Finding, m *loadedModel, all measurements) {
	t.Helper()
	c, p := pipelineFor(t, dir, settings)
	d := newDoctor(c, func(f Finding) {
		if f.Check == "batches p" {
			said = f
		}
	})
	m = load(t, c, p)
	d.batches(t.Context(), p, m)
	return said, m, measured(c.Runtime.CacheDir)
}

// TestTheDoctorMeasuresWhatBatchesNeed holds what is kept against a shape that was not measured.
func TestTheDoctorMeasuresWhatBatchesNeed(t *testing.T) {
	for _, c := range []struct{ name, dir, settings, shape string }{
		{"text", classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), "    heads: [{task: embedding}]", "64 x 3 steps "},
		{"audio", classCase{"Data2VecAudioModel", "Data2VecAudioModel/base"}.checkpoint(t), "    heads: [{task: embedding}]\n    batch: {max_cost: 4000}", "2 x 1599 steps "},
		{"images", classCase{"Data2VecVisionModel", "Data2VecVisionModel/relative"}.checkpoint(t), "    heads: [{task: embedding}]\n    batch: {max_cost: 1600, max_items: 8}", "8 x 17 steps "},
	} {
		t.Run(c.name, func(t *testing.T) {
			said, m, all := tellOfBatches(t, c.dir, c.settings)
			t.Log(said.Text)
			times, bytes := all.Costs[m.key], all.Bytes[m.key]
			if said.Grade != Sound || !strings.HasPrefix(said.Text, "measured now: 1 x ") || !strings.Contains(said.Text, c.shape) || !strings.Contains(said.Text, "in the arena, for each that runs: 1 x ") {
				t.Errorf("said: %+v", said)
			}
			if !times.Sound() || times.Batches < 2*cornerRuns || !bytes.Sound() {
				t.Fatalf("kept %+v and %+v", times, bytes)
			}
			trial, err := trialItems(m)
			if err != nil {
				t.Fatal(err)
			}
			item := trial[1]
			samples, err := m.pre.Preprocess(t.Context(), item.Ref, item.Blob)
			if err != nil {
				t.Fatal(err)
			}
			const items = 4
			inputs, err := embed.Collate([]embed.Sample{samples[0], samples[0], samples[0], samples[0]})
			if err != nil {
				t.Fatal(err)
			}
			is, err := ortsession.Arena(t.Context(), m.narrow, m.devices[0], inputs)
			if err != nil {
				t.Fatal(err)
			}
			if told := bytes.Batch(items, samples[0].Cost); told < 0.6*float64(is) || told > 1.6*float64(is) {
				t.Errorf("%d x %d steps make an arena of %d bytes, bound by %.0f", items, samples[0].Cost, is, told)
			}
		})
	}
}

// TestTheDoctorLeavesWhatAWorkerHasLearnt measures bytes, which no worker learns, and no times.
func TestTheDoctorLeavesWhatAWorkerHasLearnt(t *testing.T) {
	c, p := pipelineFor(t, classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), "    heads: [{task: embedding}]")
	said := ""
	d := newDoctor(c, func(f Finding) {
		if f.Check == "batches p" {
			said = f.Text
		}
	})
	m := load(t, c, p)
	m.recall(c, p)
	learnt := measurement{Costs: embed.Costs{Fixed: 3, Step: 1, Square: 1e-3}, Batches: 1234, At: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)}
	if err := keepMeasured(c.Runtime.CacheDir, func(all *measurements) { all.Costs[m.key] = learnt }); err != nil {
		t.Fatal(err)
	}
	d.batches(t.Context(), p, m)
	all := measured(c.Runtime.CacheDir)
	if all.Costs[m.key] != learnt || !all.Bytes[m.key].Sound() || !strings.Contains(said, "1234 batches until 2026-11-02") {
		t.Errorf("kept %+v and %+v; said: %s", all.Costs[m.key], all.Bytes[m.key], said)
	}
}

// TestADoctorThatIsInterruptedLeavesWhatIsKnown of bytes: nothing else measures them.
func TestADoctorThatIsInterruptedLeavesWhatIsKnown(t *testing.T) {
	c, p := pipelineFor(t, classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), "    heads: [{task: embedding}]")
	var said []Finding
	d := newDoctor(c, func(f Finding) { said = append(said, f) })
	m := load(t, c, p)
	m.recall(c, p)
	before := measurement{Costs: embed.Costs{Fixed: 3, Step: 1, Square: 1e-3}, Batches: 12, At: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)}
	if err := keepMeasured(c.Runtime.CacheDir, func(all *measurements) { all.Costs[m.key], all.Bytes[m.key] = before, before }); err != nil {
		t.Fatal(err)
	}
	m.narrow.Path += ".gone" // what a new session opens: as with too little time, it says nothing of batches
	d.batches(t.Context(), p, m)
	if all := measured(c.Runtime.CacheDir); all.Bytes[m.key] != before {
		t.Errorf("kept %+v", all.Bytes[m.key])
	}
	if len(said) != 1 || said[0].Grade != Doubt || !strings.Contains(said[0].Text, "in the arena, for each that runs: 1 x ") || !strings.Contains(said[0].Text, "by what was measured until 2026-11-02, as it could not be now: ") {
		t.Errorf("said %+v", said)
	}
}

// TestBatchesHaveMinutesToBeMeasured: those of large models take more than the time of other checks. Behind it the doctor says what to do.
func TestBatchesHaveMinutesToBeMeasured(t *testing.T) {
	c, p := pipelineFor(t, classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), "    heads: [{task: embedding}]")
	m := load(t, c, p)
	sound := m.sessions
	m.sessions = []embed.Session{building{sound[0]}}
	defer func() { m.sessions = sound }()
	synctest.Test(t, func(t *testing.T) {
		var said Finding
		began := time.Now()
		newDoctor(c, func(f Finding) { said = f }).batches(t.Context(), p, m)
		if took := time.Since(began); took < 2*time.Minute || took != measureTime || said.Grade != Doubt || !strings.Contains(said.Text, "it took more than 3m0s: ") || !strings.Contains(said.Text, again) {
			t.Errorf("after %v: %+v", took, said)
		}
	})
}

// TestWhatWasWeighedInTimeIsKept has batches of which each takes 20 s to be weighed, in time for the corners and two more, or for fewer.
func TestWhatWasWeighedInTimeIsKept(t *testing.T) {
	const each = 20 * time.Second
	c, p := pipelineFor(t, classCase{"Data2VecAudioModel", "Data2VecAudioModel/base"}.checkpoint(t), "    heads: [{task: embedding}]\n    batch: {max_cost: 4000, max_bytes: 1GiB}")
	m := load(t, c, p)
	m.recall(c, p)
	all, err := corners(t.Context(), p, m)
	if err != nil {
		t.Fatal(err)
	}
	weigh := func(ctx context.Context, most time.Duration) (w weighed, err error) {
		synctest.Test(t, func(*testing.T) {
			ctx, cancel := context.WithTimeout(ctx, most)
			defer cancel()
			w, err = weighBatches(ctx, p, m, all, embed.Costs{Step: 1e-6}, func(ctx context.Context, inputs []embed.Tensor) (int64, error) {
				select {
				case <-ctx.Done():
					return 0, ctx.Err()
				case <-time.After(each):
					return int64(len(inputs[0].F32)), nil
				}
			})
		})
		return w, err
	}
	whole, err := weigh(t.Context(), time.Hour)
	if err != nil || whole.upTo > 0 {
		t.Fatalf("%+v, %v", whole, err)
	}
	w, err := weigh(t.Context(), time.Duration(len(all)+2)*each+each/2)
	if err != nil || !w.Sound() || w.Batches != int64(len(all)+2) || w.Batches >= whole.Batches || w.upTo <= all[0].longest || w.upTo >= all[len(all)-1].longest || w.alone <= 0 || w.full <= 0 {
		t.Fatalf("%+v, %v; of the whole %+v", w, err, whole)
	}
	if _, err := weigh(t.Context(), time.Duration(len(all))*each-each/2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without the last corner: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := weigh(gone, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	for of, found := range map[string]found{"in time": {bytes: whole}, "up to": {bytes: w}} {
		var said []Finding
		found.corners, found.times = all, measurement{Costs: embed.Costs{Step: 1}}
		newDoctor(c, func(f Finding) { said = append(said, f) }).keep(p, m, found)
		words, grade := fmt.Sprintf("lengths up to %d steps had been weighed", w.upTo), Sound
		if found.bytes.upTo > 0 {
			grade = Doubt
		}
		if len(said) != 2 || said[0].Check != "batches p" || said[0].Grade != grade || strings.Contains(said[0].Text, words) != (grade == Doubt) || strings.Contains(said[0].Text, again) != (grade == Doubt) || said[1].Check != "memory p" {
			t.Errorf("%s: said %+v", of, said)
		}
		if kept := measured(c.Runtime.CacheDir).Bytes[m.key]; kept.Costs != found.bytes.Costs {
			t.Errorf("%s: kept %+v", of, kept)
		}
	}
}

// TestBytesThatAreForgottenBoundNothing has a bound of an earlier doctor, which what was measured now contradicts.
func TestBytesThatAreForgottenBoundNothing(t *testing.T) {
	c, p := pipelineFor(t, classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), "    heads: [{task: embedding}]\n    batch: {max_bytes: 1GiB}")
	m := load(t, c, p)
	m.recall(c, p)
	m.bytes = measurement{Costs: embed.Costs{Fixed: 3, Step: 1}, Batches: 12}
	var said Finding
	newDoctor(c, func(f Finding) { said = f }).keep(p, m, found{corners: []corner{{rows: 1, longest: 3}}, bytes: weighed{measurement: m.bytes, raised: 2 * raisedMost}})
	if said.Grade != Doubt || !strings.Contains(said.Text, "is not known") || !strings.Contains(said.Text, "batch.max_bytes bounds nothing") {
		t.Errorf("said %+v", said)
	}
}

// TestTheDoctorMeasuresForTheNextStart has one session open, where the next start will have the two that were measured to be best.
func TestTheDoctorMeasuresForTheNextStart(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	c, p := pipelineFor(t, classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), "    heads: [{task: embedding}]")
	p.Model.Sessions, p.Model.Threads = 0, 0
	d := newDoctor(c, func(Finding) {})
	m := load(t, c, p)
	if len(m.sessions) != 1 {
		t.Fatalf("%d sessions", len(m.sessions))
	}
	if err := (splits{Chosen: split{Sessions: 2, Threads: 1, Callers: 1}}).keep(c, c.Runtime.CacheDir, m.graph); err != nil {
		t.Fatal(err)
	}
	d.batches(t.Context(), p, m)
	next := load(t, c, p)
	if next.recall(c, p); len(next.sessions) != 2 || !next.costs.Sound() || !next.bytes.Sound() {
		t.Errorf("the next start has %d sessions, and knows %+v and %+v", len(next.sessions), next.costs, next.bytes)
	}
}

// TestTheDoctorMeasuresNoPackedRows says so.
func TestTheDoctorMeasuresNoPackedRows(t *testing.T) {
	said, m, all := tellOfBatches(t, classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), "    heads: [{task: embedding}]\n    batch: {packing: true, row: 32, max_cost: 64}")
	if said.Grade != Sound || !strings.Contains(said.Text, "packed") || len(all.Costs)+len(all.Bytes) > 0 || m.key == "" {
		t.Errorf("said: %+v; kept %+v", said, all)
	}
}
