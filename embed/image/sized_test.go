package image

import (
	"fmt"
	"strings"
	"testing"

	"vecmill/model"
)

func TestSamplesOfAnotherSize(t *testing.T) {
	for _, c := range []struct {
		name, config string
		o            Options
		want         string // resize, crop and sample, width x height
	}{
		{"the processor's", `{"size": 20, "crop_size": 16}`, Options{}, "20x20 16x16 16x16"},
		{"the resize grows with the crop", `{"size": 20, "crop_size": 16}`, Options{Height: 32, Width: 16}, "20x40 16x32 16x32"},
		{"to the nearest pixel", `{"size": 256, "crop_size": 224}`, Options{Height: 100, Width: 99}, "113x114 99x100 99x100"},
		{"without a crop the resize is the size", `{"size": 16, "do_center_crop": false}`, Options{Height: 24, Width: 32}, "32x24 no 32x24"},
		{"with neither, pictures must have it", `{"do_resize": false, "do_center_crop": false}`, Options{Height: 24, Width: 32}, "no no 32x24"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := parseRecipe([]byte(c.config))
			if err != nil {
				t.Fatal(err)
			}
			before := *r
			p, err := assemble(r, &model.VisionConfig{NumChannels: 3, ImageSize: model.HW{H: 16, W: 16}, PatchSize: model.HW{H: 4, W: 4}}, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if before.width != r.width || before.cropWidth != r.cropWidth {
				t.Error("the checkpoint's recipe has changed")
			}
			shown := func(on bool, w, h int) string {
				if !on {
					return "no"
				}
				return fmt.Sprintf("%dx%d", w, h)
			}
			w, h := p.OutputSize()
			got := shown(p.recipe.resize, p.recipe.width, p.recipe.height) + " " + shown(p.recipe.crop, p.recipe.cropWidth, p.recipe.cropHeight) + " " + shown(true, w, h)
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	for _, o := range []Options{{Height: 3}, {Width: 3}, {Height: -1, Width: 4}, {Height: 1 << 20, Width: 4}} {
		if _, err := o.withDefaults(); err == nil || !strings.Contains(err.Error(), "together") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
