// Package icebergsink holds the protocol by which writers append to one Iceberg table exactly once, with no coordinator: the table's snapshots say what is written.
// It is free of any catalog's library; [Table] is what it needs of one.
//
// Every snapshot that this protocol makes carries in its summary, atomically with the data files that it adds:
//
//	vecmill.progress  for every source of the table, the first offset that is not in it, and the nonce of the commit that got there
//	vecmill.range     the range of offsets whose rows this snapshot adds, with its dead, skipped and lost offsets
//
// The rules:
//
//	C1 A commit is one compare-and-swap of the table's current snapshot. It is tried only on a snapshot whose progress of the source is where the range begins,
//	   or on one that does not know the source: so no two commits cover one offset, and there is no gap.
//	C2 All tries of a commit carry one nonce. An error of a try is not believed either way: the table is read again, and the nonce in its progress or in a
//	   snapshot of its history tells that the commit had landed. A try that lands late, behind a newer one, fails by C1's comparison.
//	C3 Files are never deleted by a writer. Those of a commit that did not land are orphans: no snapshot refers to them, so no reader reads them.
//	C4 Snapshots of others (compaction, deletes) carry no progress; that of the newest ancestor which has it holds. If ancestors are expired and none of the rest
//	   has it, nothing is known, and nothing is written: ErrProgressExpired.
//	C5 Who finds that another writer has covered the beginning of his range adds nothing, and learns where to go on.
package icebergsink
