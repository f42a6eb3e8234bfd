package wire

import (
	"runtime"
	"strings"
	"testing"
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
		{"images", classCase{"Data2VecVisionModel", "Data2VecVisionModel/relative"}.checkpoint(t), "    heads: [{task: embedding}]", "8 x 17 steps "},
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
	if all := measured(c.Runtime.CacheDir); all.Bytes[m.key] != before || len(said) == 0 || said[0].Grade != Doubt {
		t.Errorf("kept %+v; said %+v", all.Bytes[m.key], said)
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
