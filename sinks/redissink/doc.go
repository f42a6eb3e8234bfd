// Package redissink keeps the newest row of each reference, head and window in Redis, as an online feature store, exactly once on one node.
//
// A row is a hash under <prefix>:<head>:<window>:<ref id> whose fields are the columns of docs/rows.md: text as it is, numbers as text, vector and vector_f16 as
// little-endian bytes, lists and maps as JSON. Beside the rows there are <prefix>:ref:<ref id>, the set of a reference's keys; <prefix>:next:<pipeline>/<topic>/<partition>,
// the first offset that is not stored; and <prefix>:meta, which model's rows these are.
//
//	R1 One script writes a stretch of a source and moves its next; offsets before that are dropped, a gap is an error. A node runs a script whole or, to its
//	   log and its replicas, not at all.
//	R2 A row of a smaller offset of the same topic partition never replaces one of a larger (a new pipeline that reads again from the start).
//	R3 With the first window of a reference comes the end of its older windows: a reader sees windows of one version only once the stretch is written.
//	R4 A deletion takes away the rows of smaller offsets of its topic partition.
//	R5 With an Index, each head that gives vectors has one of the module search, <prefix>:<head>, over its hashes: made at start if it is not there, refused if it
//	   does not fit. The server passes over a vector that does not fit its index, so such a row is refused before it is sent.
//
// A server that has lost acknowledged writes (a crash between two fsyncs of its log) has lost their next with them, so the source goes on from there: at the next
// start, or after the gap (R1) has ended a pipeline that was running. The scripts touch keys by name, which a cluster does not allow.
package redissink
