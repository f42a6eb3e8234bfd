package wire

import (
	"strings"
	"testing"

	"vecmill/model"
	"vecmill/schemas"
)

// TestEveryModalityHasObjectsToTry: another one's objects would be tried in silence, and show nothing.
func TestEveryModalityHasObjectsToTry(t *testing.T) {
	for _, modality := range schemas.Modalities() {
		items, err := trialItems(&loadedModel{spec: &model.Spec{Modality: modality}})
		if err != nil || len(items) != 3 || items[0].Ref.Modality != modality || len(items[2].Blob) == 0 {
			t.Errorf("%s: %d items, %v", modality, len(items), err)
		}
	}
	const unknown = "there is no object to try modality \"smell\" with"
	if items, err := trialItems(&loadedModel{spec: &model.Spec{Modality: "smell"}}); items != nil || err == nil || !strings.Contains(err.Error(), unknown) {
		t.Errorf("%v, %v, want %s", items, err, unknown)
	}
}

// TestATrialSeesWhatNoHeadTells has batches that change every number a little, and of which heads tell nothing: their trial items have no words, and the best of frames, tokens and pixels stays the best.
func TestATrialSeesWhatNoHeadTells(t *testing.T) {
	for class, task := range map[string]string{
		"Data2VecAudioForAudioFrameClassification": "frames", "Data2VecAudioForCTC": "transcript", "Data2VecTextForTokenClassification": "tokens",
		"Data2VecTextForMaskedLM": "fill", "Data2VecVisionForSemanticSegmentation": "masks",
	} {
		t.Run(task, func(t *testing.T) {
			c, p := pipelineFor(t, classCase{class, class + "/base"}.checkpoint(t), "    heads: [{task: "+task+"}]")
			m := load(t, c, p)
			sound, err := tryOut(t.Context(), p, m)
			if err != nil || sound.worst > neighbourTolerance(m.precision) || len(sound.rows) != 3 || sound.rows[0].Task != schemas.Task(task) {
				t.Fatalf("%d rows, %v off, %v", len(sound.rows), sound.worst, err)
			}
			m.sessions[0] = skewed{m.sessions[0], func(batch int64) float32 { return float32(batch-1) / 100 }}
			if ill, err := tryOut(t.Context(), p, m); err != nil || ill.worst <= neighbourTolerance(m.precision) {
				t.Errorf("%v off, %v", ill.worst, err)
			}
		})
	}
}
