package tasks

import (
	"errors"
	"math"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

func TestFunctionsGiveScores(t *testing.T) {
	for _, c := range []struct {
		f    Function
		want []float64
	}{
		{Softmax, []float64{0.5761168848, 0.2119415576, 0.2119415576}},
		{Sigmoid, []float64{0.7310585786, 0.5, 0.5}},
		{None, []float64{1, 0, 0}},
	} {
		got, err := c.f.Apply([]float32{1, 0, 0})
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if !near(got[i], c.want[i]) {
				t.Errorf("%s gives %v, want %v", c.f, got, c.want)
			}
		}
	}
	if _, err := Function("argmax").Apply([]float32{1}); err == nil {
		t.Error("accepted argmax")
	}
	if _, err := Softmax.Apply([]float32{float32(math.NaN()), 1}); !errors.Is(err, errNotFinite) {
		t.Errorf("a NaN gives %v", err)
	}
}

func TestLabelsAreSortedAndLimited(t *testing.T) {
	names, logits := []string{"a", "b", "c"}, []float32{1, 3, 1}
	for _, c := range []struct {
		name string
		most int
		want string
	}{
		{"all of them, equals in the model's order", -1, "bac"},
		{"the best", 1, "b"},
		{"more than there are means all", 9, "bac"},
		{"none", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := Labels(logits, names, None, c.most)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, l := range all {
				got += l.Label
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if _, err := Labels(logits, names[:2], None, -1); err == nil {
		t.Error("accepted three logits for two labels")
	}
}

func TestTheUsualFunctionFollowsTheProblem(t *testing.T) {
	for _, c := range []struct {
		problem string
		labels  int
		text    bool
		want    Function
	}{
		{"", 3, true, Softmax},
		{"single_label_classification", 3, false, Softmax},
		{"multi_label_classification", 3, true, Sigmoid},
		{"", 1, true, Sigmoid},
		{"regression", 1, true, None},
		{"regression", 1, false, Sigmoid},
	} {
		if got := UsualFunction(c.problem, c.labels, c.text); got != c.want {
			t.Errorf("%+v gives %s", c, got)
		}
	}
}
