package predict

import (
	"vecmill/embed"
	"vecmill/embed/image"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
)

// segments is image-segmentation.
type segments struct {
	pictures
	labels []string
	show   tasks.Show
}

func newSegments(spec *model.Spec, o Options) (worker, error) {
	subtask, form := "semantic", "png"
	s := &segments{labels: spec.Labels}
	var err error
	if s.pictures, o, err = newPictures(spec, o); err != nil {
		return nil, err
	}
	if err := o.read("image-segmentation", map[string]any{"subtask": &subtask, "mask_format": &form, "areas": &s.show.Areas}); err != nil {
		return nil, err
	}
	if subtask != "semantic" {
		return nil, faultf("option subtask: %q is not semantic, which is all that %s does", subtask, spec.Class)
	}
	switch form {
	case "png":
		s.show.PNG = true
	case "rle":
		s.show.RLE = true
	case "both":
		s.show.PNG, s.show.RLE = true, true
	case "none":
	default:
		return nil, faultf("option mask_format: %q is not one of png, rle, both, none", form)
	}
	return s, nil
}

func (s *segments) finish(p *prepared, out [][]embed.Tensor) (result, error) {
	logits, err := output(out[0], "logits")
	if err != nil {
		return nil, err
	}
	size, ok := p.tag.(image.Size)
	if !ok || len(logits.Shape) != 4 {
		return nil, faultf("the model's logits have shape %v, want one map for each label", logits.Shape)
	}
	return tasks.Segments(logits.F32, s.labels, int(logits.Shape[2]), int(logits.Shape[3]), size.Height, size.Width, s.show)
}
