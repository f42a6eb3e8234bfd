package heads_test

import (
	"path/filepath"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// audioSpec is a checkpoint whose convolutions take two samples per frame, without overlap.
func audioSpec(class string, labels ...string) *model.Spec {
	return &model.Spec{
		Dir: filepath.Join("testdata", "ctc", "plain"), Class: class, Modality: schemas.Audio, Labels: labels,
		Audio: &model.AudioConfig{ConvDim: []int{8}, ConvKernel: []int{2}, ConvStride: []int{2}},
	}
}

func textSpec(class string, labels ...string) *model.Spec {
	return &model.Spec{Class: class, Modality: schemas.Text, Labels: labels, Text: &model.TextConfig{PadTokenID: 1}}
}

func imageSpec(class string, labels ...string) *model.Spec {
	return &model.Spec{Class: class, Modality: schemas.Image, Labels: labels, Vision: &model.VisionConfig{PatchSize: model.HW{H: 2, W: 2}}}
}

func graphWith(outputs ...model.Port) *model.Graph { return &model.Graph{Outputs: outputs} }

func state() model.Port {
	return model.Port{Name: "last_hidden_state", Type: "float32", Shape: []int64{-1, -1, 3}}
}

func frameLogits(vocab int64) model.Port {
	return model.Port{Name: "logits", Type: "float32", Shape: []int64{-1, -1, vocab}}
}

func itemLogits(labels int64) model.Port {
	return model.Port{Name: "logits", Type: "float32", Shape: []int64{-1, labels}}
}

func audioSample(v ...float32) embed.Sample {
	return embed.Sample{Cost: len(v), Inputs: []embed.Input{
		{Name: "input_values", Shape: []int{len(v)}, F32: v}, {Name: "lengths", I64: []int64{int64(len(v))}},
	}}
}

func textSample(ids ...int64) embed.Sample {
	mask := make([]int64, len(ids))
	for i := range mask {
		mask[i] = 1
	}
	shape := []int{len(ids)}
	return embed.Sample{Cost: len(ids), Inputs: []embed.Input{
		{Name: "input_ids", Shape: shape, I64: ids, Pad: 1}, {Name: "attention_mask", Shape: shape, I64: mask},
	}}
}

func imageSample(pixels ...float32) embed.Sample {
	return embed.Sample{Cost: len(pixels), Inputs: []embed.Input{{Name: "pixel_values", Shape: []int{1, 1, len(pixels)}, F32: pixels}}}
}

func tensor(name string, shape []int64, v ...float32) *embed.Output {
	return &embed.Output{Tensors: []embed.Tensor{{Name: name, Shape: shape, F32: v}}}
}

// oneHot gives logits [B, T, vocab] that put weight on the token that each frame's value names. hop values make a frame.
func oneHot(vocab, hop int) func(*testing.T, []embed.Sample, float32) *embed.Output {
	return func(_ *testing.T, batch []embed.Sample, garbage float32) *embed.Output {
		longest := 0
		for i := range batch {
			longest = max(longest, len(batch[i].Inputs[0].F32)/hop)
		}
		t := embed.Tensor{Name: "logits", Shape: []int64{int64(len(batch)), int64(longest), int64(vocab)}}
		for i := range batch {
			values := batch[i].Inputs[0].F32
			for f := range longest {
				row := make([]float32, vocab)
				if f < len(values)/hop {
					row[int(values[f*hop])] = 4 + float32(f%3)
				} else {
					for k := range row {
						row[k] = garbage
					}
				}
				t.F32 = append(t.F32, row...)
			}
		}
		return &embed.Output{Tensors: []embed.Tensor{t}}
	}
}

func vectors(width int64) model.Port {
	return model.Port{Name: "embeddings", Type: "float32", Shape: []int64{-1, width}}
}

func planes(classes int64) model.Port {
	return model.Port{Name: "logits", Type: "float32", Shape: []int64{-1, classes, 2, 2}}
}

// tags are the labels of the tests of entities.
var tags = []string{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}

// pieces is a tag of a text that is cut at spaces, a special token on each side. from of its code points come before the excerpt.
type pieces struct {
	text string
	from int
	all  []embed.Piece
}

func (p *pieces) Excerpt() (string, int)  { return p.text, p.from }
func (p *pieces) Piece(i int) embed.Piece { return p.all[i] }

// taggedSample is a sample of a text whose tokens are its words; each token's id is 10 and the number of its label.
func taggedSample(text string, labels ...int64) embed.Sample {
	return taggedWindow(0, text, labels...)
}

// taggedWindow is a taggedSample behind a number of code points.
func taggedWindow(from int, text string, labels ...int64) embed.Sample {
	tag, ids, at := &pieces{text: text, from: from, all: []embed.Piece{{}}}, []int64{0}, from
	for i, word := range strings.Fields(text) {
		end := at + len([]rune(word))
		tag.all = append(tag.all, embed.Piece{Start: at, End: end, Own: true})
		ids = append(ids, 10+labels[i])
		at = end + 1
	}
	s := textSample(append(ids, 2)...)
	tag.all = append(tag.all, embed.Piece{})
	s.Tag = tag
	return s
}

// oneHotTokens gives logits [B, T, labels] of taggedSamples; special tokens get the last label.
func oneHotTokens(labels int) func(*testing.T, []embed.Sample, float32) *embed.Output {
	return func(_ *testing.T, batch []embed.Sample, garbage float32) *embed.Output {
		longest := 0
		for i := range batch {
			longest = max(longest, len(batch[i].Inputs[0].I64))
		}
		t := embed.Tensor{Name: "logits", Shape: []int64{int64(len(batch)), int64(longest), int64(labels)}}
		for i := range batch {
			ids := batch[i].Inputs[0].I64
			for k := range longest {
				row := make([]float32, labels)
				switch {
				case k >= len(ids):
					for j := range row {
						row[j] = garbage
					}
				case ids[k] < 10:
					row[labels-1] = 9
				default:
					row[ids[k]-10] = 3 + float32(k)
				}
				t.F32 = append(t.F32, row...)
			}
		}
		return &embed.Output{Tensors: []embed.Tensor{t}}
	}
}

// size is a tag of a picture.
type size struct{ width, height int }

func (s size) Pixels() (width, height int) { return s.width, s.height }

// picture is a sample of a picture of 2x2 values, fetched in the given size.
func picture(width, height int, values ...float32) embed.Sample {
	s := imageSample(values...)
	s.Tag = size{width, height}
	return s
}

// classPlanes gives logits [B, 2, 2, 2]: nothing for the first class, the picture's values for the second.
func classPlanes(_ *testing.T, batch []embed.Sample, _ float32) *embed.Output {
	t := embed.Tensor{Name: "logits", Shape: []int64{int64(len(batch)), 2, 2, 2}}
	for i := range batch {
		t.F32 = append(append(t.F32, 0, 0, 0, 0), batch[i].Inputs[0].F32...)
	}
	return &embed.Output{Tensors: []embed.Tensor{t}}
}
