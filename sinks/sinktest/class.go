package sinktest

import (
	"testing"

	"vecmill/schemas"
)

// classes are those of the faults that the tests of several sinks make, by the names that they give them. What a person has mistyped has none.
var classes = map[string]schemas.PlaceFault{
	"another model": "other-model", "another dimension": "other-dimension", "another metric": "other-metric",
	"another head": "other-layout", "another algorithm": "other-layout", "another precision": "other-layout", "a table of somebody else": "other-layout",
	"no server": "unreachable",
}

// CheckClass wants the class of a fault that was found at a start.
func CheckClass(t testing.TB, fault string, err error) {
	t.Helper()
	if class, _ := schemas.PlaceFaultOf(err); class != classes[fault] {
		t.Errorf("%s: class %q, want %q: %v", fault, class, classes[fault], err)
	}
}
