package tasks

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"slices"

	"vecmill/embed/heads"
)

// Segment is one entry of image-segmentation: a class that is somewhere in the picture. Score is always null, as in the reference for maps of
// classes.
type Segment struct {
	Score    *float64 `json:"score"`
	Label    string   `json:"label"`
	Mask     []byte   `json:"mask,omitempty"` // PNG of the picture's size, grey: 255 where the class is; base64 in JSON
	RLE      *RLE     `json:"rle,omitempty"`
	Area     *int     `json:"area,omitempty"`          // pixels
	Fraction *float64 `json:"area_fraction,omitempty"` // of the picture
}

// RLE is a mask in the uncompressed run-length form of COCO: the lengths of runs of 0 and 1 in turn, beginning with 0, down the columns of the picture, from left to right.
type RLE struct {
	Size   [2]int `json:"size"` // height and width
	Counts []int  `json:"counts"`
}

// Show says what a segment has.
type Show struct{ PNG, RLE, Areas bool }

// Segments makes one entry for each class present of logits [labels, h, w], ascending: the logits are resized to the picture, bilinearly with
// pixel centres aligned, and the largest wins, the first of equals.
func Segments(logits []float32, labels []string, h, w, pictureH, pictureW int, show Show) ([]Segment, error) {
	if len(logits) != len(labels)*h*w || h < 1 || w < 1 {
		return nil, fmt.Errorf("the model gives %d logits for %d labels at %d x %d", len(logits), len(labels), h, w)
	}
	if slices.ContainsFunc(logits, func(v float32) bool { return v-v != 0 }) {
		return nil, errNotFinite
	}
	classes := Classes(logits, h, w, pictureH, pictureW)
	areas := make([]int, len(labels))
	for _, c := range classes {
		areas[c]++
	}
	out := []Segment{}
	for id, label := range labels {
		if areas[id] == 0 {
			continue
		}
		s := Segment{Label: label}
		if show.PNG {
			var err error
			if s.Mask, err = maskPNG(classes, id, pictureH, pictureW); err != nil {
				return nil, fmt.Errorf("encoding the mask of %s: %w", label, err)
			}
		}
		if show.RLE {
			s.RLE = columns(classes, id, pictureH, pictureW)
		}
		if show.Areas {
			s.Area, s.Fraction = &areas[id], new(float64(areas[id])/float64(pictureH*pictureW))
		}
		out = append(out, s)
	}
	return out, nil
}

func maskPNG(classes []int, id, h, w int) ([]byte, error) {
	mask := image.NewGray(image.Rect(0, 0, w, h))
	for i, c := range classes {
		if c == id {
			mask.Pix[i] = 255
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, mask)
	return b.Bytes(), err
}

// columns are the runs of a class in classes [h, w].
func columns(classes []int, id, h, w int) *RLE {
	r := &RLE{Size: [2]int{h, w}}
	inside, run := false, 0
	for x := range w {
		for y := range h {
			if is := classes[y*w+x] == id; is != inside {
				r.Counts, inside, run = append(r.Counts, run), is, 0
			}
			run++
		}
	}
	r.Counts = append(r.Counts, run)
	return r
}

// Classes is the class of each pixel of a picture, row by row.
func Classes(logits []float32, h, w, pictureH, pictureW int) []int {
	out := make([]int, 0, pictureH*pictureW)
	for row := range heads.ClassRows(logits, h, w, pictureH, pictureW) {
		out = append(out, row...)
	}
	return out
}
