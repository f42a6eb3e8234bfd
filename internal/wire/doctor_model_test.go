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
