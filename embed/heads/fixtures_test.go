package heads_test

import (
	"path/filepath"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// audioSpec is a checkpoint whose convolutions take two samples per frame, without overlap.
func audioSpec(class string) *model.Spec {
	return &model.Spec{
		Dir: filepath.Join("testdata", "ctc", "plain"), Class: class, Modality: schemas.Audio,
		Audio: &model.AudioConfig{ConvDim: []int{8}, ConvKernel: []int{2}, ConvStride: []int{2}},
	}
}

func textSpec(class string, labels ...string) *model.Spec {
	return &model.Spec{Class: class, Modality: schemas.Text, Labels: labels, Text: &model.TextConfig{PadTokenID: 1}}
}

func imageSpec(class string, labels ...string) *model.Spec {
	return &model.Spec{Class: class, Modality: schemas.Image, Labels: labels, Vision: &model.VisionConfig{PatchSize: 2}}
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
