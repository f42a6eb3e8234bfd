// Package model says which weights and turns them into graphs. [Open] reads a Hugging Face checkpoint directory
// (config.json and weights, or a ready-made .onnx) into a verified [Spec]; [Spec.Compile] builds the ONNX graph
// from it, without Python and without an export step, and caches it by digest.
//
// The graphs are batch-invariant by construction: audio graphs take `lengths`, re-mask after each positional
// convolution, and give an item in a padded batch what it gets alone. The compatible behaviour of the reference is a
// compile option for golden tests.
//
// A cached graph is a directory named by its key: model.onnx with the nodes, linked-N.bin, hard links to weight files whose float32 values
// the graph uses where they lie, weights.bin with the weights that had to be made (other types, folded tables) or could not be linked, manifest.json with ports and
// checksums. It appears by one rename, so two processes may compile at once; every load checks the sums of what was written and that links are the checkpoint's own files, and a damaged graph
// is built again. The key covers configuration, labels, options, the version of the compiler, and of each weight file its size, time,
// inode and samples; the digest of a graph covers the whole contents instead, takes a read of the weights, and once known is compared with at every later one: a graph is never
// reported as that of other weights. docs/adr/20261123-weights-in-place.md has the reasons. golden holds reference cases made by
// tools/golden; embed/golden runs them, embed/embedtest/exported runs what torch exports.
//
// Below: model/config reads config.json, model/checkpoint weight files, model/onnx writes and describes ONNX, model/graph has the
// families and heads, model/mapped maps files. embed runs what Compile returns; model knows no session.
package model
