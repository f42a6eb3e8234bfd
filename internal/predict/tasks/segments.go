package tasks

import (
	"bytes"
	"fmt"
	"image"
	"image/png"

	"vecmill/embed/heads"
)

// Segment is one entry of image-segmentation: a class that is somewhere in the picture. Score is always null, as in the reference for maps of
// classes.
type Segment struct {
	Score *float64 `json:"score"`
	Label string   `json:"label"`
	Mask  []byte   `json:"mask"` // PNG of the picture's size, grey: 255 where the class is; base64 in JSON
}

// Segments makes one mask for each class present of logits [labels, h, w], ascending: the logits are resized to the picture, bilinearly with
// pixel centres aligned, and the largest wins, the first of equals.
func Segments(logits []float32, labels []string, h, w, pictureH, pictureW int) ([]Segment, error) {
	if len(logits) != len(labels)*h*w || h < 1 || w < 1 {
		return nil, fmt.Errorf("the model gives %d logits for %d labels at %d x %d", len(logits), len(labels), h, w)
	}
	classes := Classes(logits, h, w, pictureH, pictureW)
	out := []Segment{}
	for id, label := range labels {
		mask, present := image.NewGray(image.Rect(0, 0, pictureW, pictureH)), false
		for i, c := range classes {
			if c == id {
				mask.Pix[i], present = 255, true
			}
		}
		if !present {
			continue
		}
		var b bytes.Buffer
		if err := png.Encode(&b, mask); err != nil {
			return nil, fmt.Errorf("encoding the mask of %s: %w", label, err)
		}
		out = append(out, Segment{Label: label, Mask: b.Bytes()})
	}
	return out, nil
}

// Classes is the class of each pixel of a picture, row by row.
func Classes(logits []float32, h, w, pictureH, pictureW int) []int {
	out := make([]int, 0, pictureH*pictureW)
	for row := range heads.ClassRows(logits, h, w, pictureH, pictureW) {
		out = append(out, row...)
	}
	return out
}
