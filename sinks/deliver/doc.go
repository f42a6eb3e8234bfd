// Package deliver is the sink for stores without transactions over rows and offsets: it implements [sinks.Sink] over [Store], which writes one batch.
//
//	D1 A source has at most one batch under way, so its rows and deletions reach the store in order, and its ranges are reported in order. Batches of
//	   other sources are under way beside it.
//	D2 A batch takes what waits of several sources, up to rows and bytes; it is sent when it is full, when its oldest range has waited long enough, or
//	   when somebody waits for it: Flush, Close, or a Write for which the buffers have no room (of Writes that do not wait: will soon have none). With Config.OneSource it takes those of one source.
//	D3 An error of the store is repeated with backoff until the policy gives up, unless it is [Final]. Writing is repeated, so a store has to take a row
//	   again under its id, or its readers have to collapse rows by id.
//	D4 A batch of which the store says that it will not take some item ([Refused]) is halved until the item is alone. The rest is durable; the refused
//	   offsets are given to done as a [sinks.RefusedError].
//	D5 What was forgotten is not sent again: between tries a batch loses the ranges of sources that were given up, and Resume waits for the last try.
//
// Resume never knows where a plain store ends: after a crash, what was not committed is written again. A [Progress] store keeps the end of each source in the same
// step as its rows, which makes it exactly-once; it must not give refusals (sinks.RefusedError says why), so a refused row ends its source there.
//
// A sink of this kind is one directory with a Store, a conformance test of twenty lines, a line in internal/wire, and a test against the real server.
package deliver
