// Package line proves the whole line as a user runs it: the worker's own binary between a real Apache Kafka and a real S3
// server, with the bundled models, under the build tag integration.
//
//   - Good input: references of all three modalities through three pipelines of one worker come out as transcripts, labels and
//     vectors, each exactly once, in files that pyarrow and duckdb read.
//   - Bad input: every kind of broken record becomes a dead letter with its reason class, in a topic or below a prefix, and the
//     records around it come out all the same.
//   - A manifest: the same pipelines over a bounded list, with backfill; a second run repeats nothing.
//   - Faults at the start: the worker ends soon, with an exit code and a sentence that says what to do.
//
// One test holds all of it, so that the servers start once. What it does not prove: anything about crashes (integration/crash)
// or about speed (integration/bench); the models are small, so transcripts and labels are held to a share of 80 %, while the
// golden tests beside embed and model hold every number.
package line
