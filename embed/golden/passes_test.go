package golden_test

import (
	"bytes"
	"os"
	"testing"

	"vecmill/embed/golden"
	"vecmill/model"
	"vecmill/model/graph"
)

// A graph without one of the passes gives what the reference gives, too, so that a benchmark of it compares equals; and it is another graph in some class, or the pass is none.
func TestEveryPassLeavesTheNumbersAsTheyAre(t *testing.T) {
	for _, pass := range graph.Passes() {
		t.Run(string(pass), func(t *testing.T) {
			changed, compared := 0, 0
			for _, c := range cases(t) {
				spec := open(t, c.Dir)
				for _, r := range c.Runs[:1] {
					feed, o, err := r.Compatible(spec.Modality)
					if err != nil {
						continue // the test of all passes tells of it
					}
					whole := o
					o.Without = pass
					if same(t, spec, whole, o) {
						continue
					}
					changed++
					out := run(t, session(t, spec, o), feed)
					if _, err := r.Compare(out); err != nil {
						t.Errorf("%s, case %s, run %s: %v", c.Class, c.Name, r.Name, err)
					}
					compared += len(r.Outputs)
				}
			}
			if changed == 0 || compared == 0 {
				t.Error("no class has another graph without it")
			}
		})
	}
}

// same says whether the options make the same graph.
func same(t *testing.T, s *model.Spec, x, y model.CompileOptions) bool {
	t.Helper()
	var files [2][]byte
	for i, o := range []model.CompileOptions{x, y} {
		g, err := s.Compile(t.Context(), t.TempDir(), o)
		if err != nil {
			t.Fatal(err)
		}
		if files[i], err = os.ReadFile(g.Path); err != nil {
			t.Fatal(err)
		}
	}
	return bytes.Equal(files[0], files[1])
}

// A pass that does not exist is refused: a benchmark would compare a graph with itself.
func TestAPassThatDoesNotExistIsRefused(t *testing.T) {
	all, err := golden.Load(committed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, all[0].Dir).Compile(t.Context(), t.TempDir(), model.CompileOptions{Without: "luck"}); err == nil {
		t.Error("a graph was compiled without a pass that does not exist")
	}
}
