package wire

import (
	"log/slog"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// TestPackedRowsAreThoseOfEachItemAlone runs each class that can be packed, with every head that fits it: items that lie one behind the other get what each gets
// alone in a graph that knows nothing of it. In rows as long as the longest item some lie beside each other, and some do not.
func TestPackedRowsAreThoseOfEachItemAlone(t *testing.T) {
	packed := 0
	for _, c := range classCases() {
		dir := c.checkpoint(t)
		if spec, err := model.Open(dir); err != nil || spec.Packs() != nil {
			continue
		}
		packed++
		t.Run(c.class, func(t *testing.T) {
			cfg, p := withAllHeads(t, dir)
			padded := load(t, cfg, p)
			items := itemsFor(c.class)
			want, _ := rowsOf(t, p, padded, items, 1)
			for _, row := range []int{0, costliest(t, padded, items)} {
				p.Batch.Packing, p.Batch.Row = true, row
				m := load(t, cfg, p)
				if m.digest == padded.digest {
					t.Error("both graphs have one digest")
				}
				got := modelInAnyBatch(t, p, m, items)
				for i := range items {
					if d := different(t, got[i], want[i]); d != "" {
						t.Errorf("item %d in rows of %d: %s", i, row, d)
					}
				}
			}
		})
	}
	if packed != 12 {
		t.Errorf("%d classes can be packed, want all of audio and text", packed)
	}
}

// costliest is the cost of the longest item.
func costliest(t *testing.T, m *loadedModel, items []item) (cost int) {
	t.Helper()
	for _, it := range items {
		samples, err := m.pre.Preprocess(t.Context(), it.ref, it.blob)
		if err != nil {
			t.Fatal(err)
		}
		for i := range samples {
			cost = max(cost, samples[i].Cost)
		}
	}
	return cost
}

func TestPackingOfPicturesIsRefused(t *testing.T) {
	cfg, p := pipelineFor(t, classCase{"Data2VecVisionModel", "Data2VecVisionModel/relative"}.checkpoint(t), "    heads: [{task: embedding}]\n    batch: {packing: true}")
	_, err := loadModel(t.Context(), cfg, p, &stores{cfg: cfg}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "batch.packing: class Data2VecVisionModel cannot be packed: pictures have a constant shape") {
		t.Errorf("error %v", err)
	}
}

func TestTheUsualRowsArePacked(t *testing.T) {
	for dir, tc := range map[string]struct {
		settings string
		want     embed.Packing
	}{
		"Data2VecTextModel/base":       {"", embed.Packing{Row: 512, Rows: 1, Items: 64, Pad: 1}},
		"Data2VecTextForMaskedLM/base": {", max_cost: 16384, max_items: 256", embed.Packing{Row: 512, Rows: 32, Items: 256, Pad: 1}},
		"Data2VecAudioModel/base":      {", max_cost: 1000, row: 300", embed.Packing{Row: 300, Rows: 3, Items: 8}},
		"Data2VecAudioForCTC/base":     {"", embed.Packing{Row: 400, Rows: 1, Items: 8}},
	} {
		class, _, _ := strings.Cut(dir, "/")
		cfg, p := pipelineFor(t, classCase{class, dir}.checkpoint(t), "    heads: [{task: embedding}]\n    batch: {packing: true"+tc.settings+"}")
		m := load(t, cfg, p)
		got, err := packingOf(p.Batch, m.spec, batchConfig(p, m.spec.Modality, 0))
		if err != nil {
			t.Fatal(err)
		}
		if m.spec.Modality == schemas.Audio {
			if got.Gap < m.spec.Audio.ConvPosKernelSize/2 || got.Hop != m.spec.Audio.HopSamples() || m.spec.Audio.Frames(got.Reach) != 1 || m.spec.Audio.Frames(got.Reach-1) != 0 {
				t.Errorf("%s: %+v", dir, got)
			}
			got.Gap, got.Hop, got.Reach = 0, 0, 0
		}
		if *got != tc.want {
			t.Errorf("%s: %+v, want %+v", dir, *got, tc.want)
		}
	}
	_, p := pipelineFor(t, t.TempDir(), "    heads: [{task: embedding}]\n    batch: {packing: true, row: 600}")
	if _, err := packingOf(p.Batch, &model.Spec{Text: &model.TextConfig{}}, batchConfig(p, schemas.Text, 0)); err == nil || !strings.Contains(err.Error(), "batch.packing: packing rows of 600 steps in batches of 512") {
		t.Errorf("a row above the usual max_cost: %v", err)
	}
}

func TestTheDoctorChecksPackedRows(t *testing.T) {
	of := func(packing bool, precision string) (references, model string) {
		c := ward(t, 0)
		c.Pipelines[0].Batch.Packing, c.Pipelines[0].Model.Precision = packing, precision
		for _, f := range examine(t, c) {
			if f.Grade == Trouble {
				t.Errorf("packing %t in %s: %+v", packing, precision, f)
			}
			switch {
			case f.Check == "reference":
				references += f.Text + "\n"
			case strings.HasPrefix(f.Check, "model") && strings.Contains(f.Text, "alone equals"):
				model = f.Text
			}
		}
		return references, model
	}
	const plain, rows, halves = "gives on the CPU (", "gives on the CPU, in packed rows (", "gives on the CPU in fp16, in packed rows ("
	for _, c := range []struct {
		packing         bool
		precision, last string
	}{{false, "fp32", plain}, {true, "fp32", rows}, {true, "fp16", halves}} {
		references, trial := of(c.packing, c.precision)
		if !strings.Contains(references, plain) || !strings.Contains(references, c.last) || strings.Contains(references, rows) != c.packing || trial == "" {
			t.Errorf("packing %t in %s: references %q; trial %q", c.packing, c.precision, references, trial)
		}
	}
}

// In half precision, too, an item in packed rows gets what it gets alone, through an engine and its heads.
func TestPackedRowsInHalfPrecisionAreThoseOfEachItemAlone(t *testing.T) {
	for _, c := range []classCase{{"Data2VecTextModel", "Data2VecTextModel/base"}, {"Data2VecAudioModel", "Data2VecAudioModel/base"}} {
		t.Run(c.class, func(t *testing.T) {
			rows := func(settings string, most int) (*loadedModel, [][]schemas.Row) {
				cfg, p := pipelineFor(t, c.checkpoint(t), "    heads: [{task: embedding, pooling: mean}]"+settings)
				p.Model.Precision = "fp16"
				m := load(t, cfg, p)
				items := itemsFor(c.class)
				got, batches := rowsOf(t, p, m, items, most)
				if least := int64((len(items) + most - 1) / most); batches > least+1 {
					t.Errorf("%d batches of %d items", batches, len(items))
				}
				return m, got
			}
			alone, want := rows("", 1)
			packed, got := rows("\n    batch: {packing: true}", 8)
			if alone.precision != model.Half || packed.precision != model.Half || alone.digest == packed.digest {
				t.Errorf("precisions %q and %q, digests %s and %s", alone.precision, packed.precision, alone.digest, packed.digest)
			}
			for i := range want {
				if off := apart(&got[i][0].Payload, &want[i][0].Payload); off > neighbourTolerance(model.Half) {
					t.Errorf("item %d: packed rows are %.2g off", i, off)
				}
			}
		})
	}
}
