// Package sinks makes rows durable. It defines the one contract, [Sink], that every store implements in a package of its
// own (parquetsink, ...), and two compositions: Tee, which writes to several sinks and reports a range durable when every
// required one has it, and the dead-letter stores.
//
// The contract is asynchronous because a Parquet file is durable only when it has been closed and uploaded, minutes after its
// rows arrived: Write takes the rows and returns, done is called when they are safe. Ranges arrive in order and without
// gaps per source; a sink never reorders, and can say by itself ([Sink.Resume]) where its durable output ends. That,
// and not any offset store, is what makes the output exactly-once.
//
// Neighbours: rows and ranges come from vecmill/schemas; stream calls the sinks and commits what they report. Sinks know
// nothing of Kafka's consumer groups, of tensors, or of each other. The conformance suite is sinks/sinktest.
package sinks
