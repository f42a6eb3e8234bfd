// Package pgvectorsink writes rows to a table of PostgreSQL with pgvector, exactly once: rows and progress commit in one transaction.
//
// Beside the table T there are T_sources (for each source the first offset that is not stored), T_ranges (what each transaction covered: dead, skipped and
// lost offsets, the id and offset of every row that it wrote, and the options of its heads) and T_meta (the one model digest and metric of the table).
//
//	P1 A transaction locks its source's line in T_sources and compares: offsets before it are dropped, a gap is an error, so ranges never overlap.
//	P2 Rows come by COPY into a temporary table and from there by upsert on row_id, in the order of row_id, so that transactions do not deadlock.
//	P3 An error of COMMIT is settled by P1: the next try waits for the lock of the one before, and then sees whether it landed.
//	P4 A writer that wakes late finds its offsets stored and adds nothing; it reports them as durable, since they are.
//
// Ranges are buffered per source and committed by rows, age, memory pressure or Flush. Write blocks while the buffers are full.
// A row that the server would refuse (a vector of another dimension or with a number that is not finite) is refused by Check, and its record becomes a dead letter.
// One that the server refuses all the same is found by halving and named with its offset, and the source ends there: the letter would have to be durable before the
// progress that covers it, and both are in one transaction.
//
// Deletions take rows away in the transaction that covers them, which keeps the ids of these rows: an audit tells a row that was deleted from one that is lost.
package pgvectorsink
