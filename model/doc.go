// Package model says which weights and turns them into graphs. [Open] reads a Hugging Face checkpoint directory
// (config.json and model.safetensors, or a ready-made .onnx) into a verified [Spec]; [Spec.Compile] builds the ONNX graph
// from it, without Python and without an export step, and caches it by digest.
//
// The graphs are batch-invariant by construction: audio graphs take `lengths`, re-mask after each positional
// convolution, and give an item in a padded batch what it gets alone. The compatible behaviour of the reference is a
// compile option for golden tests.
//
// Neighbours: model/checkpoint reads weight files, model/graph builds ONNX. embed runs what Compile returns; model knows no
// session and no tensor library.
package model
