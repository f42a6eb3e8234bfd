// Package golden reads reference cases, as tools/golden writes them, and compares a model's outputs with them. A case is a
// checkpoint directory with a manifest.json of runs: inputs, outputs and tolerances that were derived from the reference's
// own float32 noise.
//
// [Load] finds the cases under a directory, [Run.Feed] turns the reference's inputs into those of our graphs, [Want.Compare] judges.
// The tests of this package run every committed case of every class on ONNX Runtime, and hold the same graphs to I7: an
// item in a padded batch gets what it gets alone. With VECMILL_GOLDEN_DIR set to another directory of that layout, its cases run as well.
package golden
