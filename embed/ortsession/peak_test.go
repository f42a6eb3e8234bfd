package ortsession

import "testing"

// A processor's thread computes between a hundred million and a hundred million million operations a second.
func TestPeakIsThatOfAMachine(t *testing.T) {
	var all [2]float64
	for i := range all {
		var err error
		if all[i], err = Peak(t.Context(), Options{Threads: 1}); err != nil {
			t.Fatal(err)
		}
		t.Logf("%.1f GFLOP/s", all[i]/1e9)
		if all[i] < 1e8 || all[i] > 1e14 {
			t.Errorf("%.3g operations a second", all[i])
		}
	}
}
