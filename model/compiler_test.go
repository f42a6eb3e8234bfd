package model

import (
	"strings"
	"testing"

	"vecmill/model/graph"
)

// Rows of a class are computed again where its graphs give other numbers, and nowhere else.
func TestClassesWhoseNumbersChangedHaveAnotherVersion(t *testing.T) {
	for _, class := range graph.Classes() {
		s := &Spec{Class: class}
		if other := s.compiler() != CompilerVersion; other != strings.Contains(class, "Segmentation") {
			t.Errorf("%s has version %d", class, s.compiler())
		}
	}
}
