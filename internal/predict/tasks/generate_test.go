package tasks

import "testing"

func TestTextIsContinued(t *testing.T) {
	if got := Continuation("é a", "é a b"); got != " b" {
		t.Errorf("continues with %q", got)
	}
	if got := Continuation("longer", "short"); got != "" {
		t.Errorf("continues with %q", got)
	}
}
