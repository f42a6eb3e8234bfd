package graph

import (
	"math"
	"slices"
	"testing"

	"vecmill/model/config"
)

func TestFoldBiasReadsTheTableByDistance(t *testing.T) {
	// Window 1 x 2, one head: three distances -1, 0, 1, then cls to patch, patch to cls, cls to cls.
	table := []float32{10, 20, 30, 1, 2, 3}
	got := foldBias(table, config.HW{H: 1, W: 2}, config.HW{H: 1, W: 2}, 1)
	// The window is not square, so the reference reads [3, 1] and resizes to [1, 3]: the middle, three times.
	want := []float32{
		3, 1, 1,
		2, 20, 20,
		2, 20, 20,
	}
	if !slices.Equal(got, want) {
		t.Errorf("bias %v, want %v", got, want)
	}

	table = []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 91, 92, 93} // window 2 x 2: 3 x 3 distances
	got = foldBias(table, config.HW{H: 2, W: 2}, config.HW{H: 2, W: 2}, 1)
	want = []float32{
		93, 91, 91, 91, 91,
		92, 4, 3, 1, 0,
		92, 5, 4, 2, 1,
		92, 7, 6, 4, 3,
		92, 8, 7, 5, 4,
	}
	if !slices.Equal(got, want) {
		t.Errorf("bias %v, want %v", got, want)
	}
}

func TestFoldBiasKeepsHeadsApart(t *testing.T) {
	table := []float32{1, 100, 2, 200, 3, 300, 4, 400} // window 1 x 1, two heads: one distance and the three of cls
	got := foldBias(table, config.HW{H: 1, W: 1}, config.HW{H: 1, W: 1}, 2)
	if want := []float32{4, 2, 3, 1, 400, 200, 300, 100}; !slices.Equal(got, want) {
		t.Errorf("bias %v, want %v", got, want)
	}
}

// Values from torch.nn.functional.interpolate 2.8.0, align_corners False.
func TestResizesEqualTorch(t *testing.T) {
	x := []float32{0, 1, 4, 9, 16, 25} // [2, 3]
	from := config.HW{H: 2, W: 3}
	for name, tc := range map[string]struct {
		f    func([]float32, config.HW, config.HW, int) []float32
		to   config.HW
		want []float32
	}{
		"bilinear up":   {bilinear, config.HW{H: 3, W: 4}, bilinear3x4},
		"bilinear down": {bilinear, config.HW{H: 1, W: 2}, bilinear1x2},
		"bicubic up":    {bicubic, config.HW{H: 3, W: 4}, bicubic3x4},
		"bicubic down":  {bicubic, config.HW{H: 1, W: 2}, bicubic1x2},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.f(x, from, tc.to, 1)
			if len(got) != len(tc.want) {
				t.Fatalf("%d values, want %d", len(got), len(tc.want))
			}
			for i := range got {
				if math.Abs(float64(got[i]-tc.want[i])) > 1e-5 {
					t.Errorf("value %d is %v, want %v", i, got[i], tc.want[i])
				}
			}
		})
	}
	if !slices.Equal(bilinear(x, from, from, 1), x) {
		t.Error("the same size changes values")
	}
}

func TestSoftmaxSumsToOneAndDoesNotOverflow(t *testing.T) {
	got := softmax([]float32{1000, 1000, -1000})
	if !slices.Equal(got, []float32{0.5, 0.5, 0}) {
		t.Errorf("softmax %v", got)
	}
}

var (
	bilinear3x4 = []float32{0, 0.625, 2.125, 4, 4.5, 7, 10.75, 14.5, 9, 13.375, 19.375, 25}
	bilinear1x2 = []float32{5.5, 13}
	bicubic3x4  = []float32{-0.8156435, -0.7471213, 0.6439315, 2.355033, 4.212891, 6.399414, 11.10156, 14.93066, 9.241423, 13.54595, 21.55919, 27.5063}
	bicubic1x2  = []float32{5.195312, 13.28125}
)
