// Package checkpoint reads the weights of a Hugging Face checkpoint directory: model.safetensors, or the shards named by
// model.safetensors.index.json, in F32, F16 or BF16.
//
// Files are memory-mapped where the system can (elsewhere they are read whole), so opening costs the header alone and a float32
// tensor is written on without a copy in this process's memory. A file that is cut or rewritten while it is mapped faults the process:
// checkpoints are replaced, not edited in place. Every header is checked before it is believed: lengths, offsets, shapes and
// their products against the file, no overlap and no hole; what does not hold is an error, never a panic and
// never an allocation larger than the file.
//
// Access is verified. A [Binding] hands out tensors by name and expected shape, notes what is missing or has another
// shape, and [Binding.Verify] fails with all of it and with every surplus weight, by name. So no weight is ever silently
// random, and no file is silently half used.
package checkpoint
