package predict

import (
	"path/filepath"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/model"
)

// Each run of an item alone gives in packed rows what the reference gives.
func TestPackedTensorsEqualTheReference(t *testing.T) {
	cases, err := golden.Load(goldenRoot)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, c := range cases {
		spec, err := model.Open(c.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range c.Runs {
			if r.Name != "alone.1" || spec.Packs() != nil {
				continue
			}
			var given []embed.Tensor
			for _, name := range sorted(r.Inputs) {
				given = append(given, r.Inputs[name])
			}
			in := filepath.Join(t.TempDir(), "in")
			if err := writeTensors(in, given); err != nil {
				t.Fatal(err)
			}
			s := Settings{Model: c.Dir, Cache: t.TempDir(), Packed: true, Threads: 1}
			if err := Tensors(t.Context(), s, in, in+".out"); err != nil {
				t.Fatalf("%s/%s: %v", c.Class, c.Name, err)
			}
			got, err := readTensors(in + ".out")
			if err != nil {
				t.Fatal(err)
			}
			for name, have := range got {
				want, ok := r.Outputs[name]
				if !ok {
					continue // the case does not tell
				}
				if _, err := want.Compare(&have); err != nil {
					t.Errorf("%s/%s: %s: %v", c.Class, c.Name, name, err)
				}
				compared++
			}
		}
	}
	if compared < 25 {
		t.Errorf("only %d outputs compared: the committed cases have more", compared)
	}
}

func TestWhatCannotBePackedIsRefused(t *testing.T) {
	ids := embed.Tensor{Name: "input_ids", Shape: []int64{1, 3}, I64: []int64{0, 5, 2}}
	for name, c := range map[string]struct {
		dir  string
		s    Settings
		in   []embed.Tensor
		want string
	}{
		"pictures":                {"Data2VecVisionModel/relative", Settings{}, []embed.Tensor{{Name: "pixel_values", Shape: []int64{1, 3, 16, 16}, F32: make([]float32, 768)}}, "pictures have a constant shape"},
		"the reference's padding": {"Data2VecTextModel/base", Settings{HFPadding: true}, []embed.Tensor{ids}, "no padding to reproduce"},
		"an input of its own":     {"Data2VecTextModel/base", Settings{}, []embed.Tensor{ids, {Name: "position_ids", Shape: []int64{1, 3}, I64: []int64{2, 3, 4}}}, "position_ids are asked for"},
		"a mask with holes":       {"Data2VecTextModel/base", Settings{}, []embed.Tensor{ids, {Name: "attention_mask", Shape: []int64{1, 3}, I64: []int64{1, 0, 1}}}, "ones behind zeros"},
	} {
		t.Run(name, func(t *testing.T) {
			in := filepath.Join(t.TempDir(), "in")
			if err := writeTensors(in, c.in); err != nil {
				t.Fatal(err)
			}
			c.s.Model, c.s.Cache, c.s.Threads, c.s.Packed = filepath.Join(goldenRoot, c.dir), t.TempDir(), 1, true
			if err := Tensors(t.Context(), c.s, in, in+".out"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}
