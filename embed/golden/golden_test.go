package golden_test

import (
	"os"
	"path/filepath"
	"testing"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/embed/ortsession"
	"vecmill/model"
	"vecmill/model/graph"
)

// committed is where tools/golden puts our own cases.
const committed = "../../model/golden"

// roots are the directories to run: ours, and the one that the environment names.
func roots() []string {
	r := []string{committed}
	if more := os.Getenv("VECMILL_GOLDEN_DIR"); more != "" {
		r = append(r, more)
	}
	return r
}

// cases are all cases of the classes that this build compiles.
func cases(t *testing.T) []golden.Case {
	t.Helper()
	var out []golden.Case
	for _, root := range roots() {
		all, err := golden.Load(root)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == 0 {
			t.Fatalf("no golden cases under %s", root)
		}
		for _, c := range all {
			if graph.Supported(c.Class) == nil {
				out = append(out, c)
			}
		}
	}
	return out
}

func open(t *testing.T, dir string) *model.Spec {
	t.Helper()
	s, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// session compiles a checkpoint and loads it. One thread: the comparison must not depend on the machine.
func session(t *testing.T, s *model.Spec, o model.CompileOptions) *ortsession.Session {
	t.Helper()
	g, err := s.Compile(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	ses, err := ortsession.Open(t.Context(), *g, ortsession.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ses.Close(); err != nil {
			t.Error(err)
		}
	})
	return ses
}

func run(t *testing.T, s embed.Session, inputs []embed.Tensor) *embed.Output {
	t.Helper()
	out, err := s.Run(t.Context(), inputs)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Every run of every case equals the reference within the manifest's tolerance, in the compatible padding mode. It proves
// nothing about weights of real size, whose sums are longer.
func TestGraphsEqualTheReference(t *testing.T) {
	for _, c := range cases(t) {
		t.Run(c.Class+"/"+filepath.Base(c.Dir), func(t *testing.T) {
			spec := open(t, c.Dir)
			for _, r := range c.Runs {
				feed, o, err := r.Compatible(spec.Modality)
				if err != nil {
					t.Logf("run %s is beyond this build: %v", r.Name, err)
					continue
				}
				out := run(t, session(t, spec, o), feed)
				compareAll(t, &r, out)
			}
		})
	}
}

func compareAll(t *testing.T, r *golden.Run, out *embed.Output) {
	t.Helper()
	worst, err := r.Compare(out)
	if err != nil {
		t.Errorf("run %s: %v", r.Name, err)
	}
	for name, d := range worst {
		t.Logf("run %s: %s differs by %.1e, allowed %.1e", r.Name, name, d, r.Outputs[name].Atol)
	}
}
