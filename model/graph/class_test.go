package graph

import (
	"slices"
	"strings"
	"testing"
)

func TestTheTableOfClassesIsComplete(t *testing.T) {
	if got := Classes(); len(got) != 18 || !slices.IsSorted(got) {
		t.Errorf("classes %v", got)
	}
	for _, name := range Classes() {
		if err := Supported(name); err != nil {
			t.Error(err)
		}
		c := classes()[name]
		family := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(c.modelType, "data2vec-")), "-", "")
		if !strings.HasPrefix(strings.ToLower(strings.TrimPrefix(name, "TF")), "data2vec"+family) {
			t.Errorf("class %s is listed under %s", name, c.modelType)
		}
		if c.base != strings.HasSuffix(name, "Model") {
			t.Errorf("class %s is listed with base %v", name, c.base)
		}
	}
	err := Supported("Data2VecAudioForDreams")
	if err == nil || !strings.Contains(err.Error(), "Data2VecAudioForCTC") {
		t.Errorf("an unknown class: %v", err)
	}
}
