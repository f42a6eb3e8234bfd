package model

import (
	"vecmill/model/config"
	"vecmill/model/graph"
)

// AudioConfig is config.json of model_type data2vec-audio.
type AudioConfig = config.Audio

// TextConfig is config.json of model_type data2vec-text.
type TextConfig = config.Text

// VisionConfig is config.json of model_type data2vec-vision.
type VisionConfig = config.Vision

// HW is a height and a width in pixels.
type HW = config.HW

// Precision is the arithmetic of a graph's encoder: [Single], where nothing is said, [Half] or [Int8].
type Precision = graph.Precision

// The precisions.
const (
	Single = graph.Single
	Half   = graph.Half
	Int8   = graph.Int8
)

// Pass is something that makes graphs faster; see [graph.Passes].
type Pass = graph.Pass
