// Package parquetsink writes rows to Parquet files, or to stream files of Arrow IPC, exactly once, with no coordinator: the files themselves say what is written.
//
// Layout. One chain of files per source, each covering a contiguous range of offsets and named by the first of them:
//
//	<prefix>/<pipeline>/<topic>/<partition>/<first offset, 20 digits>.parquet
//
// or .arrows; a chain has files of one [Format]. A file carries the range it covers ([FileInfo]) in its footer, a stream in its schema, and in the object's metadata; the next file of the chain begins where
// it ends. The first file of a chain is always named 0: offsets before the first range ever written are recorded in it as skipped. So every
// writer of a chain fights for the same names, and no two files can ever cover one offset:
//
//	P1 A file is created by one conditional PUT; a name is won once, for ever. Nothing is ever deleted or replaced.
//	P2 The name 0, or the next_offset of an existing file, is the only name a writer tries. By induction the chain has no gap and no overlap.
//	P3 Files of a source are uploaded one after the other: n+1 is tried when n is known to be durable.
//	P4 An error of a PUT is settled by looking at the object before anything else is done; a nonce in each file tells whose it is.
//	P5 Who loses a name reads what the winner covers, reports that as durable, and goes on behind it with the rest.
//
// The hive layout puts each file into a directory of the day on which it was written,
//
//	<prefix>/pipeline=<pipeline>/source=<topic>/part=<partition>/day=<day>/<first offset, 20 digits>.parquet
//
// and stays one chain with one conditional PUT per file: a name is not the writer's to choose, it follows from the file before.
//
//	H1 Every file names the place of the next one: its next_offset and its next_day. The first file of every chain is at day 1970-01-01, offset 0.
//	H2 A file that moves the offset keeps the day. A writer whose clock says a later day than the place ends the day first, with a file that
//	   covers nothing and moves the day. Both want the same name, so one of them wins it, and P5 holds.
//	H3 So places only rise, and each is won once. A writer whose clock is behind goes on at the chain's day; no day is ever left for an earlier one.
//	H4 Names sort as places do: whoever lists the chain from any day on finds its end last.
//
// There is no list of files to trust beside the files, and so no orphan: what a glob finds is the chain. Resume refuses
// a source that has a chain in the other layout and none in its own.
//
// A reader that globs *.parquet sees no duplicate and no part of a file. Ranges without rows make files too, so that idle or fully filtered topics advance.
//
// Rows are buffered per source and rolled into a file by bytes, rows, age, memory pressure or Flush ([Reason]). Write blocks while the buffers
// are full. That cannot deadlock: every buffered byte is either in a closed file, whose upload needs no more memory and ends in
// success or failure, or in an open one, and open ones are closed, largest first, as long as a Write waits.
//
// Neighbours: objectstore is the store, arrowrow the schema, parquetfile and arrowfile the bytes. No lock is held across I/O or a callback; time is package time's, so that
// everything runs in a testing/synctest bubble.
package parquetsink
