package stream

import (
	"maps"
	"testing"
)

func TestNotesGoBesideTheReferencesOwnAttributes(t *testing.T) {
	own := map[string]string{"a": "1", "vecmill.charset": "theirs"}
	before := maps.Clone(own)
	if got := noted(own, nil); !maps.Equal(got, own) {
		t.Errorf("without notes: %v", got)
	}
	if got := noted(own, map[string]string{"vecmill.charset": "koi8-r"}); !maps.Equal(got, map[string]string{"a": "1", "vecmill.charset": "koi8-r"}) {
		t.Errorf("with a note: %v", got)
	}
	if !maps.Equal(own, before) {
		t.Errorf("the reference's own are now %v", own)
	}
	if got := noted(nil, map[string]string{"n": "x"}); got["n"] != "x" {
		t.Errorf("without attributes: %v", got)
	}
}
