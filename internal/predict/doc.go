// Package predict runs one checkpoint on a few inputs and shows what it says: what `worker predict` does. It joins preprocessors, ONNX Runtime
// and the results of package tasks, as internal/wire joins them for a pipeline.
//
// There are two ways in. [Tensors] feeds raw model inputs under Hugging Face's names and writes every output of the class under its
// Hugging Face name; this is how a difference to the reference is found. [Run] takes files and texts and prints results of the shape and
// with the field names of the Hugging Face pipeline of the task, whose call arguments are its options.
//
// Audio masks become lengths: of an attention_mask only the number of ones counts, as in the reference; no mask means no padding. A picture's
// own size chooses the graph. Without HFPadding an item of a batch gets what it gets alone (I7).
//
// Most tasks prepare runs of the graph and make a result of their outputs. Those whose runs depend on what came before, or are too large to keep, drive the
// graph themselves: text-generation (package generate searches, the decoder here keeps keys and values) and perplexity.
//
// The one exception to I7 is the option batch_size of speech recognition above 1: it asks for the reference's batches of chunks, and gets its numbers.
//
// Errors that a person can mend by giving something else (no checkpoint, a wrong name or shape, a file that is no audio) are an [InputError].
package predict
