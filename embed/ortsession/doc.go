// Package ortsession runs a compiled [model.Graph] on ONNX Runtime: [Open] gives a [Session], an [embed.Session].
//
// It is the only package of the project that touches cgo. The library itself is no part of the binary: it is looked for
// at VECMILL_ORT_LIB, then beside the executable, then in the user's cache (see [Library]), loaded at the first Open or
// Library call, checked to be at least [MinVersion], and stays loaded for the life of the process, because ONNX Runtime
// keeps one environment per process. Built without cgo, Open and Library fail with a sentence that says so.
//
// Threads: every session has its own pool of intra-op threads, which do not spin while they wait, so sessions and
// decoders can share cores. The thread that calls Run is one of them. Operators run one after the other; parallelism across
// batches comes from several sessions or several callers of one session.
//
// Memory: sessions on the CPU have one arena in common (arena.go), which keeps what the largest batches that ran at once took; Options.NoArena gives it back after each run, at a price; [Arena] tells what a batch needs of it.
// The cache of memory plans per input shape is off: shapes of micro-batches hardly ever repeat, so it would only grow.
// Weights are allocated outside the arena.
//
// Providers: the CPU's, or CUDA and TensorRT of the GPU build (provider.go). One that cannot be had is an error; none stands in for another. [Observe] tells
// where the operators of a graph are computed, [Dependencies] which CUDA, cuDNN and TensorRT a provider finds. The GPU providers have not run on a GPU.
//
// Determinism: with one number of threads, the same input gives the same bits, also from concurrent callers.
//
// Ready-made audio graphs (exports of torch or optimum) have no `lengths` input, and padding leaks through the positional
// convolutions even where they take an attention mask. For these a Session runs the items of one length together, cut to
// that length, and joins the outputs: every item gets what it gets alone (I7), at the price of smaller batches.
//
// Neighbours: embed defines the seam and calls Run; model makes the graph. embed/embedtest holds the suite that a Session passes.
package ortsession
