// Package audit proves the conservation law from the outside: with nothing but what is in the outputs, in Kafka and in the dead-letter stores it says, per source,
// which offsets are covered, and that each covered offset is exactly one of row(s), dead letter, skipped and lost.
//
// An [Output] is what an audit must be told of a sink: which sources it holds, and for each the parts that cover ranges of offsets, with their rows.
// Parquet's chain of files is one ([Parquet]); another sink joins by another implementation. [Of] looks at one source, and goes on behind every fault, so that
// one report names all of them, up to a limit, by offset. [Report.CompareLog] adds what Kafka says (the log's beginning and end, the group's commit), and
// [Report.CompareLetters] whether every dead offset has its letter.
//
// What it does not prove: that a row's payload is what the model gives; that the referenced object was the right one.
package audit
