// Package arrowfile makes and reads stream files of Arrow IPC (.arrows) of rows: a schema with the file's metadata, record batches, and the mark of the end.
//
// [Write] encodes rows in the same groups as parquetfile; each is a record batch. The metadata is the schema's, and so lies at the file's beginning: [Head] is what has to be
// read to know it. [Scan] reads a few columns; it goes through the whole file, a record batch at a time, since a stream has no index. [Read] reads whole rows. [Lineages] says where each record batch is, and [ReadPart] reads one of them then.
//
// The Arrow library takes every length in a stream at its word. Here a message must lie inside of the file, a schema's lists inside of their message, rows must have bytes, and a record
// batch that would unpack to more than 1 GiB is refused: damage is an error, and no demand for memory beyond that. A file without the mark of its end is damaged, too.
//
// Neighbours: arrowrow builds the records; parquetsink writes the files. Nothing here does I/O.
package arrowfile
