// Package icebergsink writes rows to an Iceberg table, exactly once, with no coordinator: the table's snapshots say what is written.
// It is free of any catalog's library; [Table] is what it needs of one, and icebergcatalog is one.
//
// Every snapshot that this protocol makes carries in its summary, atomically with the data files that it adds:
//
//	vecmill.progress  for every source of the table, the first offset that is not in it
//	vecmill.ranges    the ranges of offsets whose rows this snapshot adds, one for each of its sources, with their dead, skipped and lost offsets and their tombstones,
//	                  or, where these are many, vecmill.tombstones with their offsets alone
//	vecmill.heads     for every source of the table, from which offset on the heads had which options; the first of these is where the source begins
//	vecmill.commit    the nonce of the commit
//	vecmill.gone      the offsets of rows that its tombstones take away, if there are some
//
// The rules:
//
//	C1 A commit is one compare-and-swap of the table's current snapshot. It adds a range of a source only on a snapshot whose progress of the source is where
//	   the range begins, or on one that does not know the source: so no two commits cover one offset, and there is no gap. A source that is not known begins at
//	   offset 0, with what was before its first range as skipped.
//	C2 An error of a try is not believed either way: the table is read again, and its progress says what is left to do. All tries of a commit carry one nonce,
//	   by which it is seen that a try had landed. One that lands late, behind a newer one, fails by C1's comparison.
//	C3 Files are never deleted by a writer. Those of a try that did not land are orphans: no snapshot refers to them, so no reader reads them.
//	C4 Snapshots of others (compaction, deletes) carry no progress; that of the newest ancestor which has it holds. If ancestors are expired and none of the rest
//	   has it, nothing is known, and nothing is written: ErrProgressExpired. A table that is rolled back takes its progress back with it.
//	C5 Who finds that another writer has covered the beginning of a range adds only what lies behind, from files that are written anew without the rest. If
//	   the table ends before a range begins, its source is fenced; the other sources of the commit are not held up.
//
//	C6 A tombstone takes away the rows of its reference that its source gave at smaller offsets, in the snapshot that covers it: those of the same snapshot are in no
//	   file of it, and those of earlier ones are named by files of deleted positions, which hold for the table that the commit is compared with.
//
// To find the positions, a commit with tombstones reads the ids in all data files whose partitions and bounds admit them. What it has read it keeps over its tries, so
// that a slow look is not beaten for ever by others' commits.
//
// A [Sink] buffers ranges of all its sources together and rolls them by bytes, rows, age, memory pressure or Flush: so a worker with many partitions makes
// one snapshot per roll, and one file for each partition of the table. Rolls are encoded and uploaded beside each other and committed in order, as many in one
// snapshot as are ready. Their rows are kept until they are committed, since a conflict may have them written again. Write blocks while the buffers are full; that cannot
// deadlock, since a Write that waits closes the open roll, and a closed one ends in a commit or a failure.
//
// Data files carry Iceberg's field ids, sizes of their columns, and bounds of whole numbers, times and short texts. Half-precision vectors are float32 there:
// Iceberg has no smaller type.
//
// Recall gives ranges back to other outputs, by the summaries of the snapshots and the rows of the data files, as long as nobody has expired the one or rewritten the other,
// and no snapshot has more tombstones than its summary names. A row that a tombstone has taken is skipped there.
//
// Neighbours: arrowrow and parquetfile make the files, objectstore takes them. No lock is held across I/O or a callback; time is package time's, so that
// everything runs in a testing/synctest bubble.
package icebergsink
