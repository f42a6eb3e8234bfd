package predict

import (
	"testing"

	"vecmill/embed/embedtest/golden"
)

// The reference counts the frames of a clip with a mask by a formula, and takes what there is of one without: not the same with such an adapter.
func TestClipsWithoutAMaskArePooledWhole(t *testing.T) {
	cases, err := golden.Load(goldenRoot)
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	for _, c := range cases {
		for _, r := range c.Runs {
			if _, masked := r.Inputs["attention_mask"]; c.Class != "Data2VecAudioForXVector" || c.Name != "adapter_kernel" || masked {
				continue
			}
			runs++
			t.Run(r.Name, func(t *testing.T) { runCase(t, c, r) })
		}
	}
	if runs < 3 {
		t.Errorf("found %d runs without a mask", runs)
	}
}
