// Package checkpoint reads the weights of a Hugging Face checkpoint directory, in any of the formats that it is saved in:
// model.safetensors, pytorch_model.bin (the zip archive of torch 1.6 and the stream from before it), either of the two in shards with
// an index, and tf_model.h5 (Keras); safetensors whose metadata says that TensorFlow saved them are Keras', too. F32, F16 and BF16 become float32 exactly, F64 the nearest one.
//
// Files are memory-mapped where the system can (elsewhere they are read whole), so opening costs the header alone and a row-major float32
// tensor is written on without a copy in this process's memory; transposed and other strided tensors pass through a small buffer. A file
// that is cut or rewritten while it is mapped faults the process: checkpoints are replaced, not edited in place. Nothing is
// believed before it is checked: lengths, offsets, strides, shapes and their products against the file; what does not
// hold is an error, never a panic and never an allocation beyond a small multiple of the headers. A pickle is data here: it names
// what it would run, and anything but a tensor is refused by that name (package pickle).
//
// Tensors have torch's names and layouts whatever wrote them: Keras' are renamed and their dimensions reordered (kerasnames.go), and
// a [Binding] knows the other spellings of a name (names.go: old LayerNorms, transformers 5).
//
// Access is verified. A Binding hands out tensors by name and expected shape, notes what is missing or has another
// shape, and [Binding.Verify] fails with all of it and with every surplus weight, by name. So no weight is ever silently
// random, and no file is silently half used.
package checkpoint
