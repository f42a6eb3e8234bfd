// Package encoder embeds lists in a Go program of one's own: texts, recordings or pictures in, a vector for each out, with a checkpoint directory of Hugging Face's and ONNX Runtime, and without Python.
//
//	e, err := encoder.Open(ctx, "/models/data2vec-text-base", encoder.Options{})
//	...
//	defer e.Close()
//	vectors, err := e.Texts(ctx, []string{"play some jazz", "what is the weather in Oslo"})
//
// It has nothing of its own to compute with: the preprocessors, the [embed.Engine], the session and the head are those of a worker. A vector is what a pipeline with the same checkpoint, options and
// heads: [{task: embedding}] writes into its rows, to the bit where both compute it in a batch of the same inputs with as many threads, and to the last bits of float32 otherwise (I7). So an index that a
// worker has filled may be searched with vectors from here; [Encoder.Digest] is the model digest of its rows.
//
// A call gives its inputs to the engine, which forms batches by what they take, of the inputs of concurrent calls together, and puts the results back into the order of the list. An input that is damaged, or that
// the model does not take, costs its own vector and no other ([InputErrors]).
//
// One input gives one vector. What is longer than the model takes is refused, or cut if the options say Truncate; the policies that make several windows of an input belong to pipelines.
//
// Memory is the model's, and that of what is under way: the engine takes as many inputs as it can make batches of (Options.Batch, and four for each processor), and a call waits with the others. Recordings are held decoded meanwhile, 64 KB a second.
//
// Only the CPU's provider is used here. Neighbours: model opens and compiles the checkpoint; embed, its preprocessors, heads and ortsession compute; internal/wire is the same for workers.
package encoder
