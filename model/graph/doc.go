// Package graph turns a checkpoint into an ONNX graph: one file per family (audio.go, text.go, vision.go), one per head, the layers
// they share in layers.go. [Build] looks the class up in the table in class.go, asks the checkpoint for every weight by
// name and shape, and fails if one is missing or left over.
//
// Convolutions over samples are sums of products (audio_samples.go; the reason is in docs/adr). Linear layers run on [B*T, H] matrices, so
// each is one product with its bias; sequences become [B, heads, T, H/heads] inside attention alone.
// What depends on configuration only is folded when the graph is built: relative position biases of images to one
// constant per layer, position tables, layer scales and batch normalisations into the weights before them, the weights of a layer sum,
// the windows of adaptive pooling to a matrix.
//
// What makes a graph faster than one that is written down as the reference computes is a pass by name (passes.go); a benchmark can leave one out.
//
// Products of the encoder have a precision (precision.go): what goes through [net.product] is float32, half precision (half.go), or whole numbers rounded row
// by row; heads go through [net.exact].
//
// A decoder's cache is two graphs: one gives keys and values out ([PastKeyValues] among Options.Outputs), one takes and gives them. A text in
// parts gets the numbers of the text in one.
//
// Packed rows (packed.go) hold several items each. Steps see those of their own item only, and what is one for an item is gathered from its steps.
//
// Invariants:
//
//	G1 An item in a padded batch gets what it gets alone. Attention never sees padding; frames behind an item's end are zeroed
//	   before every convolution over frames (positional, adapter) and left out of every mean. Convolutions over samples need nothing:
//	   they are valid ones, so a frame inside an item's length depends on the item's own samples.
//	   The frames of an x-vector are counted with the dilations of its convolutions.
//	   In packed rows it gets that beside its neighbours in the row, too: frames between clips are zeroed as padding is, and are enough for the
//	   convolutions to see nothing else.
//	   In whole numbers a row is rounded by itself, so this holds there, too.
//	   Options.HFPadding restores the reference's behaviour: audio is zeroed once, x-vectors forget the dilations, and decoders with
//	   relative positions and a cache count from the padded end.
//	G2 A weight is used as asked for or refused by name; a configuration switch is computed or refused by name.
//	G3 The same checkpoint and options give the same bytes.
package graph
