package image_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"vecmill/embed/image"
	"vecmill/model"
	"vecmill/schemas"
)

func ExamplePreprocessor() {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	config := `{"image_processor_type": "BeitImageProcessor", "size": {"height": 224, "width": 224}, "do_center_crop": false, "resample": 2}`
	if err := os.WriteFile(filepath.Join(dir, "preprocessor_config.json"), []byte(config), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	spec := &model.Spec{Dir: dir, Class: "Data2VecVisionModel", Vision: &model.VisionConfig{NumChannels: 3, PatchSize: model.HW{H: 16, W: 16}}}
	p, err := image.New(spec, image.Options{MaxPixels: 20_000_000})
	if err != nil {
		fmt.Println(err)
		return
	}
	blob, err := os.ReadFile("testdata/pictures/jpeg_420.jpg")
	if err != nil {
		fmt.Println(err)
		return
	}
	samples, err := p.Preprocess(context.Background(), schemas.Ref{}, blob)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := samples[0]
	fmt.Println(s.Inputs[0].Name, s.Inputs[0].Shape, s.Tag.(image.Size), s.Cost)
	// Output: pixel_values [3 224 224] {150 110} 197
}
