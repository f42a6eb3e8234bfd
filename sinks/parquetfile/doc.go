// Package parquetfile makes and reads the bytes of Parquet files of rows: how rows become row groups, which columns have dictionaries and statistics, and which codec is
// worth its memory.
//
// [Write] encodes; a [Rows] says what. [SetFieldIDs] numbers the columns of a finished file, as table formats want it: the Arrow library writes numbers of
// plain columns only, and readers of Iceberg take all of a file's numbers or none.
//
// [Scan] and [Scanner] read a few columns of a file, from any row on, and [Metadata] its footer's. The Arrow library takes every length in a file at its word; both compare them with the bytes that
// are there first, so that damage is an error and never a demand for memory. [Read] reads whole rows, for demos and tests.
//
// Neighbours: arrowrow builds the records; parquetsink and icebergsink write files. Nothing here does I/O.
package parquetfile
