package model_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/model"
)

func TestOneHiddenStateMayBeAskedFor(t *testing.T) {
	for _, class := range []string{"Data2VecTextModel/base", "Data2VecAudioModel/base", "Data2VecVisionModel/relative"} {
		s := mustOpen(t, filepath.Join(golden, class))
		g := mustCompile(t, s, t.TempDir(), model.CompileOptions{Outputs: []string{"hidden_states.1"}})
		var names []string
		for _, p := range g.Outputs {
			names = append(names, p.Name)
		}
		if !slices.Equal(names, []string{"last_hidden_state", "hidden_states.1"}) && !slices.Equal(names, []string{"hidden_states.1", "last_hidden_state"}) {
			t.Errorf("%s gives %v", class, names)
		}
		for _, bad := range []string{"hidden_states.99", "hidden_states.x", "attentions.1"} {
			if _, err := s.Compile(t.Context(), t.TempDir(), model.CompileOptions{Outputs: []string{bad}}); err == nil || !strings.Contains(err.Error(), bad) {
				t.Errorf("%s: %s gives %v", class, bad, err)
			}
		}
	}
}
