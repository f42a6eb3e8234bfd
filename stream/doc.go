// Package stream moves and accounts: it consumes references, has them fetched and computed, hands the results to the
// sinks in order, and commits what is durable. It is the only room that knows sources and offsets.
//
// A [Pipeline] owns the way of a record: Source -> Tracker -> Fetcher -> Engine -> in-order release -> Sink -> commit. Inference
// finishes out of order, output must not: the [Tracker] holds finished rows per partition until everything before them is
// settled, and releases contiguous ranges.
//
// Invariants, cited where they are enforced:
//
//	I1 No commit before every row of a record is durable in every required sink, or the record is durably in the dead letters.
//	I2 Commits are contiguous per partition and never move back.
//	I3 Nothing commits for a partition after it was revoked or lost: fence under one lock, then commit the snapshot.
//	I4 Bytes held never exceed the budget: the worst case is reserved before the body is read, afterwards a lease only shrinks.
//	I5 Every record is settled exactly once, and so is every window inside the engine.
//	I6 Shutdown loses nothing and repeats little: stop polling, settle, flush, commit, leave the group, close sessions.
//	I7 Batch composition never changes a result (enforced in model/graph and embed, tested end to end here).
//	I8 Exactly once in the output: after any crash each source offset is exactly one of row(s), dead letter, skipped, lost to retention.
//
// Neighbours: kafkasource and manifestsource implement [Source], blobfetch implements [Fetcher], embed.Engine computes, and
// sinks make durable. The scripted source, the fake fetcher and the invariant checker are in stream/streamtest.
package stream
