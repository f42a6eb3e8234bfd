// Package arrowrow maps rows to Arrow and back: the storage schema of every columnar sink.
//
// [Schema] is made from schemas.Columns, so the column table in vecmill/schemas stays the only place that names a column.
// A [Builder] appends rows and gives records; [Rows] reads a record back, by column name, so that files with other or
// fewer columns read too. A payload column holds a value when the row's task defines it and null otherwise; optional
// lineage (etag, version, attributes) is null when it is empty. Text that is not valid UTF-8 is repaired with U+FFFD, since
// a Parquet string column must be UTF-8 to be read anywhere.
//
// Vectors are list<float32> and not a fixed-size list: the Arrow library writes a broken file for fixed-size lists that have
// null rows, and rows of several tasks share a file. Times are timestamp[us, UTC], attributes a map, words and labels lists of structs.
//
// Neighbours: schemas gives the rows; parquetsink and later columnar sinks use the records. Nothing here does I/O.
package arrowrow
