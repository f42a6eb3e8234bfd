// Package onnx writes ONNX models node by node, and reads what a ready-made one takes and gives. It encodes the protobuf directly:
// no generated code, no message tree in memory.
//
// A [Builder] has one Go method per operator. Each returns the [Value] it computes, so a graph reads like the formula
// it computes. Operators come from the default domain at opset [Opset], IR version [IRVersion], and a few from ONNX Runtime's own
// (fused.go); ONNX Runtime 1.17 and later run all of them (tested with 1.24). Linear layers are products with the weight as stored, [out, in], so weights are
// written out byte by byte as they lie in the checkpoint: nothing is transposed, neither here nor in memory.
//
// Weights go to one data file beside the model (ONNX external data), streamed from the checkpoint's mapping by
// [Builder.Write]; the model file itself holds nodes, shapes and small constants. ONNX Runtime maps the data file, so
// a model costs neither a second copy here nor one there until the runtime packs it for its kernels, and the 2 GB
// limit of protobuf does not apply.
//
// [Describe] parses the graph inputs and outputs of any model file, and the names of its external data files. It reads no weights and
// trusts no length.
package onnx
