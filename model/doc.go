// Package model says which weights and turns them into graphs. [Open] reads a Hugging Face checkpoint directory
// (config.json and weights, or a ready-made .onnx) into a verified [Spec]; [Spec.Compile] builds the ONNX graph
// from it, without Python and without an export step, and caches it by digest.
//
// The graphs are batch-invariant by construction: audio graphs take `lengths`, re-mask after each positional
// convolution, and give an item in a padded batch what it gets alone. The compatible behaviour of the reference is a
// compile option for golden tests.
//
// A cached graph is a directory named by its digest: model.onnx with the nodes, weights.bin with the weights, manifest.json with ports and
// checksums. It appears by one rename, so two processes may compile at once; every load checks the sums, and a damaged graph
// is built again. The digest covers configuration, labels, the contents of the weight files, the options and the
// version of the compiler, so a graph is never used for another checkpoint. testdata/golden holds reference cases made by
// tools/golden; embed/embedtest/golden runs them.
//
// Below: model/config reads config.json, model/checkpoint weight files, model/onnx writes and describes ONNX, model/graph has the
// families and heads, model/mapped maps files. embed runs what Compile returns; model knows no session.
package model
